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

from lstm_jax.activations import logistic, squash_to
from lstm_jax.topology import KINDS, Kind, Topology
from lstm_jax.types import Array, Cell, Key, NetInputs
from lstm_jax.weigh import add_outer, weigh


class Initial(NamedTuple):
    """Where weights and biases begin.

    Attributes:
      weights: weights are drawn uniformly from `[-weights, weights]`.
      recurrent: the same for the weights between hidden units; None for `weights`.
      cell, input_gate, output_gate, forget_gate, hidden: initial biases, a number or
        one a unit; None to draw them like the weights.

    Every number may be traced, so that trials in lanes can each have their own.
    """

    weights: float | Array = 0.1
    recurrent: float | Array | None = None
    cell: Array | float | tuple[float, ...] | None = None
    input_gate: Array | float | tuple[float, ...] | None = None
    output_gate: Array | float | tuple[float, ...] | None = None
    forget_gate: Array | float | tuple[float, ...] | None = None
    hidden: Array | float | tuple[float, ...] | None = None


class MemoryBlockParams(NamedTuple):
    """Weights of the hidden layer; rows are cells, input, output, forget gates, hidden units.

    Attributes:
      from_inputs: `(units, inputs, *lanes)`.
      from_hidden: `(units, recurrent sources, *lanes)`.
      bias: `(biased units, *lanes)`.
    """

    from_inputs: Array
    from_hidden: Array
    bias: Array


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
    topology: Topology, initial: Initial = Initial(), present: Array | int | None = None
) -> Cell:
    """The hidden layer of the 1997 net as a cell; its outputs are cells, then hidden units.

    One step is net inputs, then `fire`: equations 8 to 13 of the paper in the order
    of its experiments (inputs, then hidden units from the current inputs and the last
    activations, then outputs from the current cells).

    Args:
      topology: units and connections.
      initial: initial ranges and biases.
      present: how many of the blocks are there, a number or `(*lanes)`; None for all.
        The others are silent and do not learn, so that a net can grow while its shapes
        stay (sequential construction, Section 4 of the paper).

    Example:
      >>> cell = memory_block(Topology(inputs=3, blocks=(2, 2)))
      >>> params = cell.init(jax.random.key(0))
      >>> state, y = cell.step(params, cell.start(), jnp.ones(3))
      >>> y.shape, state.activations.shape
      ((4,), (8,))
    """

    def start(lanes: tuple[int, ...] = (), dtype=None) -> MemoryBlockState:
        return MemoryBlockState(
            jnp.zeros((topology.cells, *lanes), dtype),
            jnp.zeros((topology.units, *lanes), dtype),
        )

    def step(params, state, x):
        parts = net_inputs
        state = parts.fire(parts.combine(parts.weights(params), state, x), state)
        return state, _pick(state.activations, topology.outward)

    net_inputs = NetInputs(
        weights=lambda params: _spread_bias(topology, params),
        combine=lambda weights, state, x: _net(topology, weights, state, x),
        fire=lambda net, state: _fire(topology, net, state, present)[0],
        feeds=_feeds(topology),
        accumulate=lambda traces, rows, state, x: _accumulate(topology, traces, rows, state, x),
        constant=not topology.forget_gates,
    )
    return Cell(
        init=lambda key: _draw(topology, initial, key),
        start=start,
        step=step,
        carousel=("cell_state",),
        inputs=topology.inputs,
        outputs=len(topology.outward),
        net_inputs=net_inputs,
    )


def gates(
    topology: Topology, params: MemoryBlockParams, state: MemoryBlockState, x: Array
) -> Gates:
    """Gates, squashed inputs and states of the step that `x` would make from `state`.

    Give it to `wiring.watch` to see them over a whole sequence.
    """
    net = _net(topology, _spread_bias(topology, params), state, x)
    return _fire(topology, net, state)[1]


def _draw(topology: Topology, initial: Initial, key: Key) -> MemoryBlockParams:
    """Uniform weights; a bias is given or drawn like the weights."""
    for_inputs, for_hidden, for_bias = jax.random.split(key, 3)

    def uniform(key, columns, limit):
        shape = (topology.units, columns)
        return limit * jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)

    recurrent = initial.weights if initial.recurrent is None else initial.recurrent
    drawn = uniform(for_bias, 1, initial.weights)[:, 0]
    bias = [
        _initial_bias(topology, initial, kind, drawn) for kind in KINDS if kind in topology.biased
    ]
    return MemoryBlockParams(
        uniform(for_inputs, topology.inputs, initial.weights),
        uniform(for_hidden, len(topology.recurrent), recurrent),
        jnp.concatenate([*bias, drawn[:0]]),
    )


def _initial_bias(topology: Topology, initial: Initial, kind: Kind, drawn: Array) -> Array:
    given = getattr(initial, kind)
    if given is None:
        return drawn[topology.rows(kind)]
    given = jnp.asarray(given, drawn.dtype)
    count = topology.count(kind)
    if given.shape not in ((), (count,)):
        raise ValueError(
            f"initial {kind} biases: expected a number or {count} numbers, "
            f"got an array of shape {given.shape}"
        )
    return jnp.broadcast_to(given, (count,))


def _spread_bias(topology: Topology, params: MemoryBlockParams) -> MemoryBlockParams:
    """The bias as one number a row: 0 for units without, constant for units not trained."""
    taken, pieces = 0, []
    for kind in KINDS:
        count = topology.count(kind)
        if kind in topology.biased:
            piece = params.bias[taken : taken + count]
            taken += count
            pieces.append(jax.lax.stop_gradient(piece) if kind in topology.untrained else piece)
        else:
            pieces.append(jnp.zeros((count, *params.bias.shape[1:]), params.bias.dtype))
    return params._replace(bias=jnp.concatenate(pieces))


def _net(
    topology: Topology, weights: MemoryBlockParams, state: MemoryBlockState, x: Array
) -> Array:
    """net_u(t) = sum_i w_ui x_i(t) + sum_v w_uv y_v(t-1) + bias."""
    net = weigh(weights.from_inputs, x)
    if len(topology.recurrent):
        y_tm1 = _pick(state.activations, topology.recurrent)
        net = net + weigh(weights.from_hidden, y_tm1)
    bias = weights.bias
    return net + bias.reshape(bias.shape + (1,) * (net.ndim - bias.ndim))


def _fire(
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
    there = jnp.arange(blocks).reshape(-1, *[1] * (present.ndim - 1)) < present
    return there.reshape(there.shape + (1,) * (ndim - there.ndim))


def _feeds(topology: Topology) -> np.ndarray:
    """The rows whose net inputs feed each cell's state: its own and its gates'."""
    block = np.repeat(np.arange(len(topology.blocks)), topology.blocks)
    own = np.arange(topology.cells)
    gate_kinds: tuple[Kind, ...] = ("input_gate", "forget_gate")
    fed = [topology.rows(k).start + block for k in gate_kinds if topology.count(k)]
    return np.stack([own, *fed])


def _accumulate(topology, traces: MemoryBlockParams, rows: Array, state, x) -> MemoryBlockParams:
    from_hidden = traces.from_hidden
    if len(topology.recurrent):
        from_hidden = add_outer(from_hidden, rows, _pick(state.activations, topology.recurrent))
    return MemoryBlockParams(
        add_outer(traces.from_inputs, rows, x), from_hidden, traces.bias + rows
    )


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
