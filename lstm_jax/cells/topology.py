"""What units a net of memory blocks has and what is connected to what, as data.

Blocks of cells that share gates, beside conventional hidden units (Hochreiter and
Schmidhuber 1997, Section 4 and the tables of its experiments).
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lstm_jax.ops.sizes import expect_whole

Kind = Literal["cell", "input_gate", "output_gate", "forget_gate", "hidden"]
KINDS: tuple[Kind, ...] = ("cell", "input_gate", "output_gate", "forget_gate", "hidden")


@dataclass(frozen=True)
class Topology:
    """What units there are and what is connected to what.

    Attributes:
      inputs: number of input units, or of input symbols.
      blocks: cells in each block; `(2, 2)` is two blocks of two cells.
      input_gates: whether blocks have an input gate (without: always open).
      output_gates: whether blocks have an output gate (without: always open).
      forget_gates: whether blocks have a forget gate (the 1997 net has none: the
        self-connection of a cell has weight 1).
      hidden: number of conventional (logistic) hidden units in the hidden layer.
      recurrence: what the hidden layer receives of its own last activations: "all" of
        it, gates too (the paper's F connectivity); "cells" and conventional hidden
        units only; "none" (the paper's B connectivity).
      biased: kinds of unit that have a bias.
      untrained: kinds of unit whose bias stays as it was initialised.
      squash_input: range of g, which squashes a cell's net input; None for identity.
      squash_state: range of h, which squashes a cell's state; None for identity.

    Example:
      >>> Topology(inputs=8, blocks=(2, 2)).rows("output_gate")
      slice(6, 8, None)
    """

    inputs: int
    blocks: tuple[int, ...]
    input_gates: bool = True
    output_gates: bool = True
    forget_gates: bool = False
    hidden: int = 0
    recurrence: Literal["all", "cells", "none"] = "all"
    biased: tuple[Kind, ...] = KINDS
    untrained: tuple[Kind, ...] = ()
    squash_input: tuple[float, float] | None = (-2.0, 2.0)
    squash_state: tuple[float, float] | None = (-1.0, 1.0)

    def __post_init__(self):
        expect_whole(inputs=self.inputs, hidden=self.hidden)
        if self.inputs < 1 or self.hidden < 0:
            raise ValueError(
                f"expected inputs >= 1 and hidden >= 0, got {self.inputs} and {self.hidden}"
            )
        if not isinstance(self.blocks, tuple) or not self.blocks or min(self.blocks) < 1:
            raise ValueError(
                f"expected blocks as cells per block, (2, 2) say, got blocks={self.blocks!r}"
            )
        for size in self.blocks:
            expect_whole(blocks=size)
        if self.recurrence not in ("all", "cells", "none"):
            raise ValueError(
                f"expected recurrence 'all', 'cells' or 'none', got {self.recurrence!r}"
            )
        for name in ("biased", "untrained"):
            if unknown := set(getattr(self, name)) - set(KINDS):
                raise ValueError(f"{name}: expected kinds out of {KINDS}, got {sorted(unknown)}")

    @property
    def cells(self) -> int:
        """Number of memory cells, all blocks together."""
        return sum(self.blocks)

    def count(self, kind: Kind) -> int:
        """How many units of a kind there are."""
        gates = len(self.blocks)
        return {
            "cell": self.cells,
            "input_gate": gates * self.input_gates,
            "output_gate": gates * self.output_gates,
            "forget_gate": gates * self.forget_gates,
            "hidden": self.hidden,
        }[kind]

    @property
    def units(self) -> int:
        """Units of the hidden layer: rows of the weights, in the order of `KINDS`."""
        return sum(self.count(kind) for kind in KINDS)

    def rows(self, kind: Kind) -> slice:
        """The rows that the units of a kind take in the hidden layer."""
        before = sum(self.count(k) for k in KINDS[: KINDS.index(kind)])
        return slice(before, before + self.count(kind))

    def rows_of(self, kinds: tuple[Kind, ...]) -> np.ndarray:
        """The rows of several kinds, in the order of the hidden layer."""
        every = np.arange(self.units)
        return np.concatenate([every[:0], *(every[self.rows(k)] for k in KINDS if k in kinds)])

    @property
    def outward(self) -> np.ndarray:
        """Rows that units outside the hidden layer can receive: never gates."""
        return self.rows_of(("cell", "hidden"))

    @property
    def recurrent(self) -> np.ndarray:
        """Rows whose last activations the hidden layer receives."""
        kinds = {"all": KINDS, "cells": ("cell", "hidden"), "none": ()}[self.recurrence]
        return self.rows_of(kinds)
