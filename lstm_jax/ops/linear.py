"""Weighted sums in the two layouts: weights shared by all lanes, or one set a lane."""

from functools import reduce

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.ops.xla import precision_of_products
from lstm_jax.types import Array


def is_symbol(x: Array) -> bool:
    """True for integer inputs, which stand for one-hot vectors."""
    return jnp.issubdtype(x.dtype, jnp.integer)


def linear(weights: Array, sources: Array) -> Array:
    """`weights @ sources`, lane by lane.

    Args:
      weights: `(rows, sources)`, shared by all lanes, or `(rows, sources, *lanes)`.
      sources: `(sources, *lanes)` real, or `(*lanes)` integer symbols, which select a
        column: the cost does not grow with the number of symbols. A symbol that there is
        no column for is what it is as a one-hot vector: zeros.

    Returns:
      `(rows, *lanes)`.

    Example:
      >>> linear(jnp.eye(3), jnp.array(2)).tolist()
      [0.0, 0.0, 1.0]
    """
    if is_symbol(sources):
        return _column(weights, _wide(sources))
    if weights.ndim == 2:
        return jnp.tensordot(weights, sources, axes=1, precision=precision_of_products())
    # a product of small matrices lane by lane vectorises over the lanes, a batched dot does not
    return (
        unrolled_sum(weights, sources)
        if _FEWEST < len(sources) <= MOST_UNROLLED
        else _sum(weights, sources)
    )


def _sum(weights: Array, sources: Array) -> Array:
    return jnp.sum(weights * sources[None], axis=1)


@jax.custom_jvp
def unrolled_sum(weights: Array, sources: Array) -> Array:
    """The weighted sum of a set of weights a lane, with its terms written out."""
    terms = [weights[:, k] * sources[k][None] for k in range(len(sources))]
    return reduce(jnp.add, terms)


@unrolled_sum.defjvp
def _written_out_derivative(primals, tangents):
    """That of `_sum`: transposed, the terms would each be padded to the whole."""
    return unrolled_sum(*primals), _sum(tangents[0], primals[1]) + _sum(primals[0], tangents[1])


def add_outer(total: Array, rows: Array, sources: Array) -> Array:
    """`total + rows x sources`, lane by lane; touches one column for a symbol.

    Args:
      total: `(rows, sources, *lanes)`.
      rows: `(rows, *lanes)`.
      sources: `(sources, *lanes)` real, or `(*lanes)` integer symbols.
    """
    if not is_symbol(sources):
        return total + rows[:, None] * sources[None]
    columns, sources = total.shape[1], _wide(sources)
    if sources.ndim and columns <= _FEW:
        return total + jnp.where(_is_column(total, sources)[None], rows[:, None], 0)
    rows = jnp.where(_exists(columns, sources)[None], rows, 0)
    sources = jnp.clip(sources, 0, columns - 1)
    if sources.ndim == 0:
        return total.at[:, sources].add(rows)
    flat, symbols = total.reshape(*total.shape[:2], -1), sources.reshape(-1)
    added = lax.platform_dependent(
        flat, rows.reshape(len(rows), -1), symbols, cpu=_add_lane_by_lane, default=_add_scattered
    )
    return added.reshape(total.shape)


# so many terms XLA's CPU backend unrolls by itself (`runtime`), and up to so many we write out:
# a loop over them inside the loop over lanes is up to 25 times slower
_FEWEST, MOST_UNROLLED = 12, 64

# up to so many symbols, comparing with each is faster than an indexed access a lane
_FEW = 16


def _wide(symbol: Array) -> Array:
    """Symbols as integers that can count the columns: int8 ends at 127."""
    return symbol if jnp.iinfo(symbol.dtype).bits >= 32 else symbol.astype(jnp.int32)


def _column(weights: Array, symbol: Array) -> Array:
    """`weights[:, symbol]`, lane by lane."""
    if weights.ndim > 2 and weights.shape[1] <= _FEW:
        return _compared(weights, symbol)
    if weights.ndim == 2:
        columns = jnp.take(weights, symbol, axis=1, mode="clip")
    else:
        columns = _columns_of_lanes(weights, symbol)
    return jnp.where(_exists(weights.shape[1], symbol)[None], columns, 0)


def _exists(columns: int, symbol: Array) -> Array:
    """`(*lanes)` bool, whether there is a column for a symbol."""
    return (symbol >= 0) & (symbol < columns)


@jax.custom_jvp
def _columns_of_lanes(weights: Array, symbol: Array) -> Array:
    # one gather a row: a gather of whole columns comes out transposed, and what is
    # computed from it then does not vectorise over the lanes
    lanes = symbol.size
    at = jnp.clip(symbol.reshape(-1), 0, weights.shape[1] - 1) * lanes
    at = at + jnp.arange(lanes, dtype=at.dtype)
    entries = [row.reshape(-1).at[at].get(mode="promise_in_bounds") for row in weights]
    return jnp.stack(entries).reshape(len(weights), *symbol.shape)


@_columns_of_lanes.defjvp
def _columns_derivative(primals, tangents):
    """By comparing: transposed, it is one pass over the gradient that fuses with its use."""
    (weights, symbol), (tangent, _) = primals, tangents
    return _columns_of_lanes(weights, symbol), _compared(tangent, symbol)


def _compared(weights: Array, symbol: Array) -> Array:
    return jnp.sum(jnp.where(_is_column(weights, symbol)[None], weights, 0), axis=1)


def _is_column(weights: Array, symbol: Array) -> Array:
    """`(symbols, *lanes)` bool, true in the column of each lane's symbol."""
    columns = jnp.arange(weights.shape[1], dtype=symbol.dtype).reshape(-1, *[1] * symbol.ndim)
    return columns == symbol[None]


def _add_lane_by_lane(total: Array, rows: Array, symbols: Array) -> Array:
    """A loop over lanes, which XLA's CPU backend does in place, faster than its scatter."""

    def add(lane, total):
        at = (zero, symbols[lane], lane)
        column = lax.dynamic_slice(total, at, (len(total), 1, 1))
        row = lax.dynamic_slice(rows, (zero, lane), (len(rows), 1))
        return lax.dynamic_update_slice(total, column + row[:, None], at)

    zero = jnp.zeros((), symbols.dtype)
    return lax.fori_loop(zero, zero + symbols.size, add, total)


def _add_scattered(total: Array, rows: Array, symbols: Array) -> Array:
    lanes = jnp.arange(symbols.size)
    return total.at[:, symbols, lanes].add(rows, mode="clip", unique_indices=True)
