"""Gradients against files that another program wrote: every form, in double precision.

A file is one sequence through one net of equal blocks, with outputs and gradient: JSON
with the keys `nin`, `blocks`, `block_size`, `nout`, `cell_bias`, `gate_bias`, `out_bias`,
`forget`, `gradient` ("truncated" or "full"), `L`, `weights`, `inputs`, `targets`,
`error_mask` and `gradient_dE_dw`. Weights and gradient are flat: for each hidden unit
(cells, input, output, forget gates) its weights from the inputs, from the hidden units,
its bias if it has one; then for each output its weights from the cells, and its bias.
"""

import json
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.errors import UserError
from experiments.files import read_bytes, shown
from lstm_jax.cells.memory_block import MemoryBlockParams, memory_block
from lstm_jax.gradients import bptt, truncated
from lstm_jax.losses import squared_error
from lstm_jax.topology import Kind, Topology
from lstm_jax.types import Cell, Sequence
from lstm_jax.wiring import Readout, readout

LIMIT = 1e-9
RULES = {
    "truncated": {
        "definition": truncated.definition,
        "time_parallel": truncated.time_parallel,
        "online": truncated.online,
    },
    "full": {"bptt": bptt.bptt},
}


class Example(NamedTuple):
    """A file's net, weights, sequence and gradient, and which gradient it is."""

    net: Cell
    params: Readout
    sequence: Sequence
    grads: Readout
    kind: str


def deviations(path: Path) -> dict[str, float]:
    """The largest relative deviation of every form from the gradient in a file.

    Returns:
      By form: the largest absolute deviation of any component over the largest component.
    """
    with jax.enable_x64(True):
        example = _read(path)
        scale = _largest(example.grads)
        found = {}
        for name, rule in RULES[example.kind].items():
            learn = jax.jit(rule(example.net, squared_error))
            grads = learn(example.params, example.sequence).grads
            found[name] = _largest(jax.tree.map(jnp.subtract, grads, example.grads)) / scale
        return found


def agree(found: dict[str, dict[str, float]]) -> bool:
    """Whether no form in any file deviates by more than the limit (NaN does)."""
    return all(value <= LIMIT for forms in found.values() for value in forms.values())


def words(found: dict[str, dict[str, float]]) -> list[str]:
    """One line a file."""
    return [
        f"{name}: " + ", ".join(f"{form} {value:.1e}" for form, value in forms.items())
        for name, forms in found.items()
    ]


def _largest(tree) -> float:
    return float(np.max([jnp.abs(leaf).max() for leaf in jax.tree.leaves(tree) if leaf.size]))


def _read(path: Path) -> Example:
    try:
        return _example(json.loads(read_bytes(path)))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise UserError(
            f"{shown(path)} is no gradient file ({type(error).__name__}: {error}); "
            "`python -m experiments check --help` says what one holds"
        ) from error


def _example(data: dict) -> Example:
    gates: tuple[Kind, ...] = ("input_gate", "output_gate", "forget_gate")
    topology = Topology(
        inputs=data["nin"],
        blocks=(data["block_size"],) * data["blocks"],
        forget_gates=bool(data["forget"]),
        biased=("cell",) * bool(data["cell_bias"]) + gates * bool(data["gate_bias"]),
    )
    outputs, bias = data["nout"], bool(data["out_bias"])
    if data["gradient"] not in RULES:
        raise ValueError(f"gradient must be truncated or full, not {data['gradient']!r}")
    return Example(
        readout(memory_block(topology), outputs, bias=bias),
        _unpack(topology, outputs, bias, data["weights"]),
        _sequence(data),
        _unpack(topology, outputs, bias, data["gradient_dE_dw"]),
        data["gradient"],
    )


def _sequence(data: dict) -> Sequence:
    def table(key: str, columns: int) -> jax.Array:
        return jnp.array(data[key], float).reshape(data["L"], columns)

    targets = table("targets", data["nout"])
    mask = jnp.array(data["error_mask"], bool).reshape(data["L"])
    return Sequence(table("inputs", data["nin"]), targets, targets, mask, jnp.array(data["L"]))


def _unpack(topology: Topology, outputs: int, bias: bool, flat: list[float]) -> Readout:
    """Numbers in the order of the file as parameters."""
    left = np.array(flat, float)

    def take(number: int) -> np.ndarray:
        nonlocal left
        taken, left = left[:number], left[number:]
        if len(taken) < number:
            raise ValueError(f"{len(flat)} weights are too few for the net")
        return taken

    units = range(topology.units)
    biased = set(topology.rows_of(topology.biased)) if topology.biased else set()
    hidden = [
        (take(topology.inputs), take(topology.units), take(int(unit in biased))) for unit in units
    ]
    readouts = [(take(topology.cells), take(int(bias))) for _ in range(outputs)]
    if len(left):
        raise ValueError(f"{len(left)} weights are too many for the net")
    from_inputs, from_hidden, hidden_bias = zip(*hidden, strict=True)
    from_cell, output_bias = zip(*readouts, strict=True)
    return Readout(
        MemoryBlockParams(
            jnp.array(from_inputs), jnp.array(from_hidden), jnp.array(np.concatenate(hidden_bias))
        ),
        jnp.array(from_cell),
        jnp.zeros((outputs, 0)),
        jnp.array(np.concatenate(output_bias)),
    )
