"""A cell that writes a sequence of labels about another sequence, a label at a time.

A step, given the label before::

  context <- attention at the encoded sequence by the output s(t-1) of the cell, or else the
             encoding of the last living step, the same at every step
  s(t)     = the cell, given [previous label; context]
  logits   = W_o [s(t); context] + b_o

(Sutskever et al. 2014; Bahdanau et al. 2015.) The encoder is any net. While it learns, the
previous label is the one that should have been written (`teacher_forcing`); afterwards it is
the one that was (`networks.decoding`). `networks.encoder_decoder` makes a net of both.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.networks.attention import AttentionParams, attend, init_attention, keys_of
from lstm_jax.networks.unroll import initial_state
from lstm_jax.ops.fit import living_inputs
from lstm_jax.ops.initializers import uniform
from lstm_jax.ops.lanes import along_lanes, at_step
from lstm_jax.ops.linear import is_symbol, linear
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

    Raises:
      ValueError: an encoded sequence or labels that do not fit.
    """
    lanes = jnp.shape(length)
    if previous.shape[1:] != lanes or not is_symbol(previous):
        raise ValueError(
            f"previous: expected integers (steps, *lanes) with lanes {lanes}, got "
            f"{previous.dtype} of shape {previous.shape}"
        )
    step = stepping(writer, params, encoded, length)
    state = begin_state(writer, params, previous.shape[1:]) if state is None else state
    return lax.scan(step, state, previous)[1]


def expect_string(writer: Decoder, begin: int, end: int, steps: int) -> None:
    """ValueError for labels that a decoder does not have, and for no steps."""
    for name, label in {"begin": begin, "end": end}.items():
        if not 0 <= label < writer.labels:
            raise ValueError(f"{name}: expected a label from 0 to {writer.labels - 1}, got {label}")
    if steps < 1:
        raise ValueError(f"steps: expected at least 1, got {steps}")


def begin_state(writer: Decoder, params: DecoderParams, lanes: tuple[int, ...]) -> State:
    """The state that a string begins with."""
    return initial_state(writer.cell, params.cell, lanes)


def stepping(writer: Decoder, params: DecoderParams, encoded: Array, length: Array):
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
