"""A cell that writes a sequence of labels about another sequence, a label at a time.

  context <- attention at the encoded sequence by the output s(t-1) of the cell, or else the
             encoding of the last living step, the same at every step
  s(t)     = the cell, given [previous label; context]
  logits   = W_o [s(t); context] + b_o

(Sutskever et al. 2014; Bahdanau et al. 2015.) The encoder is any net. While it learns, the
previous label is the one that should have been written (`teacher_forcing`); afterwards it is
the one that was (`greedy`, `beam_search`). `networks.encoder_decoder` makes a net of both.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.networks.attention import AttentionParams, attend, init_attention, keys_of
from lstm_jax.networks.unroll import initial_state
from lstm_jax.ops.fit import living_inputs, living_steps
from lstm_jax.ops.initializers import uniform
from lstm_jax.ops.lanes import along_lanes, at_step
from lstm_jax.ops.linear import linear
from lstm_jax.types import Array, Cell, Key, Params, State


class DecoderParams(NamedTuple):
    """Weights of a decoder.

    Attributes:
      cell: the cell's own.
      embedding: `(embedding, labels, *lanes)`, a column a label; None for one-hot vectors.
      attention: None without.
      output: `(labels, cell outputs + encoded, *lanes)`.
      bias: `(labels, *lanes)`.
    """

    cell: Params
    embedding: Array | None
    attention: AttentionParams | None
    output: Array
    bias: Array


class Decoder(NamedTuple):
    """What `decoder` makes.

    Attributes:
      init: `key -> DecoderParams`.
      cell: what writes.
      labels: how many there are.
      encoded: units of the encoded sequence.
    """

    init: Callable[[Key], DecoderParams]
    cell: Cell
    labels: int
    encoded: int


class Decoded(NamedTuple):
    """What is seen of a step, or of all of them with time in front.

    Attributes:
      logits: `(labels, *lanes)`.
      outputs: `(cell outputs, *lanes)`.
      context: `(encoded, *lanes)`.
      alignment: `(time, *lanes)`, where it looked; None without attention.
    """

    logits: Array
    outputs: Array
    context: Array
    alignment: Array | None


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


def decoder(
    make: Callable[[int], Cell],
    labels: int,
    encoded: int,
    *,
    embedding: int | None = None,
    attention: int | None = None,
) -> Decoder:
    """A decoder around any cell.

    Args:
      make: from a number of inputs to a cell, `lambda inputs: lstm(inputs, 32)` say.
      labels: how many there are, those that begin and end a string included.
      encoded: units of the encoded sequence.
      embedding: size of the vectors that stand for labels; None for one-hot vectors.
      attention: units of the score; None for a decoder that sees nothing but the encoding of
        the last living step.

    Raises:
      ValueError: a size below 1; a cell that does not tell its outputs from its state.

    Example:
      >>> from lstm_jax.cells.lstm import lstm
      >>> writer = decoder(lambda inputs: lstm(inputs, 8), labels=5, encoded=6, attention=4)
      >>> params, encoded = writer.init(jax.random.key(0)), jnp.ones((7, 6))
      >>> teacher_forcing(writer, params, encoded, jnp.array(7), jnp.array([0, 3, 1])).logits.shape
      (3, 5)
      >>> greedy(writer, params, encoded, jnp.array(7), begin=0, end=1, steps=4).labels.shape
      (4,)
    """
    sizes = {"labels": labels, "encoded": encoded, "embedding": embedding, "attention": attention}
    for name, size in sizes.items():
        if size is not None and size < 1:
            raise ValueError(f"{name}: expected at least 1, got {size}")
    cell = make((embedding or labels) + encoded)
    if cell.read is None:
        raise ValueError(
            "decoder: expected a cell with `read`, its outputs from its state, which attention "
            "asks with; got one without"
        )

    def init(key: Key) -> DecoderParams:
        keys = jax.random.split(key, 4)
        width = cell.outputs + encoded
        return DecoderParams(
            cell.init(keys[0]),
            None if embedding is None else jax.random.normal(keys[1], (embedding, labels)),
            None if attention is None
            else init_attention(keys[2], encoded, cell.outputs, attention),
            uniform(keys[3], (labels, width), width**-0.5),
            jnp.zeros(labels),
        )  # fmt: skip

    return Decoder(init, cell, labels, encoded)


def teacher_forcing(
    writer: Decoder,
    params: DecoderParams,
    encoded: Array,
    length: Array,
    previous: Array,
    state: State = None,
) -> Decoded:
    """What a decoder would write after each of the labels that it is told (teacher forcing).

    Args:
      writer: of `decoder`.
      params: its parameters.
      encoded: `(time, encoded, *lanes)`; behind the end anything.
      length: `(*lanes)` living steps of it.
      previous: `(steps, *lanes)` integers: the label that begins strings, then the string
        without its last label.
      state: of the cell, to begin with; None for its own.

    Returns:
      Everything, with the steps in front. Steps behind the end of a string mean nothing, and
      nothing of those before depends on them.
    """
    step = _stepping(writer, params, encoded, length)
    state = _begin(writer, params, previous.shape[1:]) if state is None else state
    return lax.scan(step, state, previous)[1]


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
    step = _stepping(writer, params, encoded, length)
    lanes = jnp.shape(length)
    state = _begin(writer, params, lanes) if state is None else state

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
      ValueError: a width below 1.
    """
    if width < 1:
        raise ValueError(f"width: expected at least 1, got {width}")
    lanes = jnp.ndim(length)

    def of_lane(encoded: Array, length: Array, state: State) -> Written:
        def beside(leaf: Array) -> Array:
            return jnp.broadcast_to(leaf[..., None], (*leaf.shape, width))

        step = _stepping(writer, params, beside(encoded), beside(length))
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

    state = _begin(writer, params, jnp.shape(length)) if state is None else state
    for _ in range(lanes):
        of_lane = jax.vmap(of_lane, in_axes=-1, out_axes=-1)
    return of_lane(encoded, jnp.asarray(length), state)


def _extended(beam: _Beam, state: State, logs: Array, t: Array, end: int) -> _Beam:
    """The best strings with one more label; one that is over goes on as it is."""
    labels, width = logs.shape
    nothing = jnp.where(jnp.arange(labels) == end, 0.0, -jnp.inf).astype(logs.dtype)
    more = jnp.where(beam.over[None], nothing[:, None], logs)
    total, chosen = lax.top_k((beam.total[None] + more).reshape(-1), width)
    label, parent = (chosen // width).astype(jnp.int32), chosen % width
    kept = jax.tree.map(lambda leaf: leaf[..., parent], (state, beam.labels, beam.over))
    return _Beam(kept[0], kept[1].at[t].set(label), total, kept[2] | (label == end))


def _begin(writer: Decoder, params: DecoderParams, lanes: tuple[int, ...]) -> State:
    return initial_state(writer.cell, params.cell, lanes)


def _stepping(writer: Decoder, params: DecoderParams, encoded: Array, length: Array):
    """`(state, previous label) -> (state, Decoded)` about one encoded sequence."""
    length, cell = jnp.asarray(length), writer.cell
    if encoded.ndim != 2 + length.ndim or encoded.shape[1] != writer.encoded:
        raise ValueError(
            f"encoded: expected (time, {writer.encoded}, *lanes) with lanes {length.shape}, got "
            f"{encoded.shape}"
        )
    encoded, read = living_inputs(encoded, length), cell.read
    attention = params.attention
    keys = None if attention is None else keys_of(attention, encoded)
    last = at_step(encoded, jnp.maximum(length - 1, 0))  # of no step at all: 0, as encoded is

    def look(state: State) -> tuple[Array, Array | None]:
        if attention is None or keys is None:
            return last, None
        assert read is not None  # decoder saw to it
        nothing = jnp.zeros((cell.inputs, *length.shape), encoded.dtype)
        return attend(attention, keys, encoded, read(params.cell, state, nothing), length)

    def step(state: State, label: Array) -> tuple[State, Decoded]:
        context, alignment = look(state)
        if params.embedding is None:
            said = jax.nn.one_hot(label, writer.labels, axis=0, dtype=encoded.dtype)
        else:
            said = linear(params.embedding, label)
        state, y = cell.step(params.cell, state, jnp.concatenate([said, context]))
        logits = linear(params.output, jnp.concatenate([y, context]))
        return state, Decoded(logits + along_lanes(params.bias, logits), y, context, alignment)

    return step
