"""Additive attention: a net that looks back at all steps of a sequence, wherever they stand.

  score(t) = v . tanh(W_h enc(t) + W_s s)
  a        = softmax of the scores over the living steps
  context  = sum_t a(t) enc(t)

(Bahdanau, Cho and Bengio 2015; no biases.) The error of a step reaches every step that it
looked at in one leap, however far back.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.ops.fit import living_inputs, living_steps
from lstm_jax.ops.initializers import Number, uniform
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import linear
from lstm_jax.types import Array, Key


class AttentionParams(NamedTuple):
    """Weights of the score.

    Attributes:
      from_encoded: `(units, encoded, *lanes)`, W_h.
      from_query: `(units, query, *lanes)`, W_s.
      score: `(units, *lanes)`, v.
    """

    from_encoded: Array
    from_query: Array
    score: Array


def init_attention(
    key: Key, encoded: int, query: int, units: int, init_scale: Number | None = None
) -> AttentionParams:
    """Weights uniform in `[-init_scale, init_scale]`, by default 1 / sqrt(units).

    Args:
      key: to draw with.
      encoded: units of the encoded sequence.
      query: units of what asks.
      units: of the score.
      init_scale: may be traced.

    Raises:
      ValueError: a size below 1.
    """
    for name, size in {"encoded": encoded, "query": query, "units": units}.items():
        if size < 1:
            raise ValueError(f"{name}: expected at least 1, got {size}")
    scale = units**-0.5 if init_scale is None else init_scale
    for_encoded, for_query, for_score = jax.random.split(key, 3)
    return AttentionParams(
        uniform(for_encoded, (units, encoded), scale),
        uniform(for_query, (units, query), scale),
        uniform(for_score, (units,), scale),
    )


def keys_of(params: AttentionParams, encoded: Array) -> Array:
    """`W_h enc(t)` of all steps, which no query changes: `(time, units, *lanes)`."""
    return jax.vmap(lambda enc: linear(params.from_encoded, enc))(encoded)


def attend(
    params: AttentionParams, keys: Array, encoded: Array, query: Array, length: Array
) -> tuple[Array, Array]:
    """Where a query looks, and what it sees there.

    Args:
      params: of the score.
      keys: `keys_of` the sequence.
      encoded: `(time, encoded, *lanes)`; behind the end anything.
      query: `(query, *lanes)`.
      length: `(*lanes)` living steps. Of a sequence without any nothing is seen: weights and
        context are 0.

    Returns:
      `(encoded, *lanes)` the context, and `(time, *lanes)` the weights, 0 behind the end.

    Example:
      >>> params = init_attention(jax.random.key(0), encoded=2, query=3, units=4)
      >>> encoded, length = jnp.ones((5, 2)), jnp.array(4)
      >>> keys = keys_of(params, encoded)
      >>> context, weights = attend(params, keys, encoded, jnp.ones(3), length)
      >>> weights.tolist(), context.tolist()
      ([0.25, 0.25, 0.25, 0.25, 0.0], [1.0, 1.0])
    """
    alive = living_steps(len(encoded), length)
    seen = jnp.tanh(living_inputs(keys, length) + linear(params.from_query, query)[None])
    scores = jnp.sum(along_lanes(params.score, seen[0])[None] * seen, axis=1)
    # of no step at all there is no largest score: softmax would give NaN
    scores = jnp.where(alive | (length == 0)[None], scores, -jnp.inf)
    weights = jnp.where(alive, jax.nn.softmax(scores, axis=0), 0)
    return jnp.sum(weights[:, None] * living_inputs(encoded, length), axis=0), weights
