"""The naive carousel: a linear unit with self-weight 1 and no gates (Section 3.2 of 1997)."""

from typing import NamedTuple

import jax.numpy as jnp

from lstm_jax.ops.initializers import Number, uniform
from lstm_jax.ops.linear import linear
from lstm_jax.types import Array, Carousel, Cell, Key


class NaiveParams(NamedTuple):
    """Weights w_ji, `(units, inputs, *lanes)`."""

    from_inputs: Array


class NaiveState(NamedTuple):
    """Activations of the linear units, `(units, *lanes)`."""

    cell_state: Array


def naive_carousel(inputs: int, units: int = 1, *, init_scale: Number = 0.1) -> Cell:
    """Linear units with self-weight 1 and nothing else: y_j(t) = y_j(t-1) + sum_i w_ji x_i(t).

    Args:
      inputs: number of input units, or of symbols.
      units: number of carousels.
      init_scale: weights are drawn uniformly from `[-init_scale, init_scale]`.

    Example:
      >>> from lstm_jax.networks.unroll import unroll
      >>> net = naive_carousel(inputs=1)
      >>> unroll(net, NaiveParams(jnp.ones((1, 1))), jnp.ones((3, 1)))[1].ravel().tolist()
      [1.0, 2.0, 3.0]
    """

    def init(key: Key) -> NaiveParams:
        return NaiveParams(uniform(key, (units, inputs), init_scale))

    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> NaiveState:
        return NaiveState(jnp.zeros((units, *lanes), dtype))

    def step(params: NaiveParams, state: NaiveState, x: Array) -> tuple[NaiveState, Array]:
        y = state.cell_state + linear(params.from_inputs, x)
        return NaiveState(y), y

    def read(params: NaiveParams, state: NaiveState, x: Array) -> Array:
        return state.cell_state

    carousel = Carousel.of_fields("cell_state", diagonal=True)
    return Cell(init, initial_state, step, inputs, units, carousel, read=read)
