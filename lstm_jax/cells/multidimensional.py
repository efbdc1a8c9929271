"""One point of a multidimensional LSTM: a forget gate for every dimension.

  net  = W x(p) + sum_d U_d y(p - e_d) + b
  s(p) = sum_d sig(forget_d) s(p - e_d) + sig(in) tanh(z)
  y(p) = sig(out) tanh(s(p))

with net split into rows for in, forget of each dimension, out, and z (Graves, Fernandez and
Schmidhuber 2007; Understanding LSTM, equations 53 and 54). Departure: no peepholes.
`networks.grid_sweep` runs it over grids.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.ops.initializers import uniform
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import linear
from lstm_jax.types import Array, Key


class MultiParams(NamedTuple):
    """Weights; rows are input gate, forget gates, output gate, candidate.

    Attributes:
      from_inputs: `((dimensions + 3) * hidden, inputs, *lanes)`.
      from_hidden: one `((dimensions + 3) * hidden, hidden, *lanes)` a dimension.
      bias: `((dimensions + 3) * hidden, *lanes)`.
    """

    from_inputs: Array
    from_hidden: tuple[Array, ...]
    bias: Array


def init_multi(key: Key, dimensions: int, inputs: int, hidden: int) -> MultiParams:
    """Weights and biases uniform in `[-1, 1] / sqrt(hidden)`."""
    rows, scale = (dimensions + 3) * hidden, hidden**-0.5
    keys = jax.random.split(key, dimensions + 2)
    return MultiParams(
        uniform(keys[0], (rows, inputs), scale),
        tuple(uniform(k, (rows, hidden), scale) for k in keys[2:]),
        uniform(keys[1], (rows,), scale),
    )


def multi_step(
    params: MultiParams, x: Array, ys: tuple[Array, ...], ss: tuple[Array, ...]
) -> tuple[Array, Array]:
    """One point.

    Args:
      params: of the net.
      x: `(inputs, *lanes)`.
      ys: outputs of the predecessor along each dimension, `(hidden, *lanes)`.
      ss: their cell states, likewise.

    Returns:
      Output and cell state of the point, `(hidden, *lanes)` each.

    Example:
      >>> params = init_multi(jax.random.key(0), dimensions=2, inputs=1, hidden=3)
      >>> none = (jnp.zeros(3),) * 2
      >>> [a.shape for a in multi_step(params, jnp.ones(1), none, none)]
      [(3,), (3,)]
    """
    net = linear(params.from_inputs, x)
    for weights, y in zip(params.from_hidden, ys, strict=True):
        net = net + linear(weights, y)
    net = net + along_lanes(params.bias, net)
    gate, *forget, out, z = jnp.split(net, len(ys) + 3)
    s = jax.nn.sigmoid(gate) * jnp.tanh(z)
    for f, before in zip(forget, ss, strict=True):
        s = s + jax.nn.sigmoid(f) * before
    return jax.nn.sigmoid(out) * jnp.tanh(s), s
