"""How sure a figure is: 95 % intervals for rates, means and medians."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

Z = 1.959963984540054  # the normal distribution's 97.5 % point


class Interval(NamedTuple):
    """A figure and the two ends of its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(successes: int, trials: int) -> Interval:
    """A success rate with its score interval (Wilson 1927).

    Example:
      >>> [round(x, 3) for x in wilson(10, 10)]
      [1.0, 0.722, 1.0]
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"expected 0 <= successes <= trials, got {successes} of {trials}")
    rate = successes / trials
    shrink = 1 + Z**2 / trials
    middle = (rate + Z**2 / (2 * trials)) / shrink
    half = Z * np.sqrt(rate * (1 - rate) / trials + Z**2 / (4 * trials**2)) / shrink
    return Interval(rate, max(0.0, float(middle - half)), min(1.0, float(middle + half)))


def bootstrap(
    values: Sequence[float], statistic: Callable = np.mean, draws: int = 10_000, seed: int = 0
) -> Interval | None:
    """A statistic with its percentile bootstrap interval (Efron 1979); None of no values.

    Args:
      values: a sample.
      statistic: a NumPy function with `axis`.
      draws: samples drawn from the sample.
      seed: of the drawing, so that the same values give the same interval.
    """
    if not len(values):
        return None
    sample = np.asarray(values, float)
    drawn = sample[np.random.default_rng(seed).integers(len(sample), size=(draws, len(sample)))]
    low, high = np.percentile(statistic(drawn, axis=1), (2.5, 97.5))
    return Interval(float(statistic(sample)), float(low), float(high))
