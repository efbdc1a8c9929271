"""Error flow through memory cells: constant inside, scaled once on entry and once on exit.

An error that enters a cell at its output y_c(t) and leaves it q steps earlier is scaled by

    entry(t) * 1 * exit(t-q),    entry(t) = y_out(t) h'(s(t)),

where exit is y_in g'(net_c) to the weights of the cell and g(net_c) f'(net_in) to those of
its input gate (appendix A.2 of the 1997 paper). A forget gate puts the product of its
activations after t-q up to t in the place of the 1 (tutorial, equations 36 to 46).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from lstm_jax.cells.memory_block import MemoryBlockParams, gates, memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import truncated
from lstm_jax.networks.unroll import initial_state, record, step_by_step, unroll
from lstm_jax.ops.activations import squash_to
from lstm_jax.ops.lanes import lanes_of
from lstm_jax.types import Array, Carousel, Cell, Params, State


class ExitFactors(NamedTuple):
    """What scales an error as it leaves a cell; each `(time, cells)`, 0 for a missing gate.

    Attributes:
      cell: `y_in g'(net_c)`, to the cell's own weights.
      input_gate: `g(net_c) f'(net_in)`, to the weights of its input gate.
      forget_gate: `s(t-1) f'(net_forget)`, to the weights of its forget gate.
    """

    cell: Array
    input_gate: Array
    forget_gate: Array


def carousel_jacobian(
    net: Cell,
    params: Params,
    inputs: Array,
    *,
    state: State = None,
    length: Array | None = None,
) -> Array:
    """ds(T)/ds(0) under the cut: the identity, for every T, in the nets of 1997.

    With forget gates it is diagonal, the product of their activations (`carousel_factor`).

    Args:
      net: any net with a carousel.
      params: its parameters, without lanes.
      inputs: `(time, inputs)` or `(time,)` symbols.
      state: that of step 0; None for the net's start.
      length: T; None for the number of inputs.

    Returns:
      `(components, components)`, [i, j] is ds_i(T)/ds_j(0).

    Example:
      >>> net = memory_block(Topology(inputs=1, blocks=(2,)))
      >>> carousel_jacobian(net, net.init(jax.random.key(0)), jnp.ones((100, 1))).tolist()
      [[1.0, 0.0], [0.0, 1.0]]
    """
    return uncut_jacobian(truncated.cut(net), params, inputs, state=state, length=length)


def uncut_jacobian(
    net: Cell,
    params: Params,
    inputs: Array,
    *,
    state: State = None,
    length: Array | None = None,
) -> Array:
    """ds(T)/ds(0) along every path; arguments and result of `carousel_jacobian`.

    What else the state of step 0 holds, the activations y(0), stays as it is.

    Example:
      >>> net = memory_block(Topology(inputs=1, blocks=(2,)))
      >>> params = net.init(jax.random.key(0))
      >>> bool(jnp.all(uncut_jacobian(net, params, jnp.ones((100, 1))) == jnp.eye(2)))
      False
    """
    carousel = _carousel(net)
    state_0 = initial_state(net, params, lanes_of(inputs)) if state is None else state
    carousel_0, rebuild = carousel.split(state_0)
    s_0, unravel = ravel_pytree(carousel_0)

    def s_at_end(s_0):
        state = unroll(net, params, inputs, rebuild(unravel(s_0)), length)[0]
        return ravel_pytree(carousel.split(state)[0])[0]

    return jax.jacrev(s_at_end)(s_0)


def gradient_by_step(net: Cell, params: Params, inputs: Array) -> Params:
    """dy(T)/dw at the last step T, split into the steps at which w was used.

    As if every step had weights of its own: [k, t] is dy_k(T)/dw(t), the share that an
    error of 1 at y_k(T) leaves at step t. The sum over t is the gradient. Give it
    `truncated.cut(net)` for the shares under the cut.

    Args:
      net: any cell.
      params: its parameters, without lanes.
      inputs: `(time, inputs)` or `(time,)` symbols.

    Returns:
      Shaped like the parameters with `(outputs, time)` in front.

    Example:
      >>> net = memory_block(Topology(inputs=1, blocks=(2,)))
      >>> shares = gradient_by_step(net, net.init(jax.random.key(0)), jnp.ones((5, 1)))
      >>> shares.from_inputs.shape
      (2, 5, 4, 1)
    """

    def last_output(each):
        steps: Any = (each, inputs)
        own = net._replace(step=lambda _, state, at: net.step(at[0], state, at[1]))
        state = initial_state(net, params, lanes_of(inputs))
        return step_by_step(own, None, 1, state, (steps, None))[1][-1]

    each = jax.tree.map(lambda w: jnp.broadcast_to(w, (len(inputs), *w.shape)), params)
    return jax.jacrev(last_output)(each)


def entry_factor(topology: Topology, params: MemoryBlockParams, inputs: Array) -> Array:
    """dy_c(t)/ds(t) = y_out(t) h'(s(t)), which scales an error as it enters a cell.

    Args:
      topology: units and connections of the hidden layer.
      params: of the hidden layer, without lanes.
      inputs: `(time, inputs)` or `(time,)` symbols.

    Returns:
      `(time, cells)`.

    Example:
      >>> topology = Topology(inputs=1, blocks=(2,))
      >>> params = memory_block(topology).init(jax.random.key(0))
      >>> entry_factor(topology, params, jnp.ones((5, 1))).shape
      (5, 2)
    """
    _, seen, _ = _see(topology, params, inputs)
    y_out = _to_cells(topology, seen.output_gate)
    return y_out * _slope(squash_to(topology.squash_state), seen.cell_state)


def exit_factors(topology: Topology, params: MemoryBlockParams, inputs: Array) -> ExitFactors:
    """ds(t)/dnet(t), which scales an error as it leaves a cell; arguments of `entry_factor`.

    Example:
      >>> topology = Topology(inputs=1, blocks=(2,))
      >>> params = memory_block(topology).init(jax.random.key(0))
      >>> exit_factors(topology, params, jnp.ones((5, 1))).input_gate.shape
      (5, 2)
    """
    net_c, seen, s_tm1 = _see(topology, params, inputs)
    y_in = _to_cells(topology, seen.input_gate)
    y_forget = _to_cells(topology, seen.forget_gate)
    return ExitFactors(
        cell=y_in * _slope(squash_to(topology.squash_input), net_c),
        input_gate=seen.cell_input * y_in * (1 - y_in),
        forget_gate=s_tm1 * y_forget * (1 - y_forget),
    )


def carousel_factor(topology: Topology, params: MemoryBlockParams, inputs: Array) -> Array:
    """ds(t)/ds(t-1) under the cut: y_forget(t), or 1 without forget gates; `(time, cells)`.

    Example:
      >>> topology = Topology(inputs=1, blocks=(2,))
      >>> params = memory_block(topology).init(jax.random.key(0))
      >>> carousel_factor(topology, params, jnp.ones((2, 1))).tolist()
      [[1.0, 1.0], [1.0, 1.0]]
    """
    _, seen, _ = _see(topology, params, inputs)
    return _to_cells(topology, seen.forget_gate)


def _see(topology: Topology, params: MemoryBlockParams, inputs: Array):
    """net_c(t), gates and states of step t, and s(t-1), with time in front."""
    cell = memory_block(topology)
    parts = cell.net_inputs
    assert parts is not None

    def probe(params, state, x):
        net = parts.net_input(parts.rows(params), state, x)
        seen = gates(topology, params, state, x)
        return net[topology.rows("cell")], seen, state.cell_state

    return record(cell, params, inputs, probe)


def _carousel(net: Cell) -> Carousel:
    if net.carousel is None:
        raise ValueError("expected a net with a carousel, memory blocks say, got one without")
    return net.carousel


def _to_cells(topology: Topology, gate: Array) -> Array:
    """`(time, blocks)` to `(time, cells)`; a missing gate is always open."""
    if not gate.shape[1]:
        return jnp.ones((len(gate), topology.cells), gate.dtype)
    sizes = np.array(topology.blocks)
    return jnp.repeat(gate, sizes, axis=1, total_repeat_length=topology.cells)


def _slope(function, x: Array) -> Array:
    """f'(x), number by number."""
    return jax.jvp(function, (x,), (jnp.ones_like(x),))[1]
