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


GradientFn = Callable[[Any, Drawn, float], Any]


def f(net: Array) -> Array:
    """The logistic, which never overflows in this form."""
    return 0.5 + 0.5 * np.tanh(0.5 * net)


# ---------------------------------------------------------------- nets of many units


def rtrl(weights: Tables, drawn: Drawn, rate: float) -> Tables:
    """Real-time recurrent learning of units that are all connected, at every step."""
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
    """One self-recurrent unit below outputs that receive it and the inputs, on its way.

    A symbol is a column, so that nothing but that column and the last one is touched.
    """

    def __init__(self, weights: Tables):
        self.hidden, self.top = weights[0][0].copy(), weights[1].copy()
        self.y, self.symbol = np.float64(0), 0
        self.p = np.zeros(len(self.hidden))  # dy/dw

    def receive(self, symbol: int) -> None:
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
        net.receive(symbol)
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
    """Two nets: the second receives what the first does not expect, the first imitates its unit."""
    automatizer, above = map(Unit, weights)
    expected = False
    for symbol, target in zip(drawn.inputs, drawn.targets, strict=True):
        if not expected:
            above.receive(symbol)
        automatizer.receive(symbol)
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


LOOPS: dict[str, GradientFn] = {
    "RTRL": rtrl,
    "RTRL, one unit": rtrl_one_unit,
    "Elman": elman,
    "BPTT, one unit": bptt_one_unit,
    "chunker, one unit": chunker,
}
