"""Conventional recurrent nets, which the memory cell is compared with.

  elman                a hidden layer that receives its own last activations (Elman 1990)
  jordan               a whole net that receives its own last outputs (Jordan 1986)
  fully_recurrent      a whole net of units all connected to one another (Williams and Zipser 1989)
  partially_recurrent  the same, of units that hear only those one says

(Understanding LSTM, Section 5.1.) None has a carousel, so that under the 1997 cut no error
flows back in time: the truncated gradient of these nets is one-step training, which is
Elman's own procedure, the context being one more input. `bptt` and `rtrl` follow the
error through time.
"""

from collections.abc import Sequence as SequenceOf
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.ops.activations import Activation, logistic
from lstm_jax.ops.initializers import Number, Numbers, given_or, uniform
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import add_outer, linear
from lstm_jax.ops.sizes import expect_whole
from lstm_jax.types import Array, Cell, InitialState, Key, NetInputs


class RecurrentParams(NamedTuple):
    """Weights of units that receive the inputs and, one step later, themselves.

    Attributes:
      from_inputs: `(units, inputs, *lanes)`.
      from_context: `(units, units, *lanes)`.
      bias: `(units, *lanes)`; None without.
    """

    from_inputs: Array
    from_context: Array
    bias: Array | None


class JordanState(NamedTuple):
    """What the next step of a Jordan net whose context fades receives.

    Attributes:
      context: `(outputs, *lanes)`.
      y: `(outputs, *lanes)`, the last outputs.
    """

    context: Array
    y: Array


class JordanParams(NamedTuple):
    """Weights of a Jordan net.

    Attributes:
      from_inputs: `(hidden, inputs, *lanes)`.
      from_context: `(hidden, outputs, *lanes)`.
      from_hidden: `(outputs, hidden, *lanes)`.
      bias: `(hidden + outputs, *lanes)`; None without.
    """

    from_inputs: Array
    from_context: Array
    from_hidden: Array
    bias: Array | None


class SimpleState(NamedTuple):
    """What the next step receives.

    Attributes:
      context: `(units, *lanes)`, the last activations of all recurrent units; of a Jordan
        net `(outputs, *lanes)`, the last outputs.
    """

    context: Array


def elman(
    inputs: int,
    hidden: int,
    *,
    activation: Activation = logistic,
    bias: bool = True,
    init_scale: Number = 0.1,
    initial_bias: Numbers = None,
) -> Cell:
    """The hidden layer of an Elman net; `networks.readout` puts the output layer on top.

    y(t) = f(W [x(t), y(t-1), 1]), y(0) = 0.

    Decision: Elman's context began at 0.5; here it begins at 0, as all states do.

    Args:
      inputs: number of input units, or of symbols.
      hidden: number of hidden units, each with a context unit of its own.
      activation: f.
      bias: whether hidden units have a bias.
      init_scale: weights are drawn uniformly from `[-init_scale, init_scale]`; may be traced.
      initial_bias: initial biases, a number or one a unit; None to draw them like the
        weights.

    Raises:
      ValueError: a number of units below 1; by `init`, biases of another number.

    Example: the Elman net of Table 1 of 1997.
      >>> from lstm_jax.networks.readout import readout
      >>> net = readout(elman(inputs=7, hidden=15, bias=False), outputs=7, bias=False)
      >>> sum(leaf.size for leaf in jax.tree.leaves(net.init(jax.random.key(0))))
      435
    """
    _expect_units(inputs=inputs, hidden=hidden)
    return fully_recurrent(
        inputs,
        hidden,
        hidden,
        activation=activation,
        bias=bias,
        init_scale=init_scale,
        initial_bias=initial_bias,
    )


def fully_recurrent(
    inputs: int,
    units: int,
    outputs: int,
    *,
    activation: Activation = logistic,
    bias: bool = True,
    init_scale: Number = 0.1,
    initial_bias: Numbers = None,
) -> Cell:
    """A net of units that all hear the inputs and one another; the first are the outputs.

    y(t) = f(W [x(t), y(t-1), 1]), y(0) = 0 (Understanding LSTM, equations 16 and 17).

    Departure: Williams and Zipser let x(t) act on y(t+1); here, as in the tutorial, all
    units hear the inputs of the same step. What hidden units say the outputs hear one step
    later.

    Args:
      inputs: number of input units, or of symbols.
      units: number of all units that are no inputs, output units included.
      outputs: how many of them are outputs.
      activation: f.
      bias: whether units have a bias.
      init_scale: weights are drawn uniformly from `[-init_scale, init_scale]`; may be traced.
      initial_bias: initial biases, a number or one a unit; None to draw them like the
        weights.

    Raises:
      ValueError: a number below 1, more outputs than units; by `init`, biases of another
        number.

    Example: the smaller net that RTRL trains in Table 1 of 1997.
      >>> net = fully_recurrent(inputs=7, units=7 + 3, outputs=7, bias=False)
      >>> sum(leaf.size for leaf in jax.tree.leaves(net.init(jax.random.key(0))))
      170
    """
    _expect_units(inputs=inputs, units=units, outputs=outputs)
    if outputs > units:
        raise ValueError(f"expected units that include the {outputs} outputs, got units={units}")

    def init(key: Key) -> RecurrentParams:
        for_inputs, for_context, for_bias = jax.random.split(key, 3)
        return RecurrentParams(
            uniform(for_inputs, (units, inputs), init_scale),
            uniform(for_context, (units, units), init_scale),
            _draw_bias(for_bias, units, init_scale, bias, initial_bias),
        )

    def step(params: RecurrentParams, state: SimpleState, x: Array) -> tuple[SimpleState, Array]:
        state = activate(_net_input(params, state, x), state)
        return state, read(params, state, x)

    def activate(net: Array, state: SimpleState) -> SimpleState:
        return SimpleState(activation(net))

    def read(params: RecurrentParams, state: SimpleState, x: Array) -> Array:
        return state.context[:outputs]

    net_inputs = NetInputs(
        rows=lambda params: params,
        net_input=_net_input,
        activate=activate,
        add_outer=_add_outer,
        carousel_rows=(),
        constant_error=True,
    )
    return Cell(init, _zeros(units), step, inputs, outputs, net_inputs=net_inputs, read=read)


def partially_recurrent(
    inputs: int,
    units: int,
    outputs: int,
    connections: SequenceOf[SequenceOf[bool]],
    *,
    activation: Activation = logistic,
    bias: bool = True,
    init_scale: Number = 0.1,
    initial_bias: Numbers = None,
) -> Cell:
    """A net of units each of which hears the inputs and some of the units; the first are outputs.

    y_u(t) = f(sum_i w_ui x_i(t) + sum_v c_uv w_uv y_v(t-1) + bias_u), y(0) = 0, where c_uv says
    whether there is a connection (Understanding LSTM, Section 5.1). With self-feedback alone
    (its Figure 7) `connections` is the identity; with all of them the net is `fully_recurrent`.
    Elman's and Jordan's nets are partially recurrent, too, in layers: `elman` under `readout`,
    and `jordan`.

    Args:
      inputs: number of input units, or of symbols.
      units: number of all units that are no inputs, output units included.
      outputs: how many of them are outputs.
      connections: `units` rows of `units` booleans (or 0 and 1); row u says whom unit u hears.
        Weights that are not there are 0 and stay so: nothing depends on them.
      activation, bias, init_scale, initial_bias: as in `fully_recurrent`.

    Raises:
      ValueError: connections of another shape, or neither 0 nor 1; as `fully_recurrent`.

    Example: three units in a chain, each hearing itself and the one before.
      >>> chain = ((1, 0, 0), (1, 1, 0), (0, 1, 1))
      >>> net = partially_recurrent(inputs=2, units=3, outputs=1, connections=chain)
      >>> (net.init(jax.random.key(0)).from_context != 0).astype(int).tolist()
      [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    whole = fully_recurrent(
        inputs, units, outputs, activation=activation, bias=bias, init_scale=init_scale,
        initial_bias=initial_bias,
    )  # fmt: skip
    hears = np.asarray(connections)
    if hears.shape != (units, units):
        raise ValueError(
            f"connections: expected {units} rows of {units}, a row a unit, got shape {hears.shape}"
        )
    if not np.isin(hears, (0, 1)).all():
        raise ValueError(f"connections: expected booleans or 0 and 1, got values of {hears.dtype}")

    def there(params: RecurrentParams) -> RecurrentParams:
        mask = along_lanes(jnp.asarray(hears, bool), params.from_context)
        return params._replace(from_context=jnp.where(mask, params.from_context, 0))

    return whole._replace(
        init=lambda key: there(whole.init(key)),
        step=lambda params, state, x: whole.step(there(params), state, x),
        net_inputs=None,  # whose rows all read the same sources
    )


def jordan(
    inputs: int,
    hidden: int,
    outputs: int,
    *,
    activation: Activation = logistic,
    output_activation: Activation = logistic,
    bias: bool = True,
    init_scale: Number = 0.1,
    initial_bias: Numbers = None,
    context_decay: Number | None = None,
) -> Cell:
    """A net whose hidden layer receives the outputs of one step before: a whole net.

    y_h(t) = f(W [x(t), c(t-1), 1]), y(t) = f_out(V [y_h(t), 1]), c(t) = y(t), c(0) = 0.

    Departure: Jordan's context units also received themselves, so that their memory faded
    over several steps: c(t) = `context_decay` c(t-1) + y(t) (Jordan 1986). Here, as in the
    tutorial, the context is the last output alone unless a decay is given.

    Args:
      inputs: number of input units, or of symbols.
      hidden: number of hidden units.
      outputs: number of output units, each with a context unit of its own.
      activation: f of the hidden units.
      output_activation: f_out.
      bias: whether hidden and output units have a bias.
      init_scale: weights are drawn uniformly from `[-init_scale, init_scale]`; may be traced.
      initial_bias: initial biases, a number or one a unit, hidden units first; None to
        draw them like the weights.
      context_decay: weight of a context unit's connection from itself, fixed, in [0, 1); the
        state is a `JordanState` then. None without such connections.

    Raises:
      ValueError: a number below 1; a decay out of range; by `init`, biases of another number.

    Example:
      >>> net = jordan(inputs=2, hidden=3, outputs=1)
      >>> state, y = net.step(net.init(jax.random.key(0)), net.initial_state(), jnp.ones(2))
      >>> bool(state.context == y)
      True
    """
    _expect_units(inputs=inputs, hidden=hidden, outputs=outputs)
    if context_decay is not None and not 0 <= context_decay < 1:
        raise ValueError(f"context_decay: expected a number in [0, 1), got {context_decay}")

    def init(key: Key) -> JordanParams:
        for_inputs, for_context, for_hidden, for_bias = jax.random.split(key, 4)
        return JordanParams(
            uniform(for_inputs, (hidden, inputs), init_scale),
            uniform(for_context, (hidden, outputs), init_scale),
            uniform(for_hidden, (outputs, hidden), init_scale),
            _draw_bias(for_bias, hidden + outputs, init_scale, bias, initial_bias),
        )

    def step(params: JordanParams, state: SimpleState, x: Array) -> tuple[SimpleState, Array]:
        net = linear(params.from_inputs, x) + linear(params.from_context, state.context)
        of_hidden, of_outputs = (
            (None, None)
            if params.bias is None
            else (
                params.bias[:hidden],
                params.bias[hidden:],
            )
        )
        y_h = activation(_biased(net, of_hidden))
        y = output_activation(_biased(linear(params.from_hidden, y_h), of_outputs))
        return SimpleState(y), y

    def read(params: JordanParams, state: SimpleState, x: Array) -> Array:
        return state.context

    cell = Cell(init, _zeros(outputs), step, inputs, outputs, read=read)
    return cell if context_decay is None else _with_decay(cell, context_decay)


def _with_decay(net: Cell, decay: Number) -> Cell:
    """A Jordan net whose context units receive themselves, too."""

    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> JordanState:
        (context,) = net.initial_state(lanes, dtype)
        return JordanState(context, context)

    def step(params: JordanParams, state: JordanState, x: Array) -> tuple[JordanState, Array]:
        _, y = net.step(params, SimpleState(state.context), x)
        return JordanState(decay * state.context + y, y), y

    return net._replace(
        initial_state=initial_state, step=step, read=lambda params, state, x: state.y
    )


def _expect_units(**numbers: int) -> None:
    expect_whole(**numbers)
    if min(numbers.values()) < 1:
        words = " and ".join(f"{name} >= 1" for name in numbers)
        raise ValueError(f"expected {words}, got {', '.join(map(str, numbers.values()))}")


def _zeros(units: int) -> InitialState:
    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> SimpleState:
        return SimpleState(jnp.zeros((units, *lanes), dtype))

    return initial_state


def _draw_bias(
    key: Key, units: int, scale: Number, bias: bool, initial_bias: Numbers
) -> Array | None:
    """A bias for every unit, given or drawn like the weights; None without."""
    if not bias and initial_bias is not None:
        raise ValueError("initial_bias: expected None of units without bias; write bias=True")
    return given_or(uniform(key, (units,), scale), initial_bias, "initial_bias") if bias else None


def _net_input(rows: RecurrentParams, state: SimpleState, x: Array) -> Array:
    """net_u(t) = sum_i w_ui x_i(t) + sum_v w_uv y_v(t-1) + bias."""
    return _biased(
        linear(rows.from_inputs, x) + linear(rows.from_context, state.context), rows.bias
    )


def _add_outer(
    traces: RecurrentParams, rows: Array, state: SimpleState, x: Array
) -> RecurrentParams:
    return RecurrentParams(
        add_outer(traces.from_inputs, rows, x),
        add_outer(traces.from_context, rows, state.context),
        None if traces.bias is None else traces.bias + rows,
    )


def _biased(net: Array, bias: Array | None) -> Array:
    return net if bias is None else net + along_lanes(bias, net)
