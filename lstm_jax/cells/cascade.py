"""The cascade of 1991: hidden units added one after another, each hearing itself.

Fahlman, The recurrent cascade-correlation architecture, NIPS 3, 1991.
How it grows and learns is `lstm_jax.methods.cascade_correlation`.
"""

from typing import NamedTuple

import jax.numpy as jnp

from lstm_jax.ops.activations import between
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import linear
from lstm_jax.types import Array, Cell

squash = between(-0.5, 0.5)  # odd: a unit whose weights are all 0 is 0


class CascadeParams(NamedTuple):
    """Weights of units that receive the inputs, other units, and themselves a step ago.

    A unit that is not there has weights of 0. Its activation is 0 then, for f(0) = 0.

    Attributes:
      from_inputs: `(units, inputs, *lanes)`.
      from_units: `(units, older units, *lanes)`; in a cascade only what lies below the
        diagonal counts.
      from_itself: `(units, *lanes)`, the self-recurrent weight.
      bias: `(units, *lanes)`.
    """

    from_inputs: Array
    from_units: Array
    from_itself: Array
    bias: Array


class CascadeState(NamedTuple):
    """What the next step needs: `activations` `(units, *lanes)`."""

    activations: Array


def cascade(inputs: int, units: int) -> Cell:
    """Hidden units in a row, as a cell whose outputs are their activations.

    v_u(t) = f(sum_i w_ui x_i(t) + sum_{o<u} w_uo v_o(t) + w_uu v_u(t-1) + b_u),
    f the logistic in [-1/2, 1/2]. Older units are received at the same step; there is no
    other recurrence than that of a unit with itself.

    Args:
      inputs: number of input units, or of symbols.
      units: the most hidden units there can be; `init` makes a net without any.

    Raises:
      ValueError: fewer than one input or unit.

    Example: one unit, which begins to waver.
      >>> from lstm_jax.networks.unroll import unroll
      >>> cell = cascade(inputs=1, units=2)
      >>> params = cell.init(None)._replace(from_itself=jnp.array([-8.0, 0.0]))
      >>> params = params._replace(from_inputs=jnp.array([[1.0], [0.0]]))
      >>> unroll(cell, params, jnp.array([[1.0], [0.0], [0.0]]))[1].tolist()
      [[0.23, 0.0], [-0.36, 0.0], [0.45, 0.0]]
    """
    if inputs < 1 or units < 1:
        raise ValueError(f"expected inputs >= 1 and units >= 1, got {inputs} and {units}")

    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> CascadeState:
        return CascadeState(jnp.zeros((units, *lanes), dtype))

    def step(params: CascadeParams, state: CascadeState, x: Array):
        net = linear(params.from_inputs, x)
        net = (
            net
            + along_lanes(params.bias, net)
            + along_lanes(params.from_itself, net) * state.activations
        )
        y = []
        for u in range(units):
            y.append(squash(net[u]))
            # younger units receive it at the same step
            net = net + along_lanes(params.from_units[:, u], net) * y[u][None]
        return CascadeState(jnp.stack(y)), jnp.stack(y)

    return Cell(
        init=lambda key: no_units(inputs, units),
        initial_state=initial_state,
        step=step,
        inputs=inputs,
        outputs=units,
        read=lambda params, state, x: state.activations,
    )


def no_units(inputs: int, units: int) -> CascadeParams:
    """Weights of units that are not there."""
    return CascadeParams(
        from_inputs=jnp.zeros((units, inputs)),
        from_units=jnp.zeros((units, units)),
        from_itself=jnp.zeros(units),
        bias=jnp.zeros(units),
    )


def self_recurrent_units(units: int) -> Cell:
    """Units that hear nothing but themselves: v(t) = f(net(t) + w v(t-1)).

    The inputs `(units, *lanes)` are the net inputs from elsewhere, the parameters are the
    weights w, `(units, *lanes)`.

    Example: candidates for a cascade, each with what it receives from outside.
      >>> cell = self_recurrent_units(2)
      >>> state, y = cell.step(jnp.array([0.0, 8.0]), cell.initial_state(), jnp.array([1.0, 1.0]))
      >>> cell.step(jnp.array([0.0, 8.0]), state, jnp.array([1.0, 1.0]))[1].tolist()
      [0.23, 0.45]
    """

    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> CascadeState:
        return CascadeState(jnp.zeros((units, *lanes), dtype))

    def step(params: Array, state: CascadeState, x: Array):
        y = squash(x + along_lanes(params, x) * state.activations)
        return CascadeState(y), y

    return Cell(lambda key: jnp.zeros(units), initial_state, step, inputs=units, outputs=units)
