"""What a trial counts, and what that makes of it: its state, and every change of its phase."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.ops.lanes import tree_where
from lstm_jax.training.config import LearnerState, Lesson, TrialConfig
from lstm_jax.training.judging import Judgement
from lstm_jax.training.records import (
    CAPPED,
    DIVERGED,
    SOLVED,
    TESTING,
    TRAINING,
    VALIDATING,
    Curve,
    Tally,
    add_to_tally,
    curve_points,
    extend_curve,
    first_reached,
    no_tally,
)
from lstm_jax.types import Array, Params


class TrialState(NamedTuple):
    """One trial, or a block of them with lanes on the last axis of every leaf.

    Attributes:
      key: `(2, *lanes)` uint32, key data: all randomness of the trial.
      settings: numbers that may differ from lane to lane.
      learner: weights, and what else the learner keeps.
      stop: state of the stopping rule.
      growth: state of the growth rule; None without.
      phase: `(*lanes)` int32, index into `records.PHASES`.
      sequences: `(*lanes)` int32, training sequences so far.
      reached: `(criteria, *lanes)` int32, sequences when a criterion first held, or -1.
      tally: sequences of the present validation or test.
      curve: the learning curve.
    """

    key: Array
    settings: Any
    learner: LearnerState
    stop: Any
    growth: Any
    phase: Array
    sequences: Array
    reached: Array
    tally: Tally
    curve: Curve

    @property
    def params(self) -> Params:
        """The net's weights."""
        return self.learner.params


def count_training(
    config: TrialConfig, state: TrialState, lesson: Lesson, judged: Judgement, active: Array
) -> TrialState:
    """Count what was learned from, and see whether training is over; only in active lanes."""
    stop, number = config.stop, config.batch or 1
    counted, shown = active & lesson.counted, active & lesson.judged
    before, (state, held) = state.sequences, _follow(config, state, judged, counted, shown)
    sequences = before + number
    place = 1 + jnp.argmax(held, axis=0).astype(before.dtype)
    at = before[None] + jnp.where(counted[None], place, 0)
    held = jnp.any(held, axis=0)
    finite = jnp.isfinite(lesson.loss)
    finite = finite if config.batch is None else jnp.all(finite, axis=0)

    over = (counted & (sequences >= config.max_sequences)) | lesson.stuck
    phase = jnp.where(over, CAPPED, TRAINING)
    if stop.validate_every:
        phase = jnp.where(counted & (sequences % stop.validate_every == 0), VALIDATING, phase)
    if stop.validates:
        phase = jnp.where(shown & stop.validates(state.stop), VALIDATING, phase)
    phase = jnp.where(held[-1], TESTING if config.test_sequences else SOLVED, phase)
    phase = jnp.where(finite, phase, DIVERGED).astype(state.phase.dtype)

    points, error = curve_points(config.max_sequences), _summed(config, judged).error
    counts = sequences, extend_curve(state.curve, sequences, error, points, number)
    sequences, curve = tree_where(counted, counts, (before, state.curve))
    turned = phase, no_tally(sequences)
    phase, tally = tree_where(active, turned, (state.phase, state.tally))
    return state._replace(
        phase=phase,
        sequences=sequences,
        reached=first_reached(state.reached, held, at - stop.test_window),
        tally=tally,
        curve=curve,
    )


def _follow(
    config: TrialConfig, state: TrialState, judged: Judgement, counted: Array, shown: Array
) -> tuple[TrialState, Array]:
    """The stopping rule and the growth rule after one sequence, or those of a batch in turn.

    Returns:
      The state, and which criteria held after each: `(sequences, criteria, *lanes)`; none
      where the rule was shown nothing.
    """

    def one(carry: tuple[Any, Any, Any], judged: Judgement):
        stop, growth, settings = carry
        stop, held = config.stop.update(stop, judged, shown)
        if config.growth:
            growth, settings = config.growth.update(growth, settings, judged, counted)
        return (stop, growth, settings), held & shown[None]

    carry = state.stop, state.growth, state.settings
    if config.batch is None:
        carry, held = one(carry, judged)
        held = held[None]
    else:
        carry, held = lax.scan(one, carry, judged)
    stop, growth, settings = carry
    return state._replace(stop=stop, growth=growth, settings=settings), held


def _summed(config: TrialConfig, judged: Judgement) -> Judgement:
    """Wrong sequences and errors of a batch; of one sequence what they are."""
    return judged if config.batch is None else jax.tree.map(lambda a: a.sum(axis=0), judged)


def count_test(
    config: TrialConfig, state: TrialState, judged: Judgement, active: Array
) -> TrialState:
    """Count what was tried in a validation or in the test, and end it when it is complete."""
    stop, number = config.stop, config.batch or 1
    tally = add_to_tally(state.tally, *_summed(config, judged), number)
    validating = state.phase == VALIDATING
    hopeless = tally.wrong >= max(c.wrong_below for c in stop.criteria)
    size = jnp.where(validating, stop.validation_size, config.test_sequences)
    complete = (tally.sequences >= size) | (validating & hopeless)
    held = jnp.stack([c.holds(tally.wrong, tally.mean_error) for c in stop.criteria])
    back = jnp.where(state.sequences >= config.max_sequences, CAPPED, TRAINING)
    validated = jnp.where(held[-1], TESTING if config.test_sequences else SOLVED, back)
    is_test = ~validating
    if stop.validates and not config.test_sequences:
        is_test = is_test | held[-1]
    ended = state._replace(
        phase=jnp.where(validating, validated, SOLVED).astype(state.phase.dtype),
        reached=first_reached(state.reached, held & validating[None], state.sequences),
        tally=tree_where(is_test, tally, no_tally(state.sequences)),
    )
    return tree_where(active, tree_where(complete, ended, state._replace(tally=tally)), state)
