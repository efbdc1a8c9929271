"""Weighted sums in the two layouts: weights shared by all lanes, or one set a lane."""

import jax.numpy as jnp

from lstm_jax.types import Array


def is_symbol(x: Array) -> bool:
    """True for integer inputs, which stand for one-hot vectors."""
    return jnp.issubdtype(x.dtype, jnp.integer)


def weigh(weights: Array, sources: Array) -> Array:
    """`weights @ sources`, lane by lane.

    Args:
      weights: `(rows, sources)`, shared by all lanes, or `(rows, sources, *lanes)`.
      sources: `(sources, *lanes)` real, or `(*lanes)` integer symbols, which select a
        column: the cost does not grow with the number of symbols.

    Returns:
      `(rows, *lanes)`.

    Example:
      >>> weigh(jnp.eye(3), jnp.array(2)).tolist()
      [0.0, 0.0, 1.0]
    """
    if is_symbol(sources):
        return _column(weights, sources)
    if weights.ndim == 2:
        return jnp.tensordot(weights, sources, axes=1)
    # a product of small matrices lane by lane vectorises over the lanes, a batched dot does not
    return jnp.sum(weights * sources[None], axis=1)


def _column(weights: Array, symbol: Array) -> Array:
    if weights.ndim == 2:
        return jnp.take(weights, symbol, axis=1, mode="clip")
    at = jnp.broadcast_to(symbol, (1, 1, *weights.shape[2:]))
    return jnp.take_along_axis(weights, at, axis=1, mode="clip")[:, 0]


def add_outer(total: Array, rows: Array, sources: Array) -> Array:
    """`total + rows x sources`, lane by lane; touches one column for a symbol.

    Args:
      total: `(rows, sources, *lanes)`.
      rows: `(rows, *lanes)`.
      sources: `(sources, *lanes)` real, or `(*lanes)` integer symbols.
    """
    if not is_symbol(sources):
        return total + rows[:, None] * sources[None]
    if sources.ndim == 0:
        return total.at[:, sources].add(rows)
    flat = total.reshape(*total.shape[:2], -1)
    lanes = jnp.arange(flat.shape[2])
    added = flat.at[:, sources.reshape(-1), lanes].add(rows.reshape(len(rows), -1))
    return added.reshape(total.shape)
