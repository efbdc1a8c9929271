"""Whether a sequence is right: judges of one sequence, lane by lane."""

from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp

from lstm_jax.types import Array, Sequence


class Judgement(NamedTuple):
    """One sequence, judged.

    Attributes:
      wrong: `(*lanes)` bool.
      error: `(*lanes)`, absolute error, mean over the masked steps and outputs.
      squared: `(*lanes)`, squared error, mean over the same.
    """

    wrong: Array
    error: Array
    squared: Array


Judge = Callable[[Array, Sequence], Judgement]


def within(tolerance: float) -> Judge:
    """Wrong is a sequence of which any output is `tolerance` or more off its goal.

    With 0 every sequence is wrong. ValueError for a tolerance that can be seen to be below 0 or
    no number.

    Example:
      >>> goals = jnp.array([[0.5]])
      >>> mask, length = jnp.array([True]), jnp.array(3)
      >>> sequence = Sequence(jnp.zeros((3, 1)), goals, goals, mask, length, "end")
      >>> bool(within(0.04)(jnp.array([[0.53]]), sequence).wrong)
      False
    """
    if isinstance(tolerance, int | float) and not tolerance >= 0:
        raise ValueError(f"tolerance: expected a number from 0 on, got {tolerance}")

    def judge(outputs: Array, sequence: Sequence) -> Judgement:
        mask = sequence.mask[:, None]
        error = jnp.where(mask, jnp.abs(outputs - sequence.goals), 0)
        wrong = jnp.any(~(error < tolerance), axis=(0, 1))  # a NaN is wrong
        number = jnp.maximum(sequence.mask.sum(axis=0) * outputs.shape[1], 1)
        number = number.astype(error.dtype)
        error, squared = error.sum(axis=(0, 1)), (error**2).sum(axis=(0, 1))
        return Judgement(wrong, error / number, squared / number)

    return judge


def most_active(outputs: Array, sequence: Sequence) -> Judgement:
    """Judge: wrong is a sequence whose goals are not the most active outputs at every step.

    The success of experiment 1 (Section 5.1): goals above 1/2 are the legal successors of
    a symbol, and each of their outputs must exceed all others.

    Example:
      >>> goals = jnp.array([[1.0, 0.0, 1.0]])
      >>> sequence = Sequence(jnp.zeros((1, 1)), goals, goals, jnp.array([True]), jnp.array(1))
      >>> bool(most_active(jnp.array([[0.3, 0.2, 0.4]]), sequence).wrong)
      False
    """
    legal = sequence.goals > 0.5
    least = jnp.min(jnp.where(legal, outputs, jnp.inf), axis=1)
    most = jnp.max(jnp.where(legal, -jnp.inf, outputs), axis=1)
    wrong = jnp.any(sequence.mask & ~(least > most), axis=0)  # a NaN is wrong
    return within(float("inf"))(outputs, sequence)._replace(wrong=wrong)


def at_last(judge: Judge, before: int = 0) -> Judge:
    """Judge a sequence by the last of its steps that has an error signal, alone.

    Args:
      judge: of the one step that is left.
      before: not by the last but by that so many before; a sequence without is right.
    """

    def judge_last(outputs: Array, sequence: Sequence) -> Judgement:
        later = jnp.cumsum(sequence.mask[::-1], axis=0)[::-1]  # of the masked, here or after
        return judge(outputs, sequence.replace(mask=sequence.mask & (later == 1 + before)))

    return judge_last
