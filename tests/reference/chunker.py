"""The 2-net sequence chunker in float64, one step after the other, with one-hot vectors.

Both nets have one self-recurrent hidden unit; every layer reads the layers below; all
units are logistic, without biases. They learn by real-time recurrent learning, weights
changing at every step.
"""

from typing import NamedTuple

import numpy as np

Array = np.ndarray


def f(net: Array) -> Array:
    """The logistic function."""
    return 1 / (1 + np.exp(-net))


class Weights(NamedTuple):
    """Of one net: of the hidden unit `(symbols + 1,)`, of the outputs `(outputs, symbols + 1)`.

    The last column is the one from the hidden unit.
    """

    hidden: Array
    outputs: Array


class Step(NamedTuple):
    """What happens in one step of the chunker.

    Attributes:
      error: of A and of C.
      predictions: of A, `(symbols,)`.
      automatizer, chunker: the gradients of both nets, `Weights`.
      taken_in: whether C took the input in.
    """

    error: float
    predictions: Array
    automatizer: Weights
    chunker: Weights
    taken_in: bool


class Net:
    """A net on its way through a sequence."""

    def __init__(self, weights: Weights):
        self.hidden, self.outputs = (np.array(w, np.float64) for w in weights)
        self.y, self.x = 0.0, np.zeros(self.hidden.size - 1)
        self.derivatives = np.zeros(self.hidden.size)  # dy/dw for each weight of the hidden unit

    def step(self, x: Array) -> None:
        """Read an input."""
        sources = np.append(x, self.y)
        y = f(self.hidden @ sources)
        for i in range(self.hidden.size):
            through_the_past = self.hidden[-1] * self.derivatives[i]
            self.derivatives[i] = y * (1 - y) * (sources[i] + through_the_past)
        self.y, self.x = y, x

    def answer(self) -> Array:
        """The output units, from the last input and the hidden unit."""
        return f(self.outputs @ np.append(self.x, self.y))

    def gradient(self, errors: Array) -> Weights:
        """Of an error whose derivatives with respect to the outputs are `errors`."""
        y = self.answer()
        e = errors * y * (1 - y)
        into_hidden = sum(e[k] * self.outputs[k, -1] for k in range(e.size))
        return Weights(into_hidden * self.derivatives, np.outer(e, np.append(self.x, self.y)))

    def change(self, gradient: Weights, rate: float) -> None:
        """Descend."""
        self.hidden -= rate * gradient.hidden
        self.outputs -= rate * gradient.outputs

    @property
    def weights(self) -> Weights:
        """As they are now."""
        return Weights(self.hidden.copy(), self.outputs.copy())


def chunk(
    automatizer: Weights,
    chunker: Weights,
    symbols: Array,
    mask: Array,
    rate: float,
    threshold: float,
    imitation: float,
) -> tuple[list[Step], Weights, Weights]:
    """What happens at every step but the last, which has nothing to predict; the weights after.

    Args:
      automatizer, chunker: weights before.
      symbols: `(time,)` whole numbers.
      mask: `(time - 1,)`, where A is told the next symbol.
      rate: of gradient descent.
      threshold: an input is unexpected if one of A's predictions of it is farther off.
      imitation: factor of the error of A's further outputs, the first of which is to be
        C's hidden unit, the others C's outputs.
    """
    a, c = Net(automatizer), Net(chunker)
    vectors = np.eye(c.outputs.shape[0])[symbols]
    none = Weights(np.zeros_like(c.hidden), np.zeros_like(c.outputs))
    expected, steps = False, []
    for t, told in enumerate(mask):
        taken_in = not expected
        if taken_in:
            c.step(vectors[t])
        a.step(vectors[t])
        answer, following = a.answer(), vectors[t + 1]
        predictions, copy = np.split(answer, [following.size])
        off = predictions - following
        misfit = copy - np.append(c.y, c.answer())[: copy.size]
        of_a = a.gradient(told * np.append(off, imitation * misfit))
        error = told * 0.5 * (off @ off + imitation * misfit @ misfit)
        expected = bool(told and np.all(abs(off) <= threshold))
        of_c = none
        if told and not expected:  # C learns what it should have predicted at its last input
            off = c.answer() - following
            error += 0.5 * off @ off
            of_c = c.gradient(off)
            c.change(of_c, rate)
        a.change(of_a, rate)
        steps.append(Step(error, predictions, of_a, of_c, taken_in))
    return steps, a.weights, c.weights
