"""Gradients against files that another program wrote: every form, in double precision.

A file is one sequence through one net of equal blocks, with outputs and gradient: JSON
with the keys `nin`, `blocks`, `block_size`, `nout`, `cell_bias`, `gate_bias`, `out_bias`,
`forget`, `gradient` ("truncated" or "full"), `L`, `weights`, `inputs`, `targets`,
`error_mask` and `gradient_dE_dw`. Weights and gradient are flat: for each hidden unit
(cells, input, output, forget gates) its weights from the inputs, from the hidden units,
its bias if it has one; then for each output its weights from the cells, and its bias.
"""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import family_files
from experiments.common.structure import Misfit, every, fields, number, one_of, read_json, whole
from lstm_jax.cells.memory_block import MemoryBlockParams, memory_block
from lstm_jax.cells.topology import Kind, Topology
from lstm_jax.gradients import bptt, by_definition, forward_traces, parallel_scan, rtrl
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import Readout, readout
from lstm_jax.types import Cell, Sequence

LIMIT = 1e-9
RULES = {
    "truncated": {
        "by_definition": by_definition,
        "parallel_scan": parallel_scan,
        "forward_traces": forward_traces,
    },
    "full": {"bptt": bptt, "rtrl": rtrl},
}


class Example(NamedTuple):
    """A file's net, weights, sequence and gradient, and which gradient it is."""

    net: Cell
    params: Readout
    sequence: Sequence
    grads: Readout
    kind: str


class Compared(NamedTuple):
    """How every form of the gradient, or every number of the family, compares with a file's.

    Attributes:
      forms: by form, the largest deviation of any component: of the largest component, or
        absolute.
      absolute: whether it is absolute, because the file's gradient is all zero.
      limit: what it may be.
    """

    forms: dict[str, float]
    absolute: bool
    limit: float = LIMIT


def deviations(path: Path) -> Compared:
    """The largest deviation of every form from the gradient in a file.

    Raises:
      UserError: it is no gradient file; names file and field.
    """
    data = read_json(path, "gradient file", _either, then=_HELP)
    if "kind" in data:
        with jax.enable_x64(True):
            found: dict[str, float] = {}
            read_json(path, "file", lambda data, _: found.update(family_files.deviations(data)))
            return Compared(found, False, family_files.LIMIT)
    with jax.enable_x64(True):
        example = _example(data)
        scale = _largest(example.grads)
        found = {}
        for name, rule in RULES[example.kind].items():
            learn = jax.jit(rule(example.net, squared_error))
            grads = learn(example.params, example.sequence).grads
            found[name] = _largest(jax.tree.map(jnp.subtract, grads, example.grads)) / (scale or 1)
        return Compared(found, not scale)


def agree(found: dict[str, Compared]) -> bool:
    """Whether no form in any file deviates by more than the limit (NaN does)."""
    return all(value <= one.limit for one in found.values() for value in one.forms.values())


def words(found: dict[str, Compared]) -> list[str]:
    """One line a file."""
    return [
        f"{name}: "
        + ", ".join(f"{form} {value:.1e}" for form, value in one.forms.items())
        + " (absolute: the gradient in the file is all zero)" * one.absolute
        for name, one in found.items()
    ]


def as_json(found: dict[str, Compared]) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "limits": {name: one.limit for name, one in found.items()},
        "files": {name: one.forms for name, one in found.items()},
        "absolute": [name for name, one in found.items() if one.absolute],
    }


def _largest(tree) -> float:
    return float(np.max([jnp.abs(leaf).max() for leaf in jax.tree.leaves(tree) if leaf.size]))


def _number_or_row(value: Any, place: str) -> None:
    (every(_NUMBER) if isinstance(value, list) else _NUMBER)(value, place)


_HELP = "`python -m experiments check --help` says what one holds"
_SIZE = whole(1)
_FLAG = one_of((0, 1))
_NUMBER = number(-float(np.finfo(float).max), float(np.finfo(float).max))
_FORM = fields(
    {
        **dict.fromkeys(("nin", "blocks", "block_size", "nout", "L"), _SIZE),
        **dict.fromkeys(("cell_bias", "gate_bias", "out_bias", "forget"), _FLAG),
        "gradient": one_of(tuple(RULES)),
        **dict.fromkeys(("weights", "gradient_dE_dw"), every(_NUMBER)),
        **dict.fromkeys(("inputs", "targets"), every(_number_or_row)),
        "error_mask": every(_FLAG),
    }
)


def _either(data: Any, place: str) -> None:
    """A file of the family says its kind; the rules of 1997 have theirs by their fields."""
    fields({})(data, place)
    checks = (family_files.FORM,) if "kind" in data else (_FORM, _sizes)
    for check in checks:
        check(data, place)


def _sizes(data: Any, place: str) -> None:
    """Sizes against the numbers that are there: before anything is made of such a size."""
    cells, gates = data["blocks"] * data["block_size"], data["blocks"] * (2 + data["forget"])
    units = cells + gates
    biases = cells * data["cell_bias"] + gates * data["gate_bias"]
    weights = units * (data["nin"] + units) + biases + data["nout"] * (cells + data["out_bias"])
    steps = data["L"]
    for name in ("weights", "gradient_dE_dw"):
        if len(data[name]) != weights:
            raise Misfit(name, f"{weights:,} numbers, for the net", len(data[name]))
    if len(data["error_mask"]) != steps:
        raise Misfit("error_mask", f"{steps:,} numbers, one a step", len(data["error_mask"]))
    for name, columns in (("inputs", data["nin"]), ("targets", data["nout"])):
        if _shape(data[name]) not in ((steps * columns,), (steps, columns)):
            expected = f"{steps:,} times {columns:,} numbers, flat or in rows"
            raise Misfit(name, expected, _shape(data[name]))


def _shape(values: list) -> tuple[int, ...] | None:
    """Of a list of numbers, or of rows that are all as long; None of anything else."""
    lengths = {len(value) if isinstance(value, list) else 0 for value in values}
    if lengths == {0}:
        return (len(values),)
    return (len(values), *lengths) if len(lengths) == 1 else None


def _example(data: dict) -> Example:
    gates: tuple[Kind, ...] = ("input_gate", "output_gate", "forget_gate")
    topology = Topology(
        inputs=data["nin"],
        blocks=(data["block_size"],) * data["blocks"],
        forget_gates=bool(data["forget"]),
        biased=("cell",) * bool(data["cell_bias"]) + gates * bool(data["gate_bias"]),
    )
    outputs, bias = data["nout"], bool(data["out_bias"])
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
        return taken

    units = range(topology.units)
    biased = set(topology.rows_of(topology.biased)) if topology.biased else set()
    hidden = [
        (take(topology.inputs), take(topology.units), take(int(unit in biased))) for unit in units
    ]
    readouts = [(take(topology.cells), take(int(bias))) for _ in range(outputs)]
    from_inputs, from_hidden, hidden_bias = zip(*hidden, strict=True)
    from_cell, output_bias = zip(*readouts, strict=True)
    into, top = np.concatenate(hidden_bias), np.concatenate(output_bias)
    return Readout(
        MemoryBlockParams(
            jnp.array(from_inputs), jnp.array(from_hidden), jnp.array(into) if len(into) else None
        ),
        jnp.array(from_cell),
        None,
        jnp.array(top) if len(top) else None,
    )
