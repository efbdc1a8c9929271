"""What a decoder writes by itself: the most probable label each time, or a search (beam)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.networks.decoder import (
    Decoded,
    Decoder,
    DecoderParams,
    begin_state,
    expect_string,
    stepping,
)
from lstm_jax.ops.fit import check_length, living_steps
from lstm_jax.types import Array, State


class Written(NamedTuple):
    """Strings of labels that a decoder wrote.

    Attributes:
      labels: `(steps, *lanes)` int32, the end label from the end on.
      length: `(*lanes)` int32, labels before the end label.
      log_probability: `(*lanes)`, of the string and its end.
    """

    labels: Array
    length: Array
    log_probability: Array


def greedy(
    writer: Decoder,
    params: DecoderParams,
    encoded: Array,
    length: Array,
    *,
    begin: int,
    end: int,
    steps: int,
    state: State = None,
) -> Written:
    """Write the most probable label, step by step, until the label that ends a string.

    Args:
      writer: of `decoder`.
      params: its parameters.
      encoded: `(time, encoded, *lanes)`.
      length: `(*lanes)` living steps of it.
      begin, end: the labels that begin and end a string.
      steps: at most so many labels, the end included. A string that is cut off has the
        length `steps`.
      state: of the cell, to begin with; None for its own.

    Raises:
      ValueError: steps below 1; a label that there is not.

    Example:
      >>> from lstm_jax.cells.lstm import lstm
      >>> from lstm_jax.networks.decoder import decoder
      >>> writer = decoder(lambda inputs: lstm(inputs, 8), labels=5, encoded=6, attention=4)
      >>> params, encoded = writer.init(jax.random.key(0)), jnp.ones((7, 6))
      >>> greedy(writer, params, encoded, jnp.array(7), begin=0, end=1, steps=4).labels.shape
      (4,)
    """
    ask = {"begin": begin, "end": end, "steps": steps, "state": state}
    labels, seen = greedy_steps(writer, params, encoded, length, **ask)
    logs = jnp.max(jax.nn.log_softmax(seen.logits, axis=1), axis=1)
    # the first end belongs to the string, those after it do not
    length = jnp.sum(labels != end, axis=0, dtype=jnp.int32)
    counted = living_steps(steps, length + 1)
    return Written(labels, length, jnp.sum(jnp.where(counted, logs, 0), axis=0))


def greedy_steps(
    writer: Decoder,
    params: DecoderParams,
    encoded: Array,
    length: Array,
    *,
    begin: int,
    end: int,
    steps: int,
    state: State = None,
) -> tuple[Array, Decoded]:
    """`greedy`, and what is seen of every step.

    Returns:
      `(steps, *lanes)` labels, the end label from the end on; and everything, with the steps
      in front.
    """
    expect_string(writer, begin, end, steps)
    check_length("length", length, jnp.shape(encoded)[2:], len(encoded), "the number of steps")
    step = stepping(writer, params, encoded, length)
    lanes = jnp.shape(length)
    state = begin_state(writer, params, lanes) if state is None else state

    def body(carry, _):
        state, label, over = carry
        state, seen = step(state, label)
        label = jnp.where(over, end, jnp.argmax(seen.logits, axis=0)).astype(jnp.int32)
        return (state, label, over | (label == end)), (label, seen)

    begin_with = state, jnp.full(lanes, begin, jnp.int32), jnp.zeros(lanes, bool)
    return lax.scan(body, begin_with, None, length=steps)[1]


class _Beam(NamedTuple):
    """Strings side by side, in the last axis."""

    state: State
    labels: Array  # (steps, width)
    total: Array  # (width,)
    over: Array  # (width,)


def beam_search(
    writer: Decoder,
    params: DecoderParams,
    encoded: Array,
    length: Array,
    *,
    begin: int,
    end: int,
    steps: int,
    width: int,
    state: State = None,
) -> Written:
    """The most probable string that a search finds which keeps so many at every step.

    A width of 1 is `greedy`; one of `labels ** (steps - 1)` finds the most probable string.
    Probabilities are of whole strings, not divided by their lengths.

    Args:
      writer, params, encoded, length, begin, end, steps, state: as in `greedy`.
      width: strings kept.

    Raises:
      ValueError: a width or steps below 1; a label that there is not.
    """
    expect_string(writer, begin, end, steps)
    check_length("length", length, jnp.shape(encoded)[2:], len(encoded), "the number of steps")
    if width < 1:
        raise ValueError(f"width: expected at least 1, got {width}")
    lanes = jnp.ndim(length)

    def of_lane(params: DecoderParams, encoded: Array, length: Array, state: State) -> Written:
        def beside(leaf: Array) -> Array:
            return jnp.broadcast_to(leaf[..., None], (*leaf.shape, width))

        step = stepping(writer, params, beside(encoded), beside(length))
        first = jnp.full((width,), -jnp.inf, encoded.dtype).at[0].set(0)
        labels = jnp.full((steps, width), end, jnp.int32)
        beam = _Beam(jax.tree.map(beside, state), labels, first, jnp.zeros(width, bool))

        def body(beam: _Beam, t: Array) -> tuple[_Beam, None]:
            before = beam.labels[jnp.maximum(t - 1, 0)]
            state, seen = step(beam.state, jnp.where(t == 0, begin, before).astype(jnp.int32))
            return _extended(beam, state, jax.nn.log_softmax(seen.logits, axis=0), t, end), None

        beam, _ = lax.scan(body, beam, jnp.arange(steps, dtype=jnp.int32))
        best = jnp.argmax(beam.total)
        labels = beam.labels[:, best]
        return Written(labels, jnp.sum(labels != end, dtype=jnp.int32), beam.total[best])

    state = begin_state(writer, params, jnp.shape(length)) if state is None else state
    shared = jax.eval_shape(writer.init, jax.random.key(0))
    # a beam lies where lanes lie: weights of a lane's own must lose theirs before it comes
    axes = jax.tree.map(lambda leaf, one: -1 if leaf.ndim > one.ndim else None, params, shared)
    for _ in range(lanes):
        of_lane = jax.vmap(of_lane, in_axes=(axes, -1, -1, -1), out_axes=-1)
    return of_lane(params, encoded, jnp.asarray(length), state)


def _extended(beam: _Beam, state: State, logs: Array, t: Array, end: int) -> _Beam:
    """The best strings with one more label; one that is over goes on as it is."""
    labels, width = logs.shape
    nothing = jnp.where(jnp.arange(labels) == end, 0.0, -jnp.inf).astype(logs.dtype)
    more = jnp.where(beam.over[None], nothing[:, None], logs)
    total, chosen = lax.top_k((beam.total[None] + more).reshape(-1), width)
    label, parent = (chosen // width).astype(jnp.int32), chosen % width
    kept = jax.tree.map(lambda leaf: leaf[..., parent], (state, beam.labels, beam.over))
    return _Beam(kept[0], kept[1].at[t].set(label), total, kept[2] | (label == end))
