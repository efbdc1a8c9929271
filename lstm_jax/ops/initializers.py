"""Where weights and biases begin: uniform in a symmetric range, or given."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from lstm_jax.types import Array, Key

Number = float | Array
Numbers = Number | Sequence[float] | None


def uniform(key: Key, shape: tuple[int, ...], scale: Number) -> Array:
    """Uniform in `[-scale, scale]`, in the default float type.

    Args:
      key: randomness.
      shape: of the array.
      scale: a number; may be traced.

    Example:
      >>> bool((abs(uniform(jax.random.key(0), (3, 2), 0.1)) <= 0.1).all())
      True
    """
    drawn = jax.random.uniform(key, shape, minval=-1.0, maxval=1.0)
    return jnp.asarray(scale, drawn.dtype) * drawn


def given_or(drawn: Array, given: Numbers, name: str) -> Array:
    """Initial biases that were asked for, or those drawn where None was.

    Args:
      drawn: `(units,)`.
      given: a number, one a unit, or None.
      name: what they are, for the error.

    Raises:
      ValueError: numbers that are neither one nor one a unit.

    Example:
      >>> given_or(jnp.zeros(2), (-3, -6), "biases").tolist()
      [-3.0, -6.0]
    """
    if given is None:
        return drawn
    values: Any = jnp.asarray(given, drawn.dtype)
    if values.shape not in ((), drawn.shape):
        raise ValueError(
            f"{name}: expected a number or {len(drawn)} numbers, "
            f"got an array of shape {values.shape}"
        )
    return jnp.broadcast_to(values, drawn.shape)
