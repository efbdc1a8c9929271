"""What a trial writes down of itself: phases, tallies, the learning curve."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from lstm_jax.ops.lanes import tree_where
from lstm_jax.ops.running_sum import RunningSum
from lstm_jax.types import Array

TRAINING, VALIDATING, TESTING, SOLVED, CAPPED, DIVERGED, IDLE = range(7)
PHASES = ("training", "validating", "testing", "solved", "capped", "diverged", "idle")
MOST_SEQUENCES = 2**31 - 2**20  # counts are 32-bit integers, and a batch goes beyond the cap


class Tally(NamedTuple):
    """Sequences judged in the present phase; counts and sums `(*lanes)`."""

    sequences: Array
    wrong: Array
    error: RunningSum
    squared: RunningSum

    @property
    def mean_error(self) -> Array:
        """Mean of the absolute errors; NaN-free where nothing was judged: 0."""
        return self.error.value / self._number

    @property
    def mean_squared(self) -> Array:
        """Mean of the squared errors."""
        return self.squared.value / self._number

    @property
    def _number(self) -> Array:
        return jnp.maximum(self.sequences, 1).astype(self.error.total.dtype)


class Curve(NamedTuple):
    """Mean training error between the points of `curve_points`.

    Attributes:
      at: `(*lanes)` int32, points passed.
      total: errors since the last point.
      number: `(*lanes)` int32, sequences since the last point.
      error: `(points, *lanes)`; 0 where training has not come, from `at` on.
    """

    at: Array
    total: RunningSum
    number: Array
    error: Array


def curve_points(max_sequences: int) -> np.ndarray:
    """Sequence counts at which the learning curve has its points: 12 a decade from 100 up.

    Args:
      max_sequences: the cap of a trial.

    Returns:
      `(points,)` int32; the last one is the cap or above.

    Example:
      >>> curve_points(200).tolist()
      [100, 121, 147, 178, 215]
    """
    number = int(np.ceil(12 * np.log10(max(max_sequences, 100) / 100))) + 1
    points = np.round(100 * 10 ** (np.arange(number) / 12))
    return np.minimum(points, 2**31 - 1).astype(np.int32)


def no_tally(like: Array) -> Tally:
    """Nothing judged yet, in lanes as those of `like`."""
    none, zero = jnp.zeros(like.shape, jnp.int32), RunningSum.zeros(like.shape)
    return Tally(none, none, zero, zero)


def add_to_tally(
    tally: Tally, wrong: Array, error: Array, squared: Array, number: int = 1
) -> Tally:
    """One sequence more, in every lane; or so many of them, summed."""
    return Tally(
        tally.sequences + number,
        tally.wrong + wrong.astype(tally.wrong.dtype),
        tally.error.add(error),
        tally.squared.add(squared),
    )


def no_curve(max_sequences: int) -> Curve:
    """The curve before training, without lanes."""
    none, points = jnp.zeros((), jnp.int32), len(curve_points(max_sequences))
    return Curve(none, RunningSum.zeros(()), none, jnp.zeros(points))


def extend_curve(
    curve: Curve, sequences: Array, error: Array, points: np.ndarray, number: int = 1
) -> Curve:
    """The curve after `sequences` sequences, of which the latest had this mean error.

    The latest may be a batch of so many, with the sum of their errors. A step may pass several
    points at once, which then get the same error.
    """
    total, number_since = curve.total.add(error), curve.number + number
    shape = (len(points), *[1] * sequences.ndim)
    passed = jnp.asarray(points).reshape(shape) <= sequences[None]
    here = passed & (jnp.arange(len(points), dtype=jnp.int32).reshape(shape) >= curve.at[None])
    any_here = jnp.any(here, axis=0)
    mean = total.value / number_since.astype(total.total.dtype)
    none = RunningSum.zeros(number_since.shape), jnp.zeros_like(number_since)
    total, number_since = tree_where(any_here, none, (total, number_since))
    at = jnp.sum(passed, axis=0, dtype=jnp.int32)
    return Curve(at, total, number_since, jnp.where(here, mean[None], curve.error))


def first_reached(reached: Array, held: Array, sequences: Array) -> Array:
    """`sequences` where a criterion holds for the first time.

    `reached` and `held` are `(criteria, *lanes)`, sequences too or `(*lanes)`.
    """
    return jnp.where((reached < 0) & held, jnp.broadcast_to(sequences, reached.shape), reached)
