"""When a trial is over: the paper's stopping rules, evaluated on the device.

A `Judge` looks at one sequence; a `Stop` at the sequences of a trial. Everything is
lane by lane: `(*lanes)` arrays, no lane knows of another.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from lstm_jax.types import Array, Sequence
from lstm_jax.wiring import freeze


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

    Example:
      >>> goals = jnp.array([[0.5]])
      >>> sequence = Sequence(jnp.zeros((3, 1)), goals, goals, jnp.array([True]), jnp.array(3))
      >>> bool(within(0.04)(jnp.array([[0.53]]), sequence).wrong)
      False
    """

    def judge(outputs: Array, sequence: Sequence) -> Judgement:
        mask = sequence.mask[:, None]
        error = jnp.where(mask, jnp.abs(outputs - sequence.goals), 0)
        wrong = jnp.any(~(error < tolerance), axis=(0, 1))  # a NaN is wrong
        number = jnp.maximum(sequence.mask.sum(axis=0) * outputs.shape[1], 1)
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
        return judge(outputs, sequence._replace(mask=sequence.mask & (later == 1 + before)))

    return judge_last


class Criterion(NamedTuple):
    """What a number of sequences must be like.

    Attributes:
      wrong_below: fewer of them than this are wrong.
      error_below: their mean error is below this.
    """

    wrong_below: int = 1
    error_below: float = float("inf")

    def holds(self, wrong: Array, error: Array) -> Array:
        """`wrong` sequences and mean `error`, `(*lanes)` each, to `(*lanes)` bool."""
        return (wrong < self.wrong_below) & (error < self.error_below)


class Stop(NamedTuple):
    """When a trial has reached what it was to reach.

    Attributes:
      start: `() -> state` without lanes.
      update: `(state, judgement, active) -> (state, held)` after every training
        sequence; `held` is `(criteria, *lanes)` bool. Lanes that are not active keep
        their state.
      criteria: what is to be reached, the last of which ends the trial.
      every: a validation set is tried after every so many training sequences; 0: none.
      size: sequences in the validation set, drawn once for each trial.
      uncounted: training sequences at the end that count as a test and not as training.
    """

    start: Callable[[], Any]
    update: Callable[[Any, Judgement, Array], tuple[Any, Array]]
    criteria: tuple[Criterion, ...]
    every: int = 0
    size: int = 0
    uncounted: int = 0


class Window(NamedTuple):
    """The most recent sequences of a trial.

    Attributes:
      seen: `(*lanes)` int32, training sequences so far.
      wrong: `(window, *lanes)` bool, a ring.
      error: `(window, *lanes)`, a ring.
      wrong_sum: `(*lanes)` int32 over the ring.
      error_sum: `(*lanes)` over the ring.
      fresh_sum: `(*lanes)` over the part of the ring written since it last began anew;
        it replaces `error_sum` at every turn, so that rounding does not add up.
    """

    seen: Array
    wrong: Array
    error: Array
    wrong_sum: Array
    error_sum: Array
    fresh_sum: Array


def recent(window: int, *criteria: Criterion) -> Stop:
    """Stop when the criteria hold for the `window` most recent training sequences."""

    def start() -> Window:
        none, zero = jnp.zeros((), jnp.int32), jnp.zeros(())
        ring = (jnp.zeros(window, bool), jnp.zeros(window))
        return Window(none, *ring, none, zero, zero)

    def update(state: Window, new: Judgement, active: Array) -> tuple[Window, Array]:
        at = state.seen % window
        error = new.error.astype(state.error.dtype)
        old_wrong, wrongs = _exchange(state.wrong, at, new.wrong, active)
        old_error, errors = _exchange(state.error, at, error, active)
        wrong_sum = state.wrong_sum + new.wrong - old_wrong.astype(jnp.int32)
        fresh_sum = state.fresh_sum + error
        turned = at == window - 1
        error_sum = jnp.where(turned, fresh_sum, state.error_sum + error - old_error)
        sums = (wrong_sum, error_sum, jnp.where(turned, 0, fresh_sum))
        kept = (state.wrong_sum, state.error_sum, state.fresh_sum)
        full = state.seen + 1 >= window
        held = [full & c.holds(wrong_sum, error_sum / window) for c in criteria]
        state = Window(state.seen + active, wrongs, errors, *freeze(active, sums, kept))
        return state, jnp.stack(held)

    return Stop(start, update, criteria)


def _exchange(ring: Array, at: Array, new: Array, active: Array) -> tuple[Array, Array]:
    """The entry of a ring at `at`, lane by lane, and the ring with a new one there."""
    old = jnp.take_along_axis(ring, at[None], axis=0, mode="clip")[0]
    new = jnp.where(active, new, old)
    if ring.ndim == 1:
        return old, ring.at[at].set(new)
    return old, ring.at[at, jnp.arange(ring.shape[1])].set(new, mode="clip", unique_indices=True)


def streak(length: int) -> Stop:
    """Stop when `length` successive sequences were right.

    They count as the test, not as training, though weights go on changing during them.
    """

    def start() -> Array:
        return jnp.zeros((), jnp.int32)

    def update(right: Array, new: Judgement, active: Array) -> tuple[Array, Array]:
        right = jnp.where(active, jnp.where(new.wrong, 0, right + 1), right)
        return right, (right >= length)[None]

    return Stop(start, update, (Criterion(),), uncounted=length)


def validation(size: int, every: int, *criteria: Criterion) -> Stop:
    """Stop when the criteria hold for a set of `size` sequences, tried every `every` ones.

    Each trial draws its set once. A criterion counts as reached at the first trial of
    the set at which it holds.
    """

    def update(state: Array, new: Judgement, active: Array) -> tuple[Array, Array]:
        return state, jnp.zeros((len(criteria), *new.wrong.shape), bool)

    return Stop(lambda: jnp.zeros(()), update, criteria, every=every, size=size)
