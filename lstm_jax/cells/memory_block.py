"""The memory-cell net of 1997: blocks of cells that share an input and an output gate.

Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9(8), 1997.
Topology is data: any number of blocks of any size, with or without each kind of gate,
with any choice of recurrent connections and biases, beside conventional hidden units.
The forget gate of Gers, Schmidhuber and Cummins (2000) is one more kind of gate here.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.cells.topology import KINDS, Kind, Topology
from lstm_jax.ops.activations import logistic, squash_to
from lstm_jax.ops.initializers import Number, Numbers, given_or, uniform
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import add_outer, linear
from lstm_jax.types import Array, Carousel, Cell, Key, NetInputs


class Initialization(NamedTuple):
    """Where weights and biases begin.

    Attributes:
      scale: weights are drawn uniformly from `[-scale, scale]`.
      recurrent_scale: the same for the weights between hidden units; None for `scale`.
      cell, input_gate, output_gate, forget_gate, hidden: initial biases, a number or
        one a unit; None to draw them like the weights.

    Every number may be traced, so that trials in lanes can each have their own.
    """

    scale: Number = 0.1
    recurrent_scale: Number | None = None
    cell: Numbers = None
    input_gate: Numbers = None
    output_gate: Numbers = None
    forget_gate: Numbers = None
    hidden: Numbers = None


class MemoryBlockParams(NamedTuple):
    """Weights of the hidden layer; rows are cells, input, output, forget gates, hidden units.

    Attributes:
      from_inputs: `(units, inputs, *lanes)`.
      from_hidden: `(units, recurrent sources, *lanes)`; None without recurrence.
      bias: `(biased units, *lanes)`; None without.
    """

    from_inputs: Array
    from_hidden: Array | None
    bias: Array | None


class MemoryBlockState(NamedTuple):
    """What the next step needs.

    Attributes:
      cell_state: `(cells, *lanes)`, s: the constant error carousel.
      activations: `(units, *lanes)`, y of the hidden layer, gates included.
    """

    cell_state: Array
    activations: Array


class Gates(NamedTuple):
    """What a person wants to look at in one step; every field `(units of the kind, *lanes)`."""

    input_gate: Array
    output_gate: Array
    forget_gate: Array
    cell_input: Array
    cell_state: Array
    cell_output: Array
    hidden: Array


def memory_block(
    topology: Topology,
    initialization: Initialization = Initialization(),
    present: Array | int | None = None,
) -> Cell:
    """The hidden layer of the 1997 net as a cell; its outputs are cells, then hidden units.

    One step is net inputs, then activations: equations 8 to 13 of the paper in the order
    of its experiments (inputs, then hidden units from the current inputs and the last
    activations, then outputs from the current cells).

    Args:
      topology: units and connections.
      initialization: initial ranges and biases.
      present: how many of the blocks are there, a number or `(*lanes)`; None for all.
        The others are 0 and do not learn, so that a net can grow while its shapes
        stay (sequential construction, Section 4 of the paper).

    Raises:
      ValueError: an initial bias of units that are not there, or that have none; by `init`,
        biases of another number.

    Example:
      >>> cell = memory_block(Topology(inputs=3, blocks=(2, 2)))
      >>> params = cell.init(jax.random.key(0))
      >>> state, y = cell.step(params, cell.initial_state(), jnp.ones(3))
      >>> y.shape, state.activations.shape
      ((4,), (8,))
    """
    _check_biases(topology, initialization)

    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> MemoryBlockState:
        return MemoryBlockState(
            jnp.zeros((topology.cells, *lanes), dtype),
            jnp.zeros((topology.units, *lanes), dtype),
        )

    def step(params, state, x):
        parts = net_inputs
        state = parts.activate(parts.net_input(parts.rows(params), state, x), state)
        return state, read(params, state, x)

    def read(params, state, x):
        return _pick(state.activations, topology.outward)

    net_inputs = NetInputs(
        rows=lambda params: _spread_bias(topology, params),
        net_input=lambda rows, state, x: _net_input(topology, rows, state, x),
        activate=lambda net, state: _activate(topology, net, state, present)[0],
        add_outer=lambda traces, rows, state, x: _add_outer(topology, traces, rows, state, x),
        carousel_rows=_carousel_rows(topology),
        constant_error=not topology.forget_gates,
    )
    return Cell(
        init=lambda key: _draw(topology, initialization, key),
        initial_state=initial_state,
        step=step,
        inputs=topology.inputs,
        outputs=len(topology.outward),
        carousel=Carousel.of_fields("cell_state", diagonal=True),
        net_inputs=net_inputs,
        read=read,
    )


def gates(
    topology: Topology, params: MemoryBlockParams, state: MemoryBlockState, x: Array
) -> Gates:
    """Gates, squashed inputs and states of the step that `x` would make from `state`.

    Give it to `networks.unroll.record` to see them over a whole sequence.
    """
    net = _net_input(topology, _spread_bias(topology, params), state, x)
    return _activate(topology, net, state)[1]


def _check_biases(topology: Topology, initialization: Initialization) -> None:
    for kind in KINDS:
        biased = topology.count(kind) and kind in topology.biased
        if getattr(initialization, kind) is not None and not biased:
            raise ValueError(
                f"Initialization.{kind}: expected None, for the topology has no {kind} units with "
                f"a bias, got {getattr(initialization, kind)}"
            )


def _draw(topology: Topology, initialization: Initialization, key: Key) -> MemoryBlockParams:
    """Uniform weights; a bias is given or drawn like the weights."""
    for_inputs, for_hidden, for_bias = jax.random.split(key, 3)
    scale, recurrent_scale, *_ = initialization
    recurrent_scale = scale if recurrent_scale is None else recurrent_scale
    sources = len(topology.recurrent)
    drawn = uniform(for_bias, (topology.units,), scale)
    bias = [
        given_or(drawn[topology.rows(kind)], getattr(initialization, kind), f"{kind} biases")
        for kind in KINDS
        if kind in topology.biased
    ]
    return MemoryBlockParams(
        uniform(for_inputs, (topology.units, topology.inputs), scale),
        uniform(for_hidden, (topology.units, sources), recurrent_scale) if sources else None,
        jnp.concatenate(bias) if sum(map(len, bias)) else None,
    )


def _spread_bias(topology: Topology, params: MemoryBlockParams) -> MemoryBlockParams:
    """The bias as one number a row: 0 for units without, constant for units not trained."""
    taken, pieces, weights = 0, [], params.from_inputs
    for kind in KINDS:
        count = topology.count(kind)
        if kind in topology.biased and params.bias is not None:
            piece = params.bias[taken : taken + count]
            taken += count
            pieces.append(jax.lax.stop_gradient(piece) if kind in topology.untrained else piece)
        else:
            pieces.append(jnp.zeros((count, *weights.shape[2:]), weights.dtype))
    return params._replace(bias=jnp.concatenate(pieces))


def _net_input(
    topology: Topology, rows: MemoryBlockParams, state: MemoryBlockState, x: Array
) -> Array:
    """net_u(t) = sum_i w_ui x_i(t) + sum_v w_uv y_v(t-1) + bias."""
    net = linear(rows.from_inputs, x)
    if rows.from_hidden is not None:
        net = net + linear(rows.from_hidden, _pick(state.activations, topology.recurrent))
    assert rows.bias is not None  # _spread_bias gave every row one
    return net + along_lanes(rows.bias, net)


def _activate(
    topology: Topology, net: Array, state: MemoryBlockState, present: Array | int | None = None
) -> tuple[MemoryBlockState, Gates]:
    """s(t) = s(t-1) y_forget + y_in g(net_c); y_c(t) = y_out h(s(t)). Missing gates are open."""

    def spread(gate: Array) -> Array | float:
        return _to_cells(topology.blocks, gate) if len(gate) else 1.0

    y_in, y_out, y_forget, y_hidden = (
        logistic(net[topology.rows(kind)]) for kind in KINDS if kind != "cell"
    )
    g = squash_to(topology.squash_input)(net[topology.rows("cell")])
    s = state.cell_state * spread(y_forget) + spread(y_in) * g
    y_c = spread(y_out) * squash_to(topology.squash_state)(s)
    if present is not None:
        there = _there(len(topology.blocks), present, y_c.ndim)
        y_in, y_out, y_forget = (
            jnp.where(there, y, 0) if len(y) else y for y in (y_in, y_out, y_forget)
        )
        y_c = jnp.where(_to_cells(topology.blocks, there), y_c, 0)
    activations = jnp.concatenate([y_c, y_in, y_out, y_forget, y_hidden])
    return MemoryBlockState(s, activations), Gates(y_in, y_out, y_forget, g, s, y_c, y_hidden)


def _there(blocks: int, present: Array | int, ndim: int) -> Array:
    """`(blocks, *lanes)` bool, the first `present` of them; with as many axes as asked for."""
    present = jnp.asarray(present)[None]
    every = jnp.arange(blocks, dtype=present.dtype)
    there = every.reshape(-1, *[1] * (present.ndim - 1)) < present
    return there.reshape(there.shape + (1,) * (ndim - there.ndim))


def _carousel_rows(topology: Topology) -> tuple[tuple[int, ...], ...]:
    """The rows whose net inputs feed each cell's state: its own and its gates'."""
    block = np.repeat(np.arange(len(topology.blocks)), topology.blocks)
    gate_kinds: tuple[Kind, ...] = ("input_gate", "forget_gate")
    gates = [topology.rows(kind).start + block for kind in gate_kinds if topology.count(kind)]
    return tuple(tuple(map(int, rows)) for rows in (np.arange(topology.cells), *gates))


def _add_outer(topology, traces: MemoryBlockParams, rows: Array, state, x) -> MemoryBlockParams:
    from_hidden, bias = traces.from_hidden, traces.bias
    assert bias is not None  # _spread_bias gave every row one
    if from_hidden is not None:
        from_hidden = add_outer(from_hidden, rows, _pick(state.activations, topology.recurrent))
    return MemoryBlockParams(add_outer(traces.from_inputs, rows, x), from_hidden, bias + rows)


def _to_cells(blocks: tuple[int, ...], gate: Array) -> Array:
    """One number a block to one number a cell."""
    if len(set(blocks)) == 1:
        return jnp.repeat(gate, blocks[0], axis=0)
    return jnp.repeat(gate, np.array(blocks), axis=0, total_repeat_length=sum(blocks))


def _pick(values: Array, rows: np.ndarray) -> Array:
    """`values[rows]` as slices, which compile to nothing, where a gather would not."""
    if len(rows) == len(values):
        return values
    cuts = np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1)
    return jnp.concatenate([values[c[0] : c[-1] + 1] for c in cuts])
