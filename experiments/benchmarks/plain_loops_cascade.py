"""Candidates of recurrent cascade-correlation as plain NumPy, to be timed beside ours.

Nothing here knows the library; see `plain_loops`.
"""

from typing import NamedTuple

import numpy as np

from experiments.benchmarks.plain_loops import Array, f


class Strings(NamedTuple):
    """Strings side by side, or a single one: `(..., time, strings)`.

    Attributes:
      sources: `(1 + inputs, time, strings)`, 1 for the bias and one-hot inputs.
      targets: `(outputs, time, strings)`.
      mask: `(time, strings)`, where there is a target.
    """

    sources: Array
    targets: Array
    mask: Array


class Cascade(NamedTuple):
    """A net that has some hidden units, and candidates for the next one.

    A unit reads 1, the inputs, the units before it and itself, in this order.

    Attributes:
      units: weights of each hidden unit.
      top: `(outputs, 1 + inputs + units)`.
      pool: `(candidates, 1 + inputs + units + 1)`.
      step, slope: quickprop's memory, shaped like the pool.
    """

    units: list[Array]
    top: Array
    pool: Array
    step: Array
    slope: Array


def candidates(net: Cascade, groups: list[Strings], epsilon=1.0, mu=2.0) -> Cascade:
    """An epoch of all candidates over the training set, in groups of any number of strings."""
    sources = [_with_units(net.units, strings.sources) for strings in groups]
    residuals = [_residual(net.top, *pair) for pair in zip(sources, groups, strict=True)]
    values = [_values(net.pool[:, -1], np.tensordot(net.pool[:, :-1], h, 1)) for h in sources]
    cases = sum(int(strings.mask.sum()) for strings in groups)
    mean = np.sum([r.sum(axis=(1, 2)) for r in residuals], axis=0) / cases
    size = np.sum([np.sum(r**2) for r in residuals])
    centred = [
        (r - mean[:, None, None]) * strings.mask
        for r, strings in zip(residuals, groups, strict=True)
    ]
    pairs = list(zip(values, centred, strict=True))
    covariances = np.sum([np.tensordot(v, e, ((1, 2), (1, 2))) for v, e in pairs], axis=0)
    slope = np.zeros_like(net.pool)
    for h, (v, e) in zip(sources, pairs, strict=True):
        slope -= _climb(net.pool[:, -1], h, v, np.tensordot(np.sign(covariances), e, 1) / size)
    step = _quickprop(epsilon / (cases * len(sources[0])), mu, slope, net.slope, net.step)
    return net._replace(pool=net.pool + step, step=step, slope=slope)


def _with_units(units: list[Array], sources: Array) -> Array:
    for weights in units:
        values = _values(weights[-1:], np.tensordot(weights[None, :-1], sources, 1))
        sources = np.concatenate([sources, values])
    return sources


def _values(itself: Array, net: Array) -> Array:
    """Activations of units that receive nothing but their net input and themselves."""
    values, v = np.empty_like(net), np.zeros_like(net[:, 0])
    for t in range(net.shape[1]):
        v = f(net[:, t] + itself[:, None] * v) - 0.5
        values[:, t] = v
    return values


def _residual(top: Array, sources: Array, strings: Strings) -> Array:
    y = f(np.tensordot(top, sources, 1))
    return strings.mask * (y - strings.targets) * (y * (1 - y) + 0.1)


def _climb(itself: Array, sources: Array, values: Array, by_value: Array) -> Array:
    """The slope of the score by every weight of every candidate, backwards through time."""
    e, after = np.empty_like(values), np.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        after = (0.25 - values[:, t] ** 2) * (by_value[:, t] + itself[:, None] * after)
        e[:, t] = after
    by_itself = np.sum(e[:, 1:] * values[:, :-1], axis=(1, 2))
    others = np.tensordot(e, sources, ((1, 2), (1, 2)))
    return np.concatenate([others, by_itself[:, None]], axis=1)


def _quickprop(epsilon: float, mu: float, slope: Array, before: Array, step: Array) -> Array:
    """Fahlman's rule without decay: to the minimum of a parabola, or mu times the last step."""
    way = np.sign(step)
    far = way * (slope - mu / (1 + mu) * before) <= 0
    minimum = step * slope / np.where(far, 1.0, before - slope)
    downhill = (way == 0) | (way * slope < 0)
    return np.where(far, mu * step, minimum) - np.where(downhill, epsilon * slope, 0)
