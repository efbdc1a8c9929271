"""What a 1997 net looks like, as data: its units, who reads whom, and where each weight lies.

Hidden units stand in rows: cells (block by block), input gates, output gates, forget
gates, conventional hidden units. Weights are one flat vector: for every hidden unit its
weights from the inputs, from the recurrent sources (in row order) and its bias, if it
has one; then for every output unit its weights from the inputs (if `direct`), the cells,
the conventional hidden units, and its bias.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np


def f(x: float) -> float:
    """f(x) = 1 / (1 + exp(-x)), the logistic of gates, hidden and output units."""
    if x < 0.0:
        return math.exp(x) / (1.0 + math.exp(x))  # the same number without overflow
    return 1.0 / (1.0 + math.exp(-x))


def df(x: float) -> float:
    """f'(x) = f(x) (1 - f(x))."""
    return f(x) * (1.0 - f(x))


class Squashing(NamedTuple):
    """A function of one net input (or state) and its derivative."""

    value: Callable[[float], float]
    slope: Callable[[float], float]


G = {
    "[-2,2]": Squashing(lambda x: 4.0 * f(x) - 2.0, lambda x: 4.0 * df(x)),
    "[-1,1]": Squashing(lambda x: 2.0 * f(x) - 1.0, lambda x: 2.0 * df(x)),
    "[-0.5,0.5]": Squashing(lambda x: f(x) - 0.5, df),
    "[0,1]": Squashing(f, df),
}
H = {
    "[-1,1]": Squashing(lambda s: 2.0 * f(s) - 1.0, lambda s: 2.0 * df(s)),
    "identity": Squashing(lambda s: s, lambda s: 1.0),
}
OUTPUT = {
    "logistic": Squashing(f, df),
    "linear": Squashing(lambda x: x, lambda x: 1.0),
    "linearised": Squashing(lambda x: 0.5 + x / 4.0, lambda x: 0.25),  # f's tangent at 0
}
RECURRENCE = {  # kinds of hidden units that feed the hidden layer one step later
    "all": ("cell", "input gate", "output gate", "forget gate", "hidden"),
    "cells": ("cell", "hidden"),
    "none": (),
}


@dataclass(frozen=True)
class Topology:
    """The 1997 net as data.

    Attributes:
      inputs, outputs: numbers of input and output units.
      blocks: the number of cells of every memory cell block.
      input_gates, output_gates, forget_gates: whether every block has one; a missing
        gate is a factor of 1.
      hidden: conventional (logistic) hidden units: they read what cells and gates read,
        feed the recurrent sources and the output units.
      recurrence: what feeds the hidden layer one step later: "all" hidden units, only
        "cells" (and conventional hidden units), or "none".
      cell_bias, gate_bias, hidden_bias, output_bias: which units have a bias.
      direct: whether the inputs feed the outputs.
      g, h, output: names of the squashing functions, keys of `G`, `H`, `OUTPUT`.
    """

    inputs: int
    outputs: int
    blocks: tuple[int, ...]
    input_gates: bool = True
    output_gates: bool = True
    forget_gates: bool = False
    hidden: int = 0
    recurrence: str = "all"
    cell_bias: bool = False
    gate_bias: bool = False
    hidden_bias: bool = False
    output_bias: bool = False
    direct: bool = False
    g: str = "[-2,2]"
    h: str = "[-1,1]"
    output: str = "logistic"

    def __post_init__(self):
        words = ((self.g, G), (self.h, H), (self.output, OUTPUT), (self.recurrence, RECURRENCE))
        for word, known in words:
            if word not in known:
                raise ValueError(f"{word!r} is none of {sorted(known)}")

    @cached_property
    def rows(self) -> dict[str, range]:
        """The rows of the hidden layer that each kind of unit takes."""
        sizes = {
            "cell": sum(self.blocks),
            "input gate": len(self.blocks) * self.input_gates,
            "output gate": len(self.blocks) * self.output_gates,
            "forget gate": len(self.blocks) * self.forget_gates,
            "hidden": self.hidden,
        }
        rows, start = {}, 0
        for kind, size in sizes.items():
            rows[kind] = range(start, start + size)
            start += size
        return rows

    @cached_property
    def units(self) -> int:
        """Number of units in the hidden layer, gates included."""
        return sum(len(rows) for rows in self.rows.values())

    @cached_property
    def block_of(self) -> tuple[int, ...]:
        """The block j that each cell belongs to."""
        return tuple(j for j, size in enumerate(self.blocks) for _ in range(size))

    def gate(self, kind: str, j: int) -> int | None:
        """The row of block j's gate of this kind; None where there is none."""
        return self.rows[kind][j] if self.rows[kind] else None

    @cached_property
    def recurrent(self) -> tuple[int, ...]:
        """The hidden units whose activations at t-1 the hidden layer reads at t."""
        return tuple(u for kind in RECURRENCE[self.recurrence] for u in self.rows[kind])

    @cached_property
    def readable(self) -> tuple[int, ...]:
        """The hidden units that feed the outputs at the same step: never a gate."""
        return (*self.rows["cell"], *self.rows["hidden"])

    def has_bias(self, u: int) -> bool:
        """Whether hidden unit u has a bias."""
        if u in self.rows["cell"]:
            return self.cell_bias
        return self.hidden_bias if u in self.rows["hidden"] else self.gate_bias

    @cached_property
    def hidden_slices(self) -> tuple[slice, ...]:
        """Where the weights into every hidden unit lie in the flat vector."""
        reads = self.inputs + len(self.recurrent)
        return _consecutive(0, [reads + self.has_bias(u) for u in range(self.units)])

    @cached_property
    def output_slices(self) -> tuple[slice, ...]:
        """Where the weights into every output unit lie in the flat vector."""
        start = self.hidden_slices[-1].stop if self.hidden_slices else 0
        reads = self.inputs * self.direct + len(self.readable) + self.output_bias
        return _consecutive(start, [reads] * self.outputs)

    @property
    def weight_count(self) -> int:
        """Number of weights, biases included."""
        return self.output_slices[-1].stop

    def hidden_sources(self, u: int, x: np.ndarray, y_tm1: np.ndarray) -> np.ndarray:
        """What hidden unit u reads at t: x(t), y_hidden(t-1), and 1 for its bias."""
        return np.concatenate([x, y_tm1[list(self.recurrent)], [1.0] * self.has_bias(u)])

    def output_sources(self, x: np.ndarray, y_t: np.ndarray) -> np.ndarray:
        """What an output unit reads at t: (x(t),) y_cells(t), y_hidden(t), 1."""
        direct = x if self.direct else x[:0]
        return np.concatenate([direct, y_t[list(self.readable)], [1.0] * self.output_bias])


def _consecutive(start: int, lengths: list[int]) -> tuple[slice, ...]:
    """Slices of these lengths, one behind the other."""
    ends = np.cumsum([start, *lengths]).tolist()
    return tuple(slice(a, b) for a, b in pairwise(ends))
