"""The one training loop: a trial as a pure state machine, one sequence a tick.

A trial trains, validates if its stopping rule asks for it, is tested once it has
stopped, and is then done. Every lane does this on its own: a tick draws one sequence
in every lane, learns from it where the lane trains, and counts where it tests.
Weights change once a sequence (the paper's choice) or at every step with an error.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lstm_jax.learning import DESCENT, Experiment, Learner, Weights
from lstm_jax.stopping import Judgement
from lstm_jax.types import Array, Key, Params, Sequence, Task
from lstm_jax.wiring import freeze

__all__ = ["Experiment", "Trial", "TrialState", "curve_points", "make_trial"]

TRAINING, VALIDATING, TESTING, SOLVED, CAPPED, DIVERGED, IDLE = range(7)
PHASES = ("training", "validating", "testing", "solved", "capped", "diverged", "idle")


class Tally(NamedTuple):
    """Sequences judged in the present phase; every field `(*lanes)`."""

    sequences: Array
    wrong: Array
    error: Array
    squared: Array


class Curve(NamedTuple):
    """Mean training error between the points of `curve_points`.

    Attributes:
      at: `(*lanes)` int32, points passed.
      total, number: `(*lanes)`, errors since the last point.
      error: `(points, *lanes)`; NaN where training has not come.
    """

    at: Array
    total: Array
    number: Array
    error: Array


class TrialState(NamedTuple):
    """One trial, or a block of them with lanes on the last axis of every leaf.

    Attributes:
      key: `(2, *lanes)` uint32, key data: all randomness of the trial.
      settings: numbers that may differ from lane to lane.
      params, opt_state, memory: what learns (`learning.Weights`).
      stop: state of the stopping rule.
      growth: state of the growth rule; None without.
      phase: `(*lanes)` int32, index into `PHASES`.
      sequences: `(*lanes)` int32, training sequences so far.
      reached: `(criteria, *lanes)` int32, sequences when a criterion first held, or -1.
      tally: sequences of the present validation or test.
      curve: the learning curve.
    """

    key: Array
    settings: Any
    params: Params
    opt_state: Any
    memory: Any
    stop: Any
    growth: Any
    phase: Array
    sequences: Array
    reached: Array
    tally: Tally
    curve: Curve


class Trial(NamedTuple):
    """A trial as a pair of pure functions.

    Its state may be another structure than `TrialState`, with `phase`, `sequences`, `reached`,
    `params`, `tally` and `curve` of the same meaning.

    Attributes:
      init: `(key, settings) -> TrialState` without lanes.
      advance: `(TrialState, n) -> TrialState`, n ticks further; with or without lanes.
      details: `TrialState -> dict`, what the record of a trial says besides; of a state
        without lanes, as NumPy arrays.
    """

    init: Callable[[Key, Any], Any]
    advance: Callable[[Any, Array | int], Any]
    details: Callable[[Any], dict] = lambda state: {}


def curve_points(cap: int) -> np.ndarray:
    """Sequence counts at which the learning curve has its points: 12 a decade from 100 up."""
    number = int(np.ceil(12 * np.log10(max(cap, 100) / 100))) + 1
    return np.round(100 * 10 ** (np.arange(number) / 12)).astype(np.int32)


def make_trial(build: Callable[[Any], Experiment], learner: Learner = DESCENT) -> Trial:
    """A trial of the experiment that `build(settings)` describes.

    Args:
      build: from settings (a pytree of numbers; arrays when lanes differ) to the
        experiment. Shapes must not depend on them, so that lanes that differ only in
        numbers run side by side.
      learner: where weights come from; by default gradient descent by the rule and the
        optimizer of the experiment.

    Returns:
      `Trial(init, advance)`, both pure. The result depends on the key and the settings alone.

    Raises:
      ValueError: by `init`, if parts of the experiment do not go together (see
        `learning.fresh`).
    """

    def init(key: Key, settings: Any = None) -> TrialState:
        experiment = build(settings)
        weights = learner.fresh(experiment, _stream(key, _INIT))
        none = jnp.zeros((), jnp.int32)
        return TrialState(
            key=jax.random.key_data(key),
            settings=settings,
            **weights._asdict(),
            stop=experiment.stop.start(),
            growth=experiment.growth.start() if experiment.growth else None,
            phase=none + TRAINING,
            sequences=none,
            reached=jnp.full(len(experiment.stop.criteria), -1, jnp.int32),
            tally=no_tally(none),
            curve=no_curve(experiment.cap),
        )

    def advance(state: TrialState, n: Array | int) -> TrialState:
        return lax.fori_loop(0, n, lambda _, state: _tick(build, learner, state), state)

    return Trial(init, advance, lambda state: learner.details(_weights(state)))


_INIT, _DRAW = 0, 1  # streams of a trial's key; drawing goes on to one for each phase


def _stream(key: Key, number) -> Key:
    return jax.random.fold_in(key, number)


def _weights(state: TrialState) -> Weights:
    return Weights(state.params, state.opt_state, state.memory)


def _tick(build: Callable[[Any], Experiment], learner: Learner, state: TrialState) -> TrialState:
    """One sequence in every lane. Lanes that are over draw and compute too, but keep nothing."""
    experiment = build(state.settings)
    sequence = _draw(lambda settings: build(settings).task, state)
    training = state.phase == TRAINING
    testing = (state.phase == VALIDATING) | (state.phase == TESTING)
    learned, weights = learner.learn(experiment, _weights(state), sequence, training)
    state = state._replace(**weights._asdict())
    judgement = experiment.judge(learned.outputs, sequence)
    state = _train(experiment, state, learned.loss, judgement, training)
    return _test(experiment, state, judgement, testing)


def _draw(task_of: Callable[[Any], Task], state: TrialState) -> Sequence:
    """The next sequence of every lane's present phase, from that lane's key and settings."""
    index = jnp.where(state.phase == TRAINING, state.sequences, state.tally.sequences)

    def sample(settings, key, phase, index):
        task, key = task_of(settings), jax.random.wrap_key_data(key)
        drawn = task.sample(_stream(_stream(key, _DRAW + phase), index))
        return drawn if task.exam is None else freeze(phase == TRAINING, drawn, task.exam(index))

    lane = state.settings, state.key, state.phase, index
    if state.phase.ndim == 0:
        return sample(*lane)
    return jax.vmap(sample, in_axes=-1, out_axes=-1)(*lane)


def _train(experiment, state: TrialState, loss: Array, judgement: Judgement, active: Array):
    """Count a training sequence, and see whether training is over; only in active lanes."""
    stop = experiment.stop
    stop_state, held = stop.update(state.stop, judgement, active)
    if experiment.growth:
        grown = experiment.growth.update(state.growth, state.settings, judgement, active)
        state = state._replace(growth=grown[0], settings=grown[1])
    sequences = state.sequences + 1
    phase = jnp.where(sequences >= experiment.cap, CAPPED, TRAINING)
    if stop.every:
        phase = jnp.where(sequences % stop.every == 0, VALIDATING, phase)
    phase = jnp.where(held[-1], TESTING if experiment.test else SOLVED, phase)
    phase = jnp.where(jnp.isfinite(loss), phase, DIVERGED)
    trained = state._replace(
        phase=phase,
        sequences=sequences,
        reached=first_reached(state.reached, held, sequences - stop.uncounted),
        tally=no_tally(sequences),
        curve=extend_curve(state.curve, sequences, judgement.error, curve_points(experiment.cap)),
    )
    return freeze(active, trained, state)._replace(stop=stop_state)


def _test(experiment, state: TrialState, judgement: Judgement, active: Array) -> TrialState:
    """Count a sequence of a validation or of the test, and end it when it is complete."""
    stop = experiment.stop
    new = Tally(jnp.ones_like(state.sequences), *judgement)
    tally = jax.tree.map(lambda old, new: old + new.astype(old.dtype), state.tally, new)
    validating = state.phase == VALIDATING
    hopeless = tally.wrong >= max(c.wrong_below for c in stop.criteria)
    complete = tally.sequences >= jnp.where(validating, stop.size, experiment.test)
    complete = complete | (validating & hopeless)
    error = tally.error / tally.sequences
    held = jnp.stack([c.holds(tally.wrong, error) for c in stop.criteria])
    back = jnp.where(state.sequences >= experiment.cap, CAPPED, TRAINING)
    validated = jnp.where(held[-1], TESTING if experiment.test else SOLVED, back)
    ended = state._replace(
        phase=jnp.where(validating, validated, SOLVED),
        reached=first_reached(state.reached, held & validating, state.sequences),
        tally=freeze(validating, no_tally(state.sequences), tally),
    )
    return freeze(active, freeze(complete, ended, state._replace(tally=tally)), state)


def first_reached(reached: Array, held: Array, sequences: Array) -> Array:
    """`sequences` where a criterion holds for the first time: all `(criteria, *lanes)`."""
    return jnp.where((reached < 0) & held, sequences, reached)


def no_tally(like: Array) -> Tally:
    """Nothing judged yet, in lanes as those of `like`."""
    none, zero = jnp.zeros(like.shape, jnp.int32), jnp.zeros(like.shape)
    return Tally(none, none, zero, zero)


def no_curve(cap: int) -> Curve:
    """The curve before training, without lanes."""
    points = len(curve_points(cap))
    none, zero = jnp.zeros((), jnp.int32), jnp.zeros(())
    return Curve(none, zero, zero, jnp.full(points, jnp.nan, float))


def extend_curve(curve: Curve, sequences: Array, error: Array, points: np.ndarray) -> Curve:
    """The curve after `sequences` sequences, of which the latest had this mean error.

    A step may pass several points at once, which then get the same error.
    """
    total, number = curve.total + error, curve.number + 1
    shape = (len(points), *[1] * sequences.ndim)
    passed = jnp.asarray(points).reshape(shape) <= sequences
    here = passed & (jnp.arange(len(points)).reshape(shape) >= curve.at)
    any_here = jnp.any(here, axis=0)
    return Curve(
        jnp.sum(passed, axis=0, dtype=jnp.int32),
        jnp.where(any_here, 0, total),
        jnp.where(any_here, 0, number),
        jnp.where(here, total / number, curve.error),
    )
