"""Conventional recurrent nets, which the memory cell is compared with.

  elman            a hidden layer that hears its own last activations (Elman 1990)
  jordan           a whole net that hears its own last outputs (Jordan 1986)
  fully_recurrent  a whole net of units that all hear one another (Williams and Zipser 1989)

(Understanding LSTM, Section 5.1.) None has a carousel, so that under the 1997 cut no error
flows back in time: `truncated.definition` of these nets is one-step training, which is
Elman's own procedure, the context being one more input. `bptt` and `rtrl` follow the
error through time.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.activations import Activation, logistic
from lstm_jax.types import Array, Cell, Key, NetInputs, State
from lstm_jax.weigh import add_outer, weigh


class RecurrentParams(NamedTuple):
    """Weights of units that hear the inputs and, one step later, themselves.

    Attributes:
      from_inputs: `(units, inputs, *lanes)`.
      from_context: `(units, units, *lanes)`.
      bias: `(units, *lanes)`; empty without.
    """

    from_inputs: Array
    from_context: Array
    bias: Array


class JordanParams(NamedTuple):
    """Weights of a Jordan net.

    Attributes:
      from_inputs: `(hidden, inputs, *lanes)`.
      from_context: `(hidden, outputs, *lanes)`.
      from_hidden: `(outputs, hidden, *lanes)`.
      bias: `(hidden + outputs, *lanes)`; empty without.
    """

    from_inputs: Array
    from_context: Array
    from_hidden: Array
    bias: Array


class SimpleState(NamedTuple):
    """What the next step hears.

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
    weights: float | Array = 0.1,
    initial_bias: float | Array | None = None,
) -> Cell:
    """The hidden layer of an Elman net; `wiring.readout` puts the output layer on top.

    y(t) = f(W [x(t), y(t-1), 1]), y(0) = 0.

    Decision: Elman's context began at 0.5; here it begins at 0, as all states do.

    Args:
      inputs: number of input units, or of symbols.
      hidden: number of hidden units, each with a context unit of its own.
      activation: f.
      bias: whether hidden units have a bias.
      weights: weights are drawn uniformly from `[-weights, weights]`; may be traced.
      initial_bias: initial biases, a number or one a unit; None to draw them like the
        weights.

    Raises:
      ValueError: a number of units below 1; by `init`, biases of another number.

    Example: the Elman net of Table 1 of 1997.
      >>> from lstm_jax.wiring import readout
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
        weights=weights,
        initial_bias=initial_bias,
    )


def fully_recurrent(
    inputs: int,
    units: int,
    outputs: int,
    *,
    activation: Activation = logistic,
    bias: bool = True,
    weights: float | Array = 0.1,
    initial_bias: float | Array | None = None,
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
      weights: weights are drawn uniformly from `[-weights, weights]`; may be traced.
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
            _uniform(for_inputs, weights, units, inputs),
            _uniform(for_context, weights, units, units),
            _draw_bias(for_bias, weights, units, bias, initial_bias),
        )

    def step(params: RecurrentParams, state: SimpleState, x: Array) -> tuple[SimpleState, Array]:
        state = fire(_net(spread(params), state, x), state)
        return state, state.context[:outputs]

    def spread(params: RecurrentParams) -> RecurrentParams:
        if bias:
            return params
        none = jnp.zeros((units, *params.bias.shape[1:]), params.bias.dtype)
        return params._replace(bias=none)

    def fire(net: Array, state: SimpleState) -> SimpleState:
        return SimpleState(activation(net))

    net_inputs = NetInputs(
        weights=spread,
        combine=_net,
        fire=fire,
        feeds=np.zeros((0, 0), int),
        accumulate=_accumulate,
        constant=True,
    )
    return Cell(init, _silence(units), step, (), inputs, outputs, net_inputs)


def jordan(
    inputs: int,
    hidden: int,
    outputs: int,
    *,
    activation: Activation = logistic,
    output_activation: Activation = logistic,
    bias: bool = True,
    weights: float | Array = 0.1,
    initial_bias: float | Array | None = None,
) -> Cell:
    """A net whose hidden layer hears the outputs of one step before: a whole net.

    y_h(t) = f(W [x(t), y(t-1), 1]), y(t) = f_out(V [y_h(t), 1]), y(0) = 0.

    Departure: Jordan's context units also heard themselves, so that their memory faded
    over several steps; here, as in the tutorial, the context is the last output alone.

    Args:
      inputs: number of input units, or of symbols.
      hidden: number of hidden units.
      outputs: number of output units, each with a context unit of its own.
      activation: f of the hidden units.
      output_activation: f_out.
      bias: whether hidden and output units have a bias.
      weights: weights are drawn uniformly from `[-weights, weights]`; may be traced.
      initial_bias: initial biases, a number or one a unit, hidden units first; None to
        draw them like the weights.

    Raises:
      ValueError: a number below 1; by `init`, biases of another number.

    Example:
      >>> net = jordan(inputs=2, hidden=3, outputs=1)
      >>> state, y = net.step(net.init(jax.random.key(0)), net.start(), jnp.ones(2))
      >>> bool(state.context == y)
      True
    """
    _expect_units(inputs=inputs, hidden=hidden, outputs=outputs)

    def init(key: Key) -> JordanParams:
        for_inputs, for_context, for_hidden, for_bias = jax.random.split(key, 4)
        return JordanParams(
            _uniform(for_inputs, weights, hidden, inputs),
            _uniform(for_context, weights, hidden, outputs),
            _uniform(for_hidden, weights, outputs, hidden),
            _draw_bias(for_bias, weights, hidden + outputs, bias, initial_bias),
        )

    def step(params: JordanParams, state: SimpleState, x: Array) -> tuple[SimpleState, Array]:
        net = weigh(params.from_inputs, x) + weigh(params.from_context, state.context)
        y_h = activation(_biased(net, params.bias[:hidden]) if bias else net)
        net = weigh(params.from_hidden, y_h)
        y = output_activation(_biased(net, params.bias[hidden:]) if bias else net)
        return SimpleState(y), y

    return Cell(init, _silence(outputs), step, (), inputs, outputs)


def _expect_units(**numbers: int) -> None:
    if min(numbers.values()) < 1:
        words = " and ".join(f"{name} >= 1" for name in numbers)
        raise ValueError(f"expected {words}, got {', '.join(map(str, numbers.values()))}")


def _silence(units: int) -> Callable[..., State]:
    def start(lanes: tuple[int, ...] = (), dtype=None) -> SimpleState:
        return SimpleState(jnp.zeros((units, *lanes), dtype))

    return start


def _uniform(key: Key, limit: float | Array, *shape: int) -> Array:
    return limit * jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)


def _draw_bias(key: Key, limit, units: int, bias: bool, initial_bias) -> Array:
    """A bias for every unit, given or drawn like the weights; none at all without."""
    drawn = _uniform(key, limit, units if bias else 0)
    if initial_bias is None or not bias:
        return drawn
    given = jnp.asarray(initial_bias, drawn.dtype)
    if given.shape not in ((), (units,)):
        raise ValueError(
            f"initial_bias: expected a number or {units} numbers, "
            f"got an array of shape {given.shape}"
        )
    return jnp.broadcast_to(given, drawn.shape)


def _net(weights: RecurrentParams, state: SimpleState, x: Array) -> Array:
    """net_u(t) = sum_i w_ui x_i(t) + sum_v w_uv y_v(t-1) + bias."""
    net = weigh(weights.from_inputs, x) + weigh(weights.from_context, state.context)
    return _biased(net, weights.bias)


def _accumulate(
    traces: RecurrentParams, rows: Array, state: SimpleState, x: Array
) -> RecurrentParams:
    return RecurrentParams(
        add_outer(traces.from_inputs, rows, x),
        add_outer(traces.from_context, rows, state.context),
        traces.bias + rows,
    )


def _biased(net: Array, bias: Array) -> Array:
    return net + bias.reshape(bias.shape + (1,) * (net.ndim - bias.ndim))
