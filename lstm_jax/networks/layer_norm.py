"""Units of a step brought to mean 0 and variance 1 (Ba, Kiros and Hinton 2016)."""

from typing import NamedTuple

import jax.numpy as jnp

from lstm_jax.ops.fit import checked
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.types import Array, Key, Net


class LayerNormParams(NamedTuple):
    """What the normalised units are multiplied by and added to.

    Attributes:
      scale: `(units, *lanes)`, 1 at first.
      offset: `(units, *lanes)`, 0 at first.
    """

    scale: Array
    offset: Array


def layer_norm(units: int, *, epsilon: float = 1e-5) -> Net[LayerNormParams]:
    """Layer normalisation, step by step and lane by lane.

    y = scale (x - mean) / sqrt(variance + epsilon) + offset, with mean and variance over the
    units of one step. Put it between layers by `sequential`.

    Args:
      units: number of inputs and of outputs.
      epsilon: keeps units that are all alike from dividing by 0.

    Raises:
      ValueError: no units.

    Example:
      >>> import jax
      >>> net = layer_norm(2)
      >>> y = net.apply(net.init(jax.random.key(0)), jnp.array([[1.0, 3.0]]), jnp.array(1))
      >>> [round(float(v), 3) for v in y[0]]
      [-1.0, 1.0]
    """
    if units < 1:
        raise ValueError(f"units: expected at least 1, got {units}")

    def init(key: Key) -> LayerNormParams:
        return LayerNormParams(jnp.ones(units), jnp.zeros(units))

    def apply(
        params: LayerNormParams, inputs: Array, length: Array, key: Key | None = None, /
    ) -> Array:
        centred = inputs - jnp.mean(inputs, axis=1, keepdims=True)
        variance = jnp.mean(centred**2, axis=1, keepdims=True)
        normal = centred / jnp.sqrt(variance + epsilon)
        scale, offset = (along_lanes(p, normal[0])[None] for p in params)
        return scale * normal + offset

    return checked(Net(init, apply, units, units))
