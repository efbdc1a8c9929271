"""Recurrent cascade-correlation in float64, as plain loops over strings, steps, and units.

The net really grows: hidden units are a list, and so are the weights from them. Derivatives
are carried forward in time as in Fahlman (1991); quickprop is the routine of his programs,
one weight after the other. Nothing is padded, masked, or batched.

A string is `(inputs (L, I), targets (L, K), goals (L, K))`; what is never predicted, the
symbol after the last one, has no row. A unit is a vector of weights from the bias, the
inputs, the older units, and from itself.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Array = np.ndarray
String = tuple[Array, Array, Array]
OFFSET = 0.1


class Regime(NamedTuple):
    """Epsilon, mu, decay; patience, change, limit."""

    epsilon: float
    mu: float
    decay: float
    patience: int
    change: float
    limit: int


def f(net: float) -> float:
    """The logistic in [-1/2, 1/2]."""
    return 1.0 / (1.0 + np.exp(-net)) - 0.5


# ---------------------------------------------------------------- forward


def hidden(units: list[Array], inputs: Array) -> Array:
    """What every hidden unit receives and puts out: bias, inputs, units `(L, 1 + I + units)`."""
    rows, past = [], [0.0] * len(units)
    for x in inputs:
        row = [1.0, *x]
        for u, weights in enumerate(units):
            value = f(weights[:-1] @ np.array(row) + weights[-1] * past[u])
            past[u] = value
            row.append(value)
        rows.append(row)
    return np.array(rows)


def answers(output_weights: Array, heard: Array) -> Array:
    """The outputs `(L, K)`, logistic."""
    return 1.0 / (1.0 + np.exp(-(heard @ output_weights.T)))


def residuals(y: Array, targets: Array) -> Array:
    """Errors at the outputs' net inputs `(L, K)`, with the slope enlarged."""
    return (y - targets) * (y * (1.0 - y) + OFFSET)


def right(y: Array, goals: Array) -> bool:
    """Whether at every step each legal successor is more active than each illegal one."""
    for row, legal in zip(y, goals, strict=True):
        for k in np.flatnonzero(legal > 0.5):
            for other in np.flatnonzero(legal <= 0.5):
                if row[k] <= row[other]:
                    return False
    return True


# ---------------------------------------------------------------- slopes


def output_slopes(output_weights: Array, heard: list[Array], strings: list[String]) -> Array:
    """sum e_k I over all steps of all strings, `(K, 1 + I + units)`."""
    total = np.zeros_like(output_weights)
    for rows, (_, targets, _) in zip(heard, strings, strict=True):
        for row, e in zip(rows, residuals(answers(output_weights, rows), targets), strict=True):
            total += np.outer(e, row)
    return total


def trace(weights: Array, rows: Array, memory: bool = True) -> tuple[Array, Array]:
    """A candidate's values `(L)` on one string, and their derivatives `(L, weights)`.

    dv(t)/dw = f' (source(t) + w_s dv(t-1)/dw); without `memory` the past counts as constant.
    """
    value, derivative = 0.0, np.zeros(len(weights))
    values, derivatives = [], []
    for row in rows:
        sources = np.append(row, value)
        value = f(weights @ sources)
        slope = 0.25 - value**2
        derivative = slope * (sources + memory * weights[-1] * derivative)
        values.append(value)
        derivatives.append(derivative)
    return np.array(values), np.array(derivatives)


def correlate(
    weights: Array, heard: list[Array], errors: list[Array], memory: bool = True
) -> tuple[Array, Array]:
    """A candidate's covariances with the errors `(K)`, and the slope of its score."""
    traces = [trace(weights, rows, memory) for rows in heard]
    v = np.concatenate([values for values, _ in traces])
    dv = np.concatenate([derivatives for _, derivatives in traces])
    e = np.concatenate(errors)
    size = np.sum(e**2)
    covariances, slope = np.zeros(e.shape[1]), np.zeros(len(weights))
    for k in range(e.shape[1]):
        centred = e[:, k] - e[:, k].mean()
        covariances[k] = np.sum((v - v.mean()) * centred) / size
        slope += np.sign(covariances[k]) * centred @ dv / size
    return covariances, slope


def quickprop(
    weight: float, step: float, slope: float, before: float, epsilon: float, decay: float, mu: float
) -> tuple[float, float]:
    """The next step of one weight, and the slope with decay that it went by."""
    slope = slope + decay * weight
    shrink, following = mu / (1.0 + mu), 0.0
    if step < 0.0:
        if slope > 0.0:
            following -= epsilon * slope
        if slope >= shrink * before:
            following += mu * step
        else:
            following += step * slope / (before - slope)
    elif step > 0.0:
        if slope < 0.0:
            following -= epsilon * slope
        if slope <= shrink * before:
            following += mu * step
        else:
            following += step * slope / (before - slope)
    else:
        following -= epsilon * slope
    return following, slope


class Learner:
    """Weights with quickprop's memory."""

    def __init__(self, weights: Array):
        self.weights = weights.copy()
        self.steps, self.before = np.zeros_like(weights), np.zeros_like(weights)

    def step(self, slopes: Array, epsilon: float, regime: Regime) -> None:
        for at in np.ndindex(slopes.shape):
            self.steps[at], self.before[at] = quickprop(
                self.weights[at], self.steps[at], slopes[at], self.before[at],
                epsilon, regime.decay, regime.mu,
            )  # fmt: skip
        self.weights += self.steps

    def grow(self, weights: Array) -> None:
        """One column more."""

        def put(old: Array, new: Array) -> Array:
            return np.concatenate([old, new[:, None]], axis=1)

        self.weights = put(self.weights, weights)
        self.steps = put(self.steps, 0.0 * weights)
        self.before = put(self.before, 0.0 * weights)


class Patience:
    """When learning is over."""

    def __init__(self, regime: Regime, quit: int):
        self.regime, self.quit, self.epochs, self.last = regime, quit, 0, 0.0

    def over(self, value: float) -> bool:
        self.epochs += 1
        if self.epochs == 1:
            self.last = value
        elif abs(value - self.last) > self.last * self.regime.change:
            self.last, self.quit = value, self.epochs + self.regime.patience
        return self.epochs >= min(self.quit, self.regime.limit)


# ---------------------------------------------------------------- the trial


class Trial:
    """A net that grows, one epoch after another.

    Args:
      training, test: sets of strings.
      output_weights: `(K, 1 + I)`, initial.
      pool: from the number of hidden units to the candidates' initial weights
        `(candidates, 1 + I + units + 1)`.
      outputs, candidates: how they learn.
      most: the most hidden units there may be.
      cap: presentations after which all is over.
    """

    def __init__(
        self, training: list[String], test: list[String], output_weights: Array,
        pool: Callable[[int], Array], outputs: Regime, candidates: Regime, most: int, cap: int,
    ):  # fmt: skip
        self.training, self.test, self.pool, self.most, self.cap = training, test, pool, most, cap
        self.regimes = {"outputs": outputs, "candidates": candidates}
        self.units: list[Array] = []
        self.into_outputs, self.candidates = Learner(output_weights), Learner(pool(0))
        self.phase, self.learning, self.sequences, self.failed = "training", "outputs", 0, False
        self.epochs = {"outputs": 0, "candidates": 0}
        self.reached = [-1, -1]
        self.patience = Patience(outputs, outputs.patience)

    def all_right(self, strings: list[String]) -> bool:
        weights = self.into_outputs.weights
        return all(right(answers(weights, hidden(self.units, x)), goals) for x, _, goals in strings)

    def tick(self) -> None:
        if self.phase == "testing":
            self.look_at_the_test()
        elif self.phase == "training" and self.learning == "outputs":
            self.train_outputs()
        elif self.phase == "training":
            self.train_candidates()

    def look_at_the_test(self) -> None:
        if self.all_right(self.test):
            self.phase, self.reached[1] = "solved", self.sequences
        else:
            self.phase, self.failed = "training", True

    def count(self) -> None:
        self.epochs[self.learning] += 1
        self.sequences += len(self.training)
        if self.sequences >= self.cap:
            self.phase = "capped"

    def train_outputs(self) -> None:
        if not self.failed and self.all_right(self.training):
            self.phase = "testing"
            self.reached[0] = self.sequences if self.reached[0] < 0 else self.reached[0]
            return
        heard = [hidden(self.units, x) for x, _, _ in self.training]
        weights, regime = self.into_outputs.weights, self.regimes["outputs"]
        pairs = list(zip(heard, self.training, strict=True))
        error = sum(np.sum((answers(weights, rows) - t) ** 2) for rows, (_, t, _) in pairs)
        slopes = output_slopes(weights, heard, self.training)
        self.into_outputs.step(slopes, regime.epsilon / sum(map(len, heard)), regime)
        self.failed = False
        self.count()
        if self.patience.over(error):
            if len(self.units) == self.most:
                self.phase = "capped"
            self.learning = "candidates"
            self.candidates = Learner(self.pool(len(self.units)))
            self.patience = Patience(self.regimes["candidates"], self.regimes["candidates"].limit)

    def train_candidates(self) -> None:
        heard = [hidden(self.units, x) for x, _, _ in self.training]
        errors = [
            residuals(answers(self.into_outputs.weights, rows), targets)
            for rows, (_, targets, _) in zip(heard, self.training, strict=True)
        ]
        found = [correlate(weights, heard, errors) for weights in self.candidates.weights]
        scores = [np.sum(np.abs(covariances)) for covariances, _ in found]
        best = int(np.argmax(scores))
        self.count()
        if self.patience.over(scores[best]):
            self.units.append(self.candidates.weights[best].copy())
            self.into_outputs.grow(-found[best][0])
            self.learning = "outputs"
            self.patience = Patience(self.regimes["outputs"], self.regimes["outputs"].patience)
        else:
            regime, sources = self.regimes["candidates"], heard[0].shape[1]
            epsilon = regime.epsilon / (sum(map(len, heard)) * sources)
            slopes = -np.stack([slope for _, slope in found])
            self.candidates.step(slopes, epsilon, regime)
