"""Reads the fixtures in `data/`: sequences run through nets by an independent implementation.

Each JSON file is one sequence in double precision with 17 digits. Flat lists, row by row:
`inputs` (L x nin), `targets` (L x nout), `error_mask` (L), `outputs` (L x nout),
`cell_states` (L x cells), `weights` and `gradient_dE_dw` in the order of `topology`.
`gradient` says which one it is: `truncated` (recurrent activations are constants in the
derivative) or `full`. All nets have g in [-2, 2], h in [-1, 1] and logistic outputs.
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .topology import Topology

FOLDER = Path(__file__).with_name("data")
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


class Case(NamedTuple):
    """A net, a sequence, and what came out: `outputs`, `states`, `error`, `gradient`."""

    name: str
    topology: Topology
    weights: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray
    mask: np.ndarray
    outputs: np.ndarray
    states: np.ndarray
    error: float
    gradient: np.ndarray
    truncated: bool

    @property
    def problem(self) -> tuple:
        """The arguments that every gradient function of `memory_block` takes."""
        return self.topology, self.weights, self.inputs, self.targets, self.mask


def load(name: str, folder: Path | str = FOLDER) -> Case:
    """Reads `<folder>/<name>.json`."""
    read = json.loads((Path(folder) / f"{name}.json").read_text())
    steps = read["L"]
    topology = Topology(
        inputs=read["nin"],
        outputs=read["nout"],
        blocks=(read["block_size"],) * read["blocks"],
        forget_gates=bool(read["forget"]),
        cell_bias=bool(read["cell_bias"]),
        gate_bias=bool(read["gate_bias"]),
        output_bias=bool(read["out_bias"]),
    )

    def array(key: str, *shape: int) -> np.ndarray:
        return np.array(read[key], np.float64).reshape(shape or -1)

    return Case(
        name=name,
        topology=topology,
        weights=array("weights"),
        inputs=array("inputs", steps, topology.inputs),
        targets=array("targets", steps, topology.outputs),
        mask=array("error_mask").astype(bool),
        outputs=array("outputs", steps, topology.outputs),
        states=array("cell_states", steps, len(topology.block_of)),
        error=read["error"],
        gradient=array("gradient_dE_dw"),
        truncated={"truncated": True, "full": False}[read["gradient"]],
    )
