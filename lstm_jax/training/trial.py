"""The one training loop: a trial as a pure state machine, one sequence a tick.

A trial trains, validates if its stopping rule asks for it, is tested once it has
stopped, and is then done. Every lane does this on its own: a tick draws one sequence, or
one batch, in every lane, learns from it where the lane trains, and counts where it tests.
"""

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lstm_jax.ops.fit import fitted, normalised
from lstm_jax.ops.lanes import in_turn, tree_where
from lstm_jax.training.config import LaneConfigs, Learner, LearnerState, TrialConfig
from lstm_jax.training.counting import TrialState, count_test, count_training
from lstm_jax.training.records import (
    MOST_SEQUENCES,
    TESTING,
    TRAINING,
    VALIDATING,
    no_curve,
    no_tally,
)
from lstm_jax.training.stopping import Stop
from lstm_jax.types import Array, Cell, Key, Net, Sequence, Task

__all__ = ["KEY_IMPL", "Trial", "TrialState", "make_trial"]

KEY_IMPL = "threefry2x32"  # the one whose numbers do not depend on what is drawn beside them


class Trial(NamedTuple):
    """A trial as a pair of pure functions.

    Attributes:
      init: `(key, settings) -> TrialState` without lanes.
      advance: `(TrialState, n) -> TrialState`, n ticks further; with or without lanes.
      summary: `TrialState -> dict`, what the record of a trial says besides; of a state
        without lanes, as NumPy arrays.
    """

    init: Callable[..., TrialState]
    advance: Callable[[TrialState, Array | int], TrialState]
    summary: Callable[[TrialState], dict]


def make_trial(build: Callable[[Any], TrialConfig]) -> Trial:
    """A trial of the configuration that `build(settings)` describes.

    Args:
      build: from settings (a pytree of numbers; arrays when lanes differ) to the
        configuration. Shapes must not depend on them, so that lanes that differ only in
        numbers run side by side.

    Returns:
      `Trial(init, advance, summary)`. The result depends on the key and the settings alone.

    Raises:
      ValueError: no function to build with; by `init`, parts that do not go together, a key
        of another kind than threefry's.
    """
    if not callable(build):
        raise ValueError(
            f"make_trial: expected a function from settings to a TrialConfig, got a "
            f"{type(build).__name__}; write make_trial(lambda settings: config)"
        )

    def init(key: Key, settings: Any = None) -> TrialState:
        config, key = build(settings), _checked_key(key)
        _check(config, key)
        none = jnp.zeros((), jnp.int32)
        return TrialState(
            key=jax.random.key_data(key),
            settings=settings,
            learner=_storable(config.learner.init(config, key)),
            stop=config.stop.init(),
            growth=config.growth.init() if config.growth else None,
            phase=none + TRAINING,
            sequences=none,
            reached=jnp.full(len(config.stop.criteria), -1, jnp.int32),
            tally=no_tally(none),
            curve=no_curve(config.max_sequences),
        )

    def advance(state: TrialState, n: Array | int) -> TrialState:
        if build(state.settings).learner.in_turn:
            one = partial(_until_over, build, n=n)
            return one(state) if state.phase.ndim == 0 else in_turn(one, state)
        return lax.fori_loop(0, n, lambda _, state: _tick(build, state), state)

    learners: list[Learner] = []  # what a summary says depends on the state alone: one will do

    def summary(state: TrialState) -> dict:
        if not learners:
            learners.append(build(state.settings).learner)
        return learners[0].summary(state.learner)

    return Trial(init, advance, summary)


# streams of a trial's key, beside `weights_key`; drawing goes on to one for each phase
_DRAW, _LEARN = 1, 8


def _stream(key: Key, number: Array | int) -> Key:
    return jax.random.fold_in(key, number)


def _checked_key(key: Key) -> Key:
    dtype = getattr(key, "dtype", np.dtype(object))
    if not jnp.issubdtype(dtype, jax.dtypes.prng_key) or key.shape:
        raise ValueError(
            f"key: expected one typed key, jax.random.key(0, impl='{KEY_IMPL}') say, got {dtype} "
            f"of shape {getattr(key, 'shape', ())}"
        )
    if jax.random.key_impl(key) != KEY_IMPL:
        raise ValueError(
            f"key: expected a {KEY_IMPL} key, whose numbers do not depend on neighbouring lanes, "
            f"got {jax.random.key_impl(key)}; write jax.random.key(seed, impl='{KEY_IMPL}')"
        )
    return key


def _storable(state: LearnerState) -> LearnerState:
    """The state, unless a checkpoint could not hold it."""
    for leaf in jax.tree.leaves(state):
        if jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key):
            raise ValueError(
                "learner: expected a state of plain arrays, which a checkpoint can hold, got typed "
                "keys in it; keep jax.random.key_data(key)"
            )
    return state


def _check(config: TrialConfig, key: Key) -> None:
    """ValueError in one line for numbers out of range and parts that do not fit."""
    if not isinstance(config, TrialConfig):
        raise ValueError(f"build(settings): expected a TrialConfig, got a {type(config).__name__}")
    kinds = {"net": (Cell, Net), "task": Task, "stop": Stop}
    for name, kind in kinds.items():
        if not isinstance(part := getattr(config, name), kind):
            wanted = "Cell or a Net" if name == "net" else kind.__name__
            raise ValueError(f"{name}: expected a {wanted}, got a {type(part).__name__}")
    for name, needed in {"judge": "__call__", "learner": "learn"}.items():
        if not hasattr(part := getattr(config, name), needed):
            write = "judging.within(0.1)" if name == "judge" else "gradient_descent(...)"
            raise ValueError(f"{name}: expected one such as {write}, got a {type(part).__name__}")
    batch, stop = 1 if config.batch is None else config.batch, config.stop
    ranges = {
        "max_sequences": (config.max_sequences, 1, MOST_SEQUENCES),
        "test_sequences": (config.test_sequences, 0, MOST_SEQUENCES),
        "batch": (batch, 1, 2**20),
        "stop.validate_every": (stop.validate_every, 0, MOST_SEQUENCES),
        "stop.validation_size": (
            stop.validation_size,
            bool(stop.validate_every or stop.validates),
            MOST_SEQUENCES,
        ),
        "task.training_size": (
            config.task.training_size,
            config.task.training_set is not None,
            MOST_SEQUENCES if config.task.training_set else 0,
        ),
    }
    for name, (value, least, most) in ranges.items():
        whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not whole or not least <= value <= most:
            raise ValueError(f"{name}: expected a whole number from {int(least)} to {most}, got "
                             f"{value!r}")  # fmt: skip
    for name in ("test_sequences", "stop.validate_every", "stop.validation_size"):
        if ranges[name][0] % batch:
            raise ValueError(
                f"{name}: expected a multiple of the batch, {batch}, got {ranges[name][0]}"
            )
    if not stop.criteria:
        raise ValueError(
            "stop: expected a stopping rule with a criterion, got one without; write "
            "recent(500, Criterion(wrong_below=1)) say"
        )
    for criterion in stop.criteria:
        for name, value in zip(criterion._fields, criterion, strict=True):
            if isinstance(value, int | float) and not value >= 0:
                raise ValueError(f"stop: expected a criterion with {name} from 0 on, got {value}")
    if stop.epoch not in (0, config.task.training_size):
        raise ValueError(
            f"stop.epoch: expected {config.task.training_size}, task.training_size, got "
            f"{stop.epoch}; the rule counts ways through the training set"
        )
    jax.eval_shape(partial(_check_sequences, config), key)
    for name in ("inputs", "outputs"):  # of symbols, too, which no shape tells
        has, wanted = getattr(config.net, name), getattr(config.task, name)
        if has != wanted:
            raise ValueError(f"net.{name}: expected {wanted}, as many as the task's, got {has}")


def _check_sequences(config: TrialConfig, key: Key) -> None:
    """ValueError for sequences that do not fit the net, from wherever they come."""
    task, params, first = config.task, config.net.init(key), jnp.zeros((), jnp.int32)
    sources = [task.sample(key)]
    if task.training_set is not None:
        sources.append(task.training_set(key, first))
    if task.evaluation_set is not None:
        sources.append(task.evaluation_set(first))
    for sequence in sources:
        fitted(config.net, params, sequence)


def _tick(build: Callable[[Any], TrialConfig], state: TrialState) -> TrialState:
    """One sequence, or one batch, in every lane.

    Lanes that are over draw and compute too, but keep nothing.
    """
    lanes = LaneConfigs(build, state.settings, state.phase.ndim)
    config = lanes.together
    sequence = normalised(_draw(lanes, state))
    training = state.phase == TRAINING
    testing = (state.phase == VALIDATING) | (state.phase == TESTING)
    lesson, learner = _learn(lanes, state, sequence, training)
    judged = config.judge(lesson.outputs, sequence)
    state = count_training(config, state._replace(learner=learner), lesson, judged, training)
    return count_test(config, state, judged, testing)


def _until_over(build: Callable[[Any], TrialConfig], state: TrialState, n: Array | int):
    """Up to n ticks of a trial without lanes; none once it is over."""

    def going(carry: tuple[Array, TrialState]) -> Array:
        return (carry[0] < n) & (carry[1].phase <= TESTING)

    def tick(carry: tuple[Array, TrialState]) -> tuple[Array, TrialState]:
        return carry[0] + 1, _tick(build, carry[1])

    return lax.while_loop(going, tick, (jnp.zeros((), jnp.int32), state))[1]


def _learn(lanes: LaneConfigs, state: TrialState, sequence: Sequence, training: Array):
    """The lesson of a sequence; in lanes that test, its outputs are without what is drawn."""
    config = lanes.together
    noisy_net = isinstance(config.net, Net) and config.net.draws
    key = None
    if noisy_net or config.learner.draws:
        key = _keys(state, sequence.length.shape)
    lesson, after = config.learner.learn(lanes, state.learner, sequence, training, key)
    if key is not None:
        outputs = config.learner.predict(config, state.learner, sequence)
        lesson = lesson._replace(outputs=tree_where(training, lesson.outputs, outputs))
    return lesson, after


def _keys(state: TrialState, shape: tuple[int, ...]) -> Key:
    """`(batch, *lanes)` keys, one a sequence: those of the training sequence to come."""

    def of_lane(key, sequences):
        key = _stream(_stream(jax.random.wrap_key_data(key, impl=KEY_IMPL), _LEARN), sequences)
        return jax.random.split(key, shape[0]) if len(shape) > sequences_ndim else key

    sequences_ndim = state.sequences.ndim
    if not sequences_ndim:
        return of_lane(state.key, state.sequences)
    return jax.vmap(of_lane, in_axes=-1, out_axes=-1)(state.key, state.sequences)


def _draw(lanes: LaneConfigs, state: TrialState) -> Sequence:
    """The next sequence of every lane's present phase, from that lane's key and settings."""
    index = jnp.where(state.phase == TRAINING, state.sequences, state.tally.sequences)

    def sample(config: TrialConfig, key, phase, index):
        task, key = config.task, jax.random.wrap_key_data(key, impl=KEY_IMPL)

        def drawn(index):
            return task.sample(_stream(_stream(key, _DRAW + phase), index))

        def several(one: Callable[[Array], Sequence], whole: bool) -> Sequence:
            if config.batch is None:
                return one(index)
            # where a batch is a whole set, XLA sees that it is always the same one
            first = 0 if whole else index
            return jax.vmap(one, out_axes=-1)(first + jnp.arange(config.batch, dtype=index.dtype))

        if task.training_set is None and task.evaluation_set is None:
            return several(drawn, False)
        tried = max(config.stop.validation_size, config.test_sequences)
        in_order = task.training_set and partial(task.training_set, _stream(key, _DRAW + TRAINING))
        to_learn = several(in_order or drawn, config.batch == task.training_size)
        to_test = several(task.evaluation_set or drawn, config.batch == tried)
        return tree_where(phase == TRAINING, to_learn, to_test)

    return lanes.each(sample, state.key, state.phase, index)
