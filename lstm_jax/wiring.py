"""Cells put together and run through time: the only place that scans over time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.activations import Activation, logistic
from lstm_jax.types import Array, Cell, Key, Params, Sequence, State
from lstm_jax.weigh import is_symbol, weigh


class Readout(NamedTuple):
    """Parameters of a cell with an output layer.

    Attributes:
      cell: the cell's own.
      from_cell: `(outputs, cell outputs, *lanes)`.
      from_inputs: `(outputs, inputs, *lanes)`; no columns without direct connections.
      bias: `(outputs, *lanes)`; empty without.
    """

    cell: Params
    from_cell: Array
    from_inputs: Array
    bias: Array


def readout(
    cell: Cell,
    outputs: int,
    *,
    activation: Activation = logistic,
    bias: bool = True,
    bias_trained: bool = True,
    direct: bool = False,
    weights: float | Array = 0.1,
    initial_bias: float | Array | None = None,
) -> Cell:
    """A cell with an output layer on top: again a cell.

    y_k(t) = f_k(W_k [y_cell(t), x(t) if direct, 1]), from the *current* cell outputs.

    Args:
      cell: what the output units read; of a memory block they never read gates.
      outputs: number of output units.
      activation: f_k.
      bias: whether output units have a bias.
      bias_trained: whether that bias learns, or stays as it was initialised.
      direct: whether the input units feed the output units too.
      weights: weights are drawn uniformly from `[-weights, weights]`.
      initial_bias: initial output biases, a number or one an output; None to draw them.

    Example:
      >>> from lstm_jax.cells.memory_block import memory_block
      >>> from lstm_jax.topology import Topology
      >>> net = readout(memory_block(Topology(inputs=2, blocks=(2, 2))), outputs=1)
      >>> sum(leaf.size for leaf in jax.tree.leaves(net.init(jax.random.key(0))))
      93
    """
    if outputs < 1:
        raise ValueError(f"expected outputs >= 1, got {outputs}")

    def init(key: Key) -> Readout:
        for_cell, for_weights, for_inputs, for_bias = jax.random.split(key, 4)

        def uniform(key, *shape):
            return weights * jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)

        drawn = uniform(for_bias, outputs if bias else 0)
        given = drawn if initial_bias is None else jnp.asarray(initial_bias, drawn.dtype)
        return Readout(
            cell.init(for_cell),
            uniform(for_weights, outputs, cell.outputs),
            uniform(for_inputs, outputs, cell.inputs if direct else 0),
            jnp.broadcast_to(given, drawn.shape) if bias else drawn,
        )

    def step(params: Readout, state: State, x: Array) -> tuple[State, Array]:
        state, y = cell.step(params.cell, state, x)
        net = weigh(params.from_cell, y)
        if direct:
            net = net + weigh(params.from_inputs, x)
        if bias:
            b = params.bias if bias_trained else lax.stop_gradient(params.bias)
            net = net + b.reshape(b.shape + (1,) * (net.ndim - b.ndim))
        return state, activation(net)

    parts = cell.net_inputs
    if parts is not None:
        inner = parts.weights
        parts = parts._replace(weights=lambda params: inner(params.cell))
    return cell._replace(init=init, step=step, outputs=outputs, net_inputs=parts)


def lanes_of(inputs: Array) -> tuple[int, ...]:
    """The lanes of a sequence's inputs: `(time, units, *lanes)` or `(time, *lanes)` symbols."""
    return inputs.shape[1:] if is_symbol(inputs) else inputs.shape[2:]


def start(cell: Cell, params: Params, inputs: Array) -> State:
    """The state before the first step, in the lanes of the inputs and the params' dtype."""
    dtype = jnp.result_type(*jax.tree.leaves(params))
    return cell.start(lanes_of(inputs), dtype)


def unroll(
    cell: Cell, params: Params, inputs: Array, state: State = None, length: Array | None = None
) -> tuple[State, Array]:
    """Run a cell over a sequence.

    Args:
      cell: any cell.
      params: its parameters, shared by all lanes or one set a lane.
      inputs: `(time, inputs, *lanes)`, or `(time, *lanes)` symbols.
      state: where to begin; None for the cell's start. Give back the state that an
        earlier call returned to go on with the same sequence.
      length: `(*lanes)` living steps, padding on the right. None if all steps live.

    Returns:
      The state after the last living step, and outputs `(time, outputs, *lanes)`, zero
      from `length` on. A sequence of length 0 returns the state it began with.
    """
    state = start(cell, params, inputs) if state is None else state

    def body(carry, x):
        t, state_tm1 = carry
        state_t, y = cell.step(params, state_tm1, x)
        if length is not None:
            state_t = freeze(t < length, state_t, state_tm1)
            y = jnp.where(t < length, y, 0)
        return (t + 1, state_t), y

    (_, state), outputs = lax.scan(body, (0, state), inputs)
    return state, outputs


def watch(
    cell: Cell, params: Params, inputs: Array, look: Callable[[Params, State, Array], Any]
) -> Any:
    """What `look(params, state_tm1, x)` sees at every step, stacked along time.

    Example:
      >>> from functools import partial
      >>> from lstm_jax.cells.memory_block import gates, memory_block
      >>> from lstm_jax.topology import Topology
      >>> cell = memory_block(topology := Topology(inputs=1, blocks=(1,)))
      >>> params = cell.init(jax.random.key(0))
      >>> watch(cell, params, jnp.ones((5, 1)), partial(gates, topology)).input_gate.shape
      (5, 1)
    """

    def body(state, x):
        return cell.step(params, state, x)[0], look(params, state, x)

    return lax.scan(body, start(cell, params, inputs), inputs)[1]


def fold(body: Callable[[Any, Any, Array], Any], carry: Any, inputs: Any, steps: Array) -> Any:
    """The loop that keeps nothing: `carry = body(carry, x_t, alive)` for t below `steps`.

    It runs as long as the longest lane, not to the end of the padding.

    Args:
      body: gets the carry, the inputs of one step, and `(*lanes)` bool, whether the
        step lies below the lane's number of steps; it must leave other lanes alone.
      carry: where to begin.
      inputs: arrays with time in front.
      steps: `(*lanes)` number of steps.
    """

    def at(t, carry):
        x = jax.tree.map(lambda a: lax.dynamic_index_in_dim(a, t, keepdims=False), inputs)
        return body(carry, x, t < steps)

    return lax.fori_loop(0, jnp.max(steps), at, carry)


def freeze(alive: Array | bool, new: Any, old: Any) -> Any:
    """`new` where a lane is alive, `old` where it is not; leaf by leaf."""
    return jax.tree.map(lambda n, o: jnp.where(alive, n, o), new, old)


def at_step(values: Array, t: Array) -> Array:
    """`values[t]` lane by lane: `(time, ..., *lanes)` and `(*lanes)` to `(..., *lanes)`."""
    where = t.reshape((1,) * (values.ndim - t.ndim) + t.shape)
    return jnp.take_along_axis(values, where, axis=0, mode="clip")[0]


def at_targets(outputs: Array, sequence: Sequence) -> Array:
    """Outputs beside the targets: all of them, or those of the last living step."""
    if len(sequence.targets) == len(outputs):
        return outputs
    return at_step(outputs, sequence.length - 1)[None]
