"""When a trial is over: the paper's stopping rules, evaluated on the device.

A `Judge` looks at one sequence; a `Stop` at the sequences of a trial. Everything is
lane by lane: `(*lanes)` arrays, no lane knows of another.
"""

from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import jax.numpy as jnp

from lstm_jax.ops.lanes import tree_where
from lstm_jax.training.judging import Judgement
from lstm_jax.types import Array


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
      init: `() -> state` without lanes.
      update: `(state, judgement, active) -> (state, held)` after every training
        sequence; `held` is `(criteria, *lanes)` bool. Lanes that are not active keep
        their state.
      criteria: what is to be reached, the last of which ends the trial.
      validate_every: a validation set is tried after every so many training sequences; 0:
        none.
      validation_size: sequences in the validation set, drawn once for each trial.
      test_window: training sequences at the end that count as a test and not as training.
      validates: `state -> (*lanes)` bool, whether the validation set is to be tried after the
        sequence just seen. A set that ends the trial so is its test: the record keeps it.
        None: never but every so often.
      epoch: sequences that the rule takes for one way through the training set, which must
        have as many; 0 if it knows of no such thing.
    """

    init: Callable[[], Any]
    update: Callable[[Any, Judgement, Array], tuple[Any, Array]]
    criteria: tuple[Criterion, ...]
    validate_every: int = 0
    validation_size: int = 0
    test_window: int = 0
    validates: Callable[[Any], Array] | None = None
    epoch: int = 0


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
    """Stop when the criteria hold for the `window` most recent training sequences.

    ValueError for a window below 1.
    """
    _expect_sequences("window", window)

    def init() -> Window:
        none, zero = jnp.zeros((), jnp.int32), jnp.zeros(())
        ring = (jnp.zeros(window, bool), jnp.zeros(window))
        return Window(none, *ring, none, zero, zero)

    def update(state: Window, new: Judgement, active: Array) -> tuple[Window, Array]:
        at = state.seen % window
        error = new.error.astype(state.error.dtype)
        old_wrong, wrongs = _exchange(state.wrong, at, new.wrong, active)
        old_error, errors = _exchange(state.error, at, error, active)
        wrong_sum = state.wrong_sum + new.wrong.astype(jnp.int32) - old_wrong.astype(jnp.int32)
        fresh_sum = state.fresh_sum + error
        turned = at == window - 1
        error_sum = jnp.where(turned, fresh_sum, state.error_sum + error - old_error)
        sums = (wrong_sum, error_sum, jnp.where(turned, 0, fresh_sum))
        kept = (state.wrong_sum, state.error_sum, state.fresh_sum)
        full = state.seen + 1 >= window
        held = [full & c.holds(wrong_sum, error_sum / window) for c in criteria]
        state = Window(
            state.seen + active.astype(jnp.int32), wrongs, errors, *tree_where(active, sums, kept)
        )
        return state, jnp.stack(held)

    return Stop(init, update, criteria)


def _expect_sequences(name: str, number: int) -> None:
    if not isinstance(number, Integral) or number < 1:
        raise ValueError(f"{name}: expected a whole number of sequences from 1 on, got {number!r}")


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
    ValueError for a length below 1.
    """
    _expect_sequences("length", length)

    def init() -> Array:
        return jnp.zeros((), jnp.int32)

    def update(right: Array, new: Judgement, active: Array) -> tuple[Array, Array]:
        right = jnp.where(active, jnp.where(new.wrong, 0, right + 1), right)
        return right, (right >= length)[None]

    return Stop(init, update, (Criterion(),), test_window=length)


def validation(size: int, every: int, *criteria: Criterion) -> Stop:
    """Stop when the criteria hold for a set of `size` sequences, tried every `every` ones.

    Each trial draws its set once. A criterion counts as reached at the first trial of
    the set at which it holds.
    """

    def update(state: Array, new: Judgement, active: Array) -> tuple[Array, Array]:
        return state, jnp.zeros((len(criteria), *new.wrong.shape), bool)

    return Stop(lambda: jnp.zeros(()), update, criteria, validate_every=every, validation_size=size)


class Epoch(NamedTuple):
    """The present way through the training set; every field `(*lanes)`.

    Attributes:
      seen: int32, sequences so far.
      wrong: int32, how many of them were wrong.
      right: bool, whether an epoch is over and none was; until the next sequence.
    """

    seen: Array
    wrong: Array
    right: Array


def both_sets_right(training: int, evaluation: int) -> Stop:
    """Stop when every sequence of the training set and of the evaluation set is right.

    For a task that goes through a set of `training` sequences over and over again. When all
    of them were right, the `evaluation` sequences of the evaluation set are tried; if any is
    wrong, training goes on. Two criteria, so two counts in `reached`: when first the training
    set was right, and when both were.

    Raises:
      ValueError: a set of no sequences.
    """
    if training < 1 or evaluation < 1:
        raise ValueError(
            f"expected sets of at least 1 sequence, got {training} for training and {evaluation} "
            "for evaluation"
        )

    def init() -> Epoch:
        none = jnp.zeros((), jnp.int32)
        return Epoch(none, none, jnp.zeros((), bool))

    def update(state: Epoch, new: Judgement, active: Array) -> tuple[Epoch, Array]:
        seen, wrong = state.seen + 1, state.wrong + new.wrong.astype(jnp.int32)
        over = seen >= training
        right = over & (wrong == 0)
        after = Epoch(jnp.where(over, 0, seen), jnp.where(over, 0, wrong), right)
        return tree_where(active, after, state), jnp.stack([right, jnp.zeros_like(right)])

    return Stop(
        init,
        update,
        (Criterion(), Criterion()),
        validation_size=evaluation,
        validates=lambda state: state.right,
        epoch=training,
    )
