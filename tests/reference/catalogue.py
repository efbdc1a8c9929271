"""Nets to try things on: every net of the paper, and small ones that turn each switch."""

from typing import NamedTuple

import numpy as np

from .topology import Topology


class Counted(NamedTuple):
    """A net of the paper and the number of weights the paper gives it."""

    topology: Topology
    weights: int


def _two_c(p: int) -> Topology:
    return Topology(p + 4, 2, (1, 1))


def _all_biased(inputs: int, outputs: int, blocks: int) -> Topology:
    return Topology(
        inputs, outputs, (2,) * blocks, cell_bias=True, gate_bias=True, output_bias=True
    )


PAPER = {
    "1, 4x1": Counted(Topology(7, 7, (1,) * 4, gate_bias=True), 264),
    "1, 3x2": Counted(Topology(7, 7, (2,) * 3, gate_bias=True), 276),
    "2a, 2b": Counted(
        Topology(
            101, 101, (1,), output_gates=False, recurrence="none", direct=True,
            g="[0,1]", h="identity",
        ),
        10504,
    ),
    "2c, p=50": Counted(_two_c(50), 364),
    "2c, p=100": Counted(_two_c(100), 664),
    "2c, p=200": Counted(_two_c(200), 1264),
    "2c, p=500": Counted(_two_c(500), 3064),
    "2c, p=1000": Counted(_two_c(1000), 6064),
    "3": Counted(Topology(1, 1, (1,) * 3, cell_bias=True, gate_bias=True), 102),
    "4, 5": Counted(_all_biased(2, 1, 2), 93),
    "6a": Counted(_all_biased(8, 4, 2), 156),
    "6b": Counted(_all_biased(8, 8, 3), 308),
}  # fmt: skip

SMALL = {
    "1997": Topology(3, 2, (2, 1)),
    "all biases": Topology(2, 1, (1, 2), cell_bias=True, gate_bias=True, output_bias=True),
    "gate biases, g in [-1,1]": Topology(2, 3, (1,), gate_bias=True, g="[-1,1]"),
    "no input gates": Topology(2, 2, (2,), input_gates=False, output_bias=True),
    "no output gates": Topology(2, 2, (2,), output_gates=False, cell_bias=True, h="identity"),
    "no gates at all": Topology(2, 1, (3,), input_gates=False, output_gates=False),
    "bottom-up as in 2a": Topology(
        3, 3, (1,), output_gates=False, recurrence="none", direct=True, g="[0,1]", h="identity"
    ),
    "forget gates": Topology(2, 2, (2, 1), forget_gates=True, gate_bias=True, output="linear"),
    "forget gates alone": Topology(
        2, 1, (2, 2), input_gates=False, output_gates=False, forget_gates=True, cell_bias=True
    ),
    "hidden units": Topology(2, 2, (2,), hidden=2, hidden_bias=True, g="[-0.5,0.5]"),
    "cells feed back": Topology(
        2, 2, (1, 1), hidden=1, recurrence="cells", output="linearised", gate_bias=True
    ),
    "everything": Topology(
        2, 2, (2, 1), forget_gates=True, hidden=2, cell_bias=True, gate_bias=True,
        hidden_bias=True, output_bias=True, direct=True, g="[-1,1]", h="identity",
    ),
    "hidden units, no recurrence": Topology(
        3, 2, (1,), hidden=2, recurrence="none", direct=True, output="linear", output_bias=True
    ),
}  # fmt: skip


def random_problem(topology: Topology, seed: int, steps: int = 6, size: float = 1.0) -> tuple:
    """(topology, weights, inputs, targets, mask): weights uniform in [-size, size], an error
    signal at some steps and always at the last."""
    random = np.random.default_rng(seed)
    weights = random.uniform(-size, size, topology.weight_count)
    inputs = random.uniform(-1.0, 1.0, (steps, topology.inputs))
    targets = random.uniform(0.0, 1.0, (steps, topology.outputs))
    mask = random.uniform(size=steps) < 0.5
    mask[-1] = True
    return topology, weights, inputs, targets, mask
