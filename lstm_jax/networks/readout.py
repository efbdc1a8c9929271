"""An output layer on top of a cell."""

from collections.abc import Callable
from typing import NamedTuple

import jax
from jax import lax

from lstm_jax.ops.activations import Activation, logistic
from lstm_jax.ops.initializers import Number, Numbers, given_or, uniform
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import linear
from lstm_jax.ops.sizes import expect_whole
from lstm_jax.types import Array, Cell, Key, Params, State, StepByNet


class Readout(NamedTuple):
    """Parameters of a cell with an output layer.

    Attributes:
      cell: the cell's own.
      from_cell: `(outputs, cell outputs, *lanes)`.
      from_inputs: `(outputs, inputs, *lanes)`; None without direct connections.
      bias: `(outputs, *lanes)`; None without.
    """

    cell: Params
    from_cell: Array
    from_inputs: Array | None
    bias: Array | None


def readout(
    cell: Cell,
    outputs: int,
    *,
    activation: Activation = logistic,
    bias: bool = True,
    bias_trained: bool = True,
    direct: bool = False,
    init_scale: Number = 0.1,
    initial_bias: Numbers = None,
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
      init_scale: weights are drawn uniformly from `[-init_scale, init_scale]`.
      initial_bias: initial output biases, a number or one an output; None to draw them.

    Raises:
      ValueError: no outputs; biases given for none, or of another number.

    Example:
      >>> from lstm_jax.cells.memory_block import memory_block
      >>> from lstm_jax.cells.topology import Topology
      >>> net = readout(memory_block(Topology(inputs=2, blocks=(2, 2))), outputs=1)
      >>> sum(leaf.size for leaf in jax.tree.leaves(net.init(jax.random.key(0))))
      93
    """
    expect_whole(outputs=outputs)
    if outputs < 1:
        raise ValueError(f"expected outputs >= 1, got {outputs}")
    if initial_bias is not None and not bias:
        raise ValueError(
            "initial_bias: expected None of output units without bias; write bias=True"
        )

    def init(key: Key) -> Readout:
        for_cell, for_weights, for_inputs, for_bias = jax.random.split(key, 4)
        drawn = uniform(for_bias, (outputs,), init_scale) if bias else None
        return Readout(
            cell.init(for_cell),
            uniform(for_weights, (outputs, cell.outputs), init_scale),
            uniform(for_inputs, (outputs, cell.inputs), init_scale) if direct else None,
            None if drawn is None else given_or(drawn, initial_bias, "initial_bias"),
        )

    def output(params: Readout, y: Array, x: Array) -> Array:
        net = linear(params.from_cell, y)
        if params.from_inputs is not None:
            net = net + linear(params.from_inputs, x)
        if params.bias is not None:
            b = params.bias if bias_trained else lax.stop_gradient(params.bias)
            net = net + along_lanes(b, net)
        return activation(net)

    def step(params: Readout, state: State, x: Array) -> tuple[State, Array]:
        state, y = cell.step(params.cell, state, x)
        return state, output(params, y, x)

    def after(read: Callable[..., Array]) -> Callable[..., Array]:
        """The outputs from the state, by the cell's own from the state."""
        return lambda params, state, x: output(params, read(params.cell, state, x), x)

    parts, inner = cell.net_inputs, cell.step
    if isinstance(inner, StepByNet):
        net, prepared = inner.net, inner.prepared
        step = StepByNet(
            lambda params, state, x: net(params.cell, state, x),
            inner.activate,
            after(inner.read),
            prepared and (lambda params: prepared(params.cell)),
        )
    if parts is not None:
        rows = parts.rows
        parts = parts._replace(rows=lambda params: rows(params.cell))
    return cell._replace(
        init=init,
        step=step,
        outputs=outputs,
        net_inputs=parts,
        read=cell.read and after(cell.read),
    )
