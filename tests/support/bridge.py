"""The one place that knows both the twin's words and the library's; and how to compare.

The twin keeps its weights in one flat vector, the library in a `Readout` of arrays;
`places` says which number stands where, and everything else follows from it.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.cells.memory_block import MemoryBlockParams, memory_block
from lstm_jax.cells.simple import JordanParams, RecurrentParams
from lstm_jax.cells.topology import KINDS, Topology
from lstm_jax.networks.readout import Readout, readout
from lstm_jax.ops.activations import identity, linearised_logistic, logistic
from lstm_jax.types import Cell, Sequence
from tests.reference.topology import Topology as TwinTopology

KEY = jax.random.key(0)
RANGES = {
    "[-2,2]": (-2.0, 2.0),
    "[-1,1]": (-1.0, 1.0),
    "[-0.5,0.5]": (-0.5, 0.5),
    "[0,1]": (0.0, 1.0),
    "identity": None,
}
OUTPUTS = {"logistic": logistic, "linear": identity, "linearised": linearised_logistic}


def biased_kinds(twin: TwinTopology) -> tuple:
    """The kinds of unit in the hidden layer that have a bias."""
    of_kind = {"cell": twin.cell_bias, "hidden": twin.hidden_bias}
    return tuple(kind for kind in KINDS if of_kind.get(kind, twin.gate_bias))


def topology_of(twin: TwinTopology, untrained: tuple = ()) -> Topology:
    """The hidden layer of a twin's net in the library's words."""
    return Topology(
        inputs=twin.inputs,
        blocks=twin.blocks,
        input_gates=twin.input_gates,
        output_gates=twin.output_gates,
        forget_gates=twin.forget_gates,
        hidden=twin.hidden,
        recurrence=twin.recurrence,
        biased=biased_kinds(twin),
        untrained=untrained,
        squash_input=RANGES[twin.g],
        squash_state=RANGES[twin.h],
    )


@lru_cache
def net_of(twin: TwinTopology, untrained: tuple = (), bias_trained: bool = True) -> Cell:
    """The library's net: one object for one twin, so that compiled programs are shared."""
    return readout(
        memory_block(topology_of(twin, untrained)),
        twin.outputs,
        activation=OUTPUTS[twin.output],
        bias=twin.output_bias,
        bias_trained=bias_trained,
        direct=twin.direct,
    )


def _table(slices: tuple[slice, ...], first: int, columns: int) -> np.ndarray:
    """Places of `columns` weights of every unit, from the unit's `first` on."""
    starts = np.array([part.start for part in slices], int)
    return starts[:, None] + first + np.arange(columns)


@lru_cache
def places(twin: TwinTopology) -> Readout:
    """The library's parameters with the place in the flat vector instead of each number."""
    into, recurrent = twin.hidden_slices, len(twin.recurrent)
    biased = [part.stop - 1 for u, part in enumerate(into) if twin.has_bias(u)]
    cell = MemoryBlockParams(
        _table(into, 0, twin.inputs),
        _table(into, twin.inputs, recurrent) if recurrent else None,
        np.array(biased, int) if biased else None,
    )
    skipped = twin.inputs * twin.direct
    out = twin.output_slices
    return Readout(
        cell,
        _table(out, skipped, len(twin.readable)),
        _table(out, 0, skipped) if skipped else None,
        np.array([part.stop - 1 for part in out], int) if twin.output_bias else None,
    )


def real(values) -> np.ndarray:
    """Numbers in the precision of the moment; integers and truth values as they are."""
    values = np.asarray(values)
    return values.astype(jnp.result_type(float)) if values.dtype.kind == "f" else values


def to_params(twin: TwinTopology, flat: np.ndarray) -> Readout:
    """Flat weights `(weights, *lanes)` as parameters."""
    return jax.tree.map(lambda at: real(flat[at]), places(twin))


def to_flat(twin: TwinTopology, params: Readout) -> np.ndarray:
    """Parameters (or gradients) as the twin's flat vector `(weights, *lanes)`."""
    where = places(twin)
    lanes = params.from_cell.shape[2:]
    flat = np.full((twin.weight_count, *lanes), np.nan)
    for at, leaf in zip(jax.tree.leaves(where), jax.tree.leaves(params), strict=True):
        flat[at] = leaf
    return flat


def to_recurrent(table: np.ndarray, inputs: int) -> RecurrentParams:
    """A twin's table of one row a unit: inputs, context, and a bias if there is a column left."""
    from_inputs, from_context, bias = np.split(table, [inputs, inputs + len(table)], axis=1)
    bias = real(bias.reshape(-1)) if bias.size else None
    return RecurrentParams(real(from_inputs), real(from_context), bias)


def to_elman(hidden: np.ndarray, top: np.ndarray, inputs: int) -> Readout:
    """The twin's two tables as a hidden layer and its `readout`."""
    from_cell, bias = np.split(top, [len(hidden)], axis=1)
    bias = real(bias.reshape(-1)) if bias.size else None
    return Readout(to_recurrent(hidden, inputs), real(from_cell), None, bias)


def to_jordan(hidden: np.ndarray, top: np.ndarray, inputs: int) -> JordanParams:
    """The twin's two tables as one set of parameters."""
    from_inputs, from_context, bias = np.split(hidden, [inputs, inputs + len(top)], axis=1)
    from_hidden, top_bias = np.split(top, [len(hidden)], axis=1)
    biases = np.concatenate([bias.reshape(-1), top_bias.reshape(-1)])
    tables = map(real, (from_inputs, from_context, from_hidden))
    return JordanParams(*tables, real(biases) if biases.size else None)


def to_sequence(inputs, targets, mask, steps: int | None = None, padding=0.0) -> Sequence:
    """A sequence, padded to a number of steps with a number and without an error signal."""
    more = (steps or len(inputs)) - len(inputs)

    def padded(values, value):
        values = real(values)
        end = np.full((more, *values.shape[1:]), value, values.dtype)
        return np.concatenate([values, end])

    goals = padded(targets, padding)
    length = np.asarray(len(inputs), np.int32)
    return Sequence(padded(inputs, padding), goals, goals, padded(mask, False), length)


def side_by_side(*trees):
    """The same structure several times, as lanes of one."""
    return jax.tree.map(lambda *leaves: np.stack(leaves, axis=-1), *trees)


@lru_cache
def initializer(trial):
    """Trials side by side from one seed and one set of numbers a lane, compiled."""

    def init(seed, settings):
        return trial.init(jax.random.fold_in(KEY, seed), settings)

    return jax.jit(jax.vmap(init, out_axes=-1))


def begin(trial, settings, seeds):
    """A block of trials that has not begun."""
    return initializer(trial)(np.array(seeds), settings)


def lane(tree, number):
    """One lane (or several, in a new order) of leaves that have lanes on the last axis."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[..., number], tree)


def numbers(tree):
    """The same structure with NumPy arrays, which cost nothing to take apart."""
    return jax.tree.map(np.asarray, tree)


def gap(one, other) -> float:
    """The largest difference, relative to the largest component."""
    one, other = np.asarray(one, float), np.asarray(other, float)
    assert one.shape == other.shape, f"{one.shape} is not {other.shape}"
    return float(np.max(np.abs(one - other)) / np.max(np.abs(other)))


def assert_same(one, other) -> None:
    """Bit for bit the same structure; a NaN equals a NaN."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def assert_close(one, other, tolerance: float) -> None:
    """Every leaf within `tolerance`, relative to the leaf's largest component or to 1."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        a, b = np.asarray(a, float), np.asarray(b, float)
        scale = max(1.0, float(np.max(np.abs(b), initial=0.0)))
        np.testing.assert_allclose(a, b, rtol=0.0, atol=tolerance * scale)
