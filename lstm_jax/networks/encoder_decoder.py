"""A net that reads a sequence and writes another, in a time of its own."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.networks.decoder import Decoder, DecoderParams, expect_string, teacher_forcing
from lstm_jax.networks.decoding import greedy_steps
from lstm_jax.ops.fit import checked
from lstm_jax.types import Array, Key, Net, Params, Sequence


class EncoderDecoderParams(NamedTuple):
    """Parameters of both."""

    encoder: Params
    decoder: DecoderParams


def encoder_decoder(
    encoder: Net, writer: Decoder, *, begin: int, end: int, steps: int
) -> Net[EncoderDecoderParams]:
    """An encoder and a decoder as one net, for targets in a time of their own (`"own"`).

    Its outputs are logits. While it learns by `bptt` it is told the labels before (teacher
    forcing); evaluated, it reads what it has written itself, greedily. A step that a mask
    leaves out must still have its label among the targets, for the next one is told it.

    Args:
      encoder: any net; its outputs are what the decoder reads.
      writer: of `decoder`.
      begin, end: the labels that begin and end a string.
      steps: labels written, the end included: the target time.

    Raises:
      ValueError: an encoder whose outputs are not what the decoder reads; a label that there
        is not; steps below 1.

    Example:
      >>> from lstm_jax.cells.lstm import lstm
      >>> from lstm_jax.networks.decoder import decoder
      >>> from lstm_jax.networks.unroll import net_of
      >>> writer = decoder(lambda inputs: lstm(inputs, 8), labels=5, encoded=6, attention=4)
      >>> net = encoder_decoder(net_of(lstm(5, 6)), writer, begin=0, end=1, steps=4)
      >>> symbols = jnp.array([2, 3, 4, 0, 0])
      >>> net.apply(net.init(jax.random.key(0)), symbols, jnp.array(3), None).shape
      (4, 5)
    """
    if encoder.outputs != writer.encoded:
        raise ValueError(
            f"encoder_decoder: expected an encoder with {writer.encoded} outputs, which the "
            f"decoder reads, got {encoder.outputs}"
        )

    expect_string(writer, begin, end, steps)

    def init(key: Key) -> EncoderDecoderParams:
        one, other = jax.random.split(key)
        return EncoderDecoderParams(encoder.init(one), writer.init(other))

    def apply(
        params: EncoderDecoderParams, inputs: Array, length: Array, key: Key | None = None, /
    ) -> Array:
        encoded = encoder.apply(params.encoder, inputs, length, key)
        choice = {"begin": begin, "end": end, "steps": steps}
        return greedy_steps(writer, params.decoder, encoded, length, **choice)[1].logits

    def taught(params: EncoderDecoderParams, sequence: Sequence, key: Key | None = None) -> Array:
        encoded = encoder.apply(params.encoder, sequence.inputs, sequence.length, key)
        labels = jnp.argmax(sequence.targets, axis=1).astype(jnp.int32)
        previous = jnp.concatenate([jnp.full_like(labels[:1], begin), labels[:-1]])
        return teacher_forcing(writer, params.decoder, encoded, sequence.length, previous).logits

    return checked(Net(init, apply, encoder.inputs, writer.labels, encoder.draws, taught))
