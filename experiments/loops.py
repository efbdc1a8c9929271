"""The rivals as plain loops: one trial, one sequence after the other, one step after the other.

What somebody writes who has NumPy or torch, to be timed beside ours; nothing here knows the
library. A loop is `learn(weights, drawn, rate) -> weights`. All units are logistic; weights
are tables with one row a unit, whose columns are what the unit reads: the inputs, then the
activations of other units, then 1 if there are biases.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray
Tables = tuple[Array, ...]


class Drawn(NamedTuple):
    """A sequence without padding, as far as it says what comes next.

    Attributes:
      inputs: `(steps,)` symbols, or `(steps, inputs)`.
      targets: `(steps, outputs)`; `(1, outputs)` where there is one at the end alone.
    """

    inputs: Array
    targets: Array


def f(net: Array) -> Array:
    """The logistic, which never overflows in this form."""
    return 0.5 + 0.5 * np.tanh(0.5 * net)


# ---------------------------------------------------------------- nets of many units


def rtrl(weights: Tables, drawn: Drawn, rate: float) -> Tables:
    """Real-time recurrent learning of units that all hear one another, at every step."""
    (table,) = weights
    units, reads = table.shape
    first, own = reads - units, np.arange(units)
    y, p = np.zeros(units), np.zeros((units, units, reads))  # p[k, u, v] = dy_k / dw_uv
    for x, target in zip(np.eye(first)[drawn.inputs], drawn.targets, strict=True):
        read = np.concatenate([x, y])
        y = f(table @ read)
        p = np.tensordot(table[:, first:], p, 1)
        p[own, own] += read
        p *= (y * (1 - y))[:, None, None]
        error = target - y[: target.size]
        table = table + rate * np.tensordot(error, p[: target.size], 1)
    return (table,)


def elman(weights: Tables, drawn: Drawn, rate: float) -> Tables:
    """Elman's procedure: at every step backpropagation with the context as one more input."""
    hidden, top = weights
    context = np.zeros(len(hidden))
    for x, target in zip(_one_hot(hidden, drawn), drawn.targets, strict=True):
        read = np.concatenate([x, context])
        context = f(hidden @ read)
        y = f(top @ context)
        e = (target - y) * y * (1 - y)
        e_hidden = context * (1 - context) * (e @ top)
        hidden = hidden + rate * np.outer(e_hidden, read)
        top = top + rate * np.outer(e, context)
    return hidden, top


def _one_hot(hidden: Array, drawn: Drawn) -> Array:
    return np.eye(hidden.shape[1] - len(hidden))[drawn.inputs]


# ---------------------------------------------------------------- nets of one recurrent unit


class Unit:
    """One self-recurrent unit below outputs that hear it and the inputs, on its way.

    A symbol is a column, so that nothing but that column and the last one is touched.
    """

    def __init__(self, weights: Tables):
        self.hidden, self.top = weights[0][0].copy(), weights[1].copy()
        self.y, self.symbol = np.float64(0), 0
        self.p = np.zeros(len(self.hidden))  # dy/dw

    def hear(self, symbol: int) -> None:
        """A step, with the derivatives by the weights of the unit."""
        y_tm1, self.symbol = self.y, symbol
        self.y = f(self.hidden[symbol] + self.hidden[-1] * y_tm1)
        self.p *= self.hidden[-1]
        self.p[symbol] += 1
        self.p[-1] += y_tm1
        self.p *= self.y * (1 - self.y)

    def answer(self) -> Array:
        """The outputs."""
        return f(self.top[:, self.symbol] + self.top[:, -1] * self.y)

    def learn(self, e: Array, rate: float) -> None:
        """Change all weights, given the errors at the net inputs of the outputs."""
        self.hidden += rate * (e @ self.top[:, -1]) * self.p
        self.top[:, self.symbol] += rate * e
        self.top[:, -1] += rate * self.y * e

    @property
    def weights(self) -> Tables:
        """As they are now."""
        return self.hidden[None], self.top


def rtrl_one_unit(weights: Tables, drawn: Drawn, rate: float) -> Tables:
    """Real-time recurrent learning at every step."""
    net = Unit(weights)
    for symbol, target in zip(drawn.inputs, drawn.targets, strict=True):
        net.hear(symbol)
        y = net.answer()
        net.learn((target - y) * y * (1 - y), rate)
    return net.weights


def bptt_one_unit(weights: Tables, drawn: Drawn, rate: float) -> Tables:
    """Backpropagation through time, once a sequence."""
    (hidden,), top = weights
    ys: list[Any] = [0.0]
    errors: list[Array] = []
    for symbol, target in zip(drawn.inputs, drawn.targets, strict=True):
        ys.append(f(hidden[symbol] + hidden[-1] * ys[-1]))
        out = f(top[:, symbol] + top[:, -1] * ys[-1])
        errors.append((target - out) * out * (1 - out))
    for_hidden, for_top, back = np.zeros_like(hidden), np.zeros_like(top), 0.0
    for t in reversed(range(len(errors))):
        symbol, e, y = drawn.inputs[t], errors[t], ys[t + 1]
        for_top[:, symbol] += e
        for_top[:, -1] += e * y
        e_hidden = y * (1 - y) * (e @ top[:, -1] + back)
        for_hidden[symbol] += e_hidden
        for_hidden[-1] += e_hidden * ys[t]
        back = e_hidden * hidden[-1]
    return (hidden + rate * for_hidden)[None], top + rate * for_top


THRESHOLD = 0.25  # the largest error of a prediction that counts as correct


def chunker(weights: tuple[Tables, Tables], drawn: Drawn, rate: float) -> tuple[Tables, Tables]:
    """Two nets: the second hears what the first does not expect, the first imitates its unit."""
    automatizer, above = map(Unit, weights)
    expected = False
    for symbol, target in zip(drawn.inputs, drawn.targets, strict=True):
        if not expected:
            above.hear(symbol)
        automatizer.hear(symbol)
        y = automatizer.answer()
        off = np.concatenate([target, [above.y]]) - y
        expected = bool(np.all(abs(off[:-1]) <= THRESHOLD))
        if not expected:
            said = above.answer()
            above.learn((target - said) * said * (1 - said), rate)
        automatizer.learn(off * y * (1 - y), rate)
    return automatizer.weights, above.weights


# ---------------------------------------------------------------- weights guessed


def lstm(weights: Tables, inputs: Array) -> Array:
    """The last outputs of a net of 1997 with one cell a block, every unit hearing all."""
    hidden, top = weights
    cells = top.shape[1]
    y, s = np.zeros(3 * cells), np.zeros(cells)
    for x in inputs:
        net = hidden @ np.concatenate([x, y, [1.0]])
        y_in, y_out = f(net[cells : 2 * cells]), f(net[2 * cells :])
        s = s + y_in * (4 * f(net[:cells]) - 2)
        y = np.concatenate([y_out * (2 * f(s) - 1), y_in, y_out])
    return f(top @ y[:cells])


def guess(
    weights: Tables,
    drawn: Drawn,
    random: np.random.Generator,
    limit: float = 100.0,
    tolerance: float = 0.2,
) -> Tables:
    """The same weights if they are right about the sequence, otherwise others at random."""
    if np.all(abs(lstm(weights, drawn.inputs) - drawn.targets[-1]) < tolerance):
        return weights
    return tuple(random.uniform(-limit, limit, table.shape) for table in weights)


# ---------------------------------------------------------------- cascade-correlation


class Strings(NamedTuple):
    """Strings side by side, or a single one: `(..., time, strings)`.

    Attributes:
      heard: `(1 + inputs, time, strings)`, 1 for the bias and one-hot inputs.
      targets: `(outputs, time, strings)`.
      mask: `(time, strings)`, where there is a target.
    """

    heard: Array
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
    heard = [_with_units(net.units, strings.heard) for strings in groups]
    residuals = [_residual(net.top, *pair) for pair in zip(heard, groups, strict=True)]
    values = [_values(net.pool[:, -1], np.tensordot(net.pool[:, :-1], h, 1)) for h in heard]
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
    for h, (v, e) in zip(heard, pairs, strict=True):
        slope -= _climb(net.pool[:, -1], h, v, np.tensordot(np.sign(covariances), e, 1) / size)
    step = _quickprop(epsilon / (cases * len(heard[0])), mu, slope, net.slope, net.step)
    return net._replace(pool=net.pool + step, step=step, slope=slope)


def _with_units(units: list[Array], heard: Array) -> Array:
    for weights in units:
        values = _values(weights[-1:], np.tensordot(weights[None, :-1], heard, 1))
        heard = np.concatenate([heard, values])
    return heard


def _values(itself: Array, net: Array) -> Array:
    """Activations of units that hear nothing but their net input and themselves."""
    values, v = np.empty_like(net), np.zeros_like(net[:, 0])
    for t in range(net.shape[1]):
        v = f(net[:, t] + itself[:, None] * v) - 0.5
        values[:, t] = v
    return values


def _residual(top: Array, heard: Array, strings: Strings) -> Array:
    y = f(np.tensordot(top, heard, 1))
    return strings.mask * (y - strings.targets) * (y * (1 - y) + 0.1)


def _climb(itself: Array, heard: Array, values: Array, by_value: Array) -> Array:
    """The slope of the score by every weight of every candidate, backwards through time."""
    e, after = np.empty_like(values), np.zeros_like(values[:, 0])
    for t in reversed(range(values.shape[1])):
        after = (0.25 - values[:, t] ** 2) * (by_value[:, t] + itself[:, None] * after)
        e[:, t] = after
    by_itself = np.sum(e[:, 1:] * values[:, :-1], axis=(1, 2))
    others = np.tensordot(e, heard, ((1, 2), (1, 2)))
    return np.concatenate([others, by_itself[:, None]], axis=1)


def _quickprop(epsilon: float, mu: float, slope: Array, before: Array, step: Array) -> Array:
    """Fahlman's rule without decay: to the minimum of a parabola, or mu times the last step."""
    way = np.sign(step)
    far = way * (slope - mu / (1 + mu) * before) <= 0
    minimum = step * slope / np.where(far, 1.0, before - slope)
    downhill = (way == 0) | (way * slope < 0)
    return np.where(far, mu * step, minimum) - np.where(downhill, epsilon * slope, 0)


# ---------------------------------------------------------------- the same in torch


class Torch(NamedTuple):
    """Weights that torch changes in place, and what changes them."""

    weights: tuple[Any, ...]
    optimizer: Any


def torch_start(weights: Tables, rate: float) -> Torch:
    """Tables for the loops below."""
    import torch

    torch.set_num_threads(1)
    made = tuple(torch.tensor(table, requires_grad=True) for table in weights)
    return Torch(made, torch.optim.SGD(made, lr=rate))


def torch_elman(net: Torch, drawn: Drawn, rate: float) -> Torch:
    """`elman` by automatic differentiation; `rate` is the optimizer's already."""
    import torch

    (hidden, top), optimizer = net
    context = torch.zeros(len(hidden), dtype=hidden.dtype)
    inputs, targets = _tensors(hidden, drawn)
    for x, target in zip(inputs, targets, strict=True):
        y_hidden = torch.sigmoid(hidden @ torch.cat([x, context]))
        loss = 0.5 * torch.sum((target - torch.sigmoid(top @ y_hidden)) ** 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        context = y_hidden.detach()
    return net


def torch_bptt_one_unit(net: Torch, drawn: Drawn, rate: float) -> Torch:
    """`bptt_one_unit` by automatic differentiation; `rate` is the optimizer's already."""
    import torch

    (hidden, top), optimizer = net
    y, rows = torch.zeros(1, dtype=hidden.dtype), []
    inputs, targets = _tensors(hidden, drawn)
    for x in inputs:
        y = torch.sigmoid(hidden @ torch.cat([x, y]))
        rows.append(torch.cat([x, y]))
    outputs = torch.sigmoid(torch.stack(rows) @ top.T)
    loss = 0.5 * torch.sum((targets - outputs) ** 2)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return net


def _tensors(hidden: Any, drawn: Drawn) -> tuple[Any, Any]:
    import torch

    symbols = torch.eye(hidden.shape[1] - len(hidden), dtype=hidden.dtype)
    return symbols[drawn.inputs.tolist()], torch.tensor(drawn.targets, dtype=hidden.dtype)


Learn = Callable[[Any, Drawn, float], Any]
LOOPS: dict[str, Learn] = {
    "RTRL": rtrl,
    "RTRL, one unit": rtrl_one_unit,
    "Elman": elman,
    "BPTT, one unit": bptt_one_unit,
    "chunker, one unit": chunker,
}
TORCH: dict[str, Learn] = {"Elman": torch_elman, "BPTT, one unit": torch_bptt_one_unit}
