"""The naive approach to constant error flow, and its two conflicts (Section 3.2 of 1997).

A linear unit j with self-weight 1 keeps its error, but has no gates: one weight w_ji has
both to store inputs and to protect what is stored from later ones, one weight w_kj both to
retrieve it and to protect unit k from it. The signals -dE_t/dw that the errors of
single steps send to such a weight disagree.
"""

import jax
import jax.numpy as jnp

from lstm_jax.cells.naive_carousel import NaiveParams, naive_carousel
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.networks.unroll import unroll
from lstm_jax.ops.activations import identity
from lstm_jax.types import Array, Cell, Loss, Params


def update_signals(net: Cell, loss: Loss, params: Params, inputs: Array, targets: Array) -> Params:
    """-dE_t/dw for every t: what the error of each single step asks of each weight.

    Args:
      net: any cell.
      loss: error of one step.
      params: its parameters, without lanes.
      inputs: `(time, inputs)` or `(time,)` symbols.
      targets: `(time, outputs)`.

    Returns:
      Shaped like the parameters with `(time,)` in front; the sum over time is minus the
      gradient.

    Example:
      >>> one = jnp.ones((3, 1))
      >>> params = NaiveParams(jnp.full((1, 1), 0.5))
      >>> signals = update_signals(naive_carousel(1), squared_error, params, one, one)
      >>> signals.from_inputs.ravel().tolist()
      [0.5, 0.0, -1.5]
    """

    def errors(params):
        _, outputs = unroll(net, params, inputs)
        return loss(jnp.moveaxis(outputs, 1, 0), jnp.moveaxis(targets, 1, 0))

    return jax.tree.map(jnp.negative, jax.jacrev(errors)(params))


def conflict(signals: Params) -> Params:
    """`1 - |sum_t signal| / sum_t |signal|`: 0 if all signals agree, 1 if they cancel.

    Args:
      signals: arrays with time in front, from `update_signals` say.

    Returns:
      The same without the time axis; 0 for a weight that gets no signal.

    Example:
      >>> conflict(jnp.array([[1.0, 1.0, 0.0], [-1.0, 3.0, 0.0]])).tolist()
      [1.0, 0.0, 0.0]
    """

    def cancelled(signal: Array) -> Array:
        strength = jnp.abs(signal).sum(axis=0)
        lost = strength - jnp.abs(signal.sum(axis=0))
        return lost / jnp.where(strength > 0, strength, 1)

    return jax.tree.map(cancelled, signals)


def input_weight_signals(weight: float, inputs: Array, wanted: Array) -> Array:
    """What each step asks of w_ji when unit j is to have certain activations.

    -dE_t/dw = (d(t) - w X(t)) X(t) with X(t) = sum_{tau <= t} x(tau).

    Args:
      weight: w_ji.
      inputs: `(time,)` x(t), activations of unit i.
      wanted: `(time,)` d(t), what the activation of unit j should be.

    Returns:
      `(time,)`, positive where the weight should grow.

    Example: switch on at the first input, let the second pass, although it is the same.
      >>> input_weight_signals(0.75, jnp.ones(2), jnp.ones(2)).tolist()
      [0.25, -1.0]
    """
    params = NaiveParams(jnp.full((1, 1), weight))
    signals = update_signals(
        naive_carousel(1), squared_error, params, inputs[:, None], wanted[:, None]
    )
    return signals.from_inputs[:, 0, 0]


def output_weight_signals(weight: float, content: float, wanted: Array) -> Array:
    """What each step asks of w_kj while unit j holds its content.

    -dE_t/dw = (d(t) - w y_j) y_j, for a linear unit k that reads j alone.

    Args:
      weight: w_kj.
      content: y_j, stored at the first step.
      wanted: `(time,)` d(t), what the activation of unit k should be.

    Returns:
      `(time,)`, positive where the weight should grow.

    Example: retrieve at the last step, do not disturb before.
      >>> output_weight_signals(0.5, 1.0, jnp.array([0.0, 0.0, 1.0])).tolist()
      [-0.5, -0.5, 0.5]
    """
    net = readout(naive_carousel(1), 1, activation=identity, bias=False)
    params = net.init(jax.random.key(0))._replace(
        cell=NaiveParams(jnp.ones((1, 1))), from_cell=jnp.full((1, 1), weight)
    )
    inputs = jnp.zeros((len(wanted), 1)).at[0].set(content)
    signals = update_signals(net, squared_error, params, inputs, wanted[:, None])
    return signals.from_cell[:, 0, 0]
