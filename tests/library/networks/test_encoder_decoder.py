"""An encoder and a decoder as one net: told the labels while it learns, free when it is asked."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.cells.lstm import lstm
from lstm_jax.cells.simple import elman
from lstm_jax.conformance import check_net
from lstm_jax.gradients import bptt
from lstm_jax.losses import softmax_cross_entropy
from lstm_jax.networks.bidirectional import bidirectional
from lstm_jax.networks.decoder import decoder, teacher_forcing
from lstm_jax.networks.decoding import greedy
from lstm_jax.networks.encoder_decoder import encoder_decoder
from lstm_jax.networks.unroll import predict
from lstm_jax.tasks import copying
from lstm_jax.tasks.copying import BEGIN, END
from tests.support.bridge import numbers

TASK = copying(3, 1, 3)
ENCODER = bidirectional(lstm(5, 3), lstm(5, 3))
WRITER = decoder(lambda n: lstm(n, 4), labels=5, encoded=6, attention=3)
NET = encoder_decoder(ENCODER, WRITER, begin=BEGIN, end=END, steps=4)


@jax.jit
def given():
    return NET.init(jax.random.key(0)), TASK.sample(jax.random.key(1))


def test_it_keeps_the_contract_of_nets():
    """Of smaller cells, which are compiled sooner."""
    encoder = bidirectional(elman(5, 1), elman(5, 1))
    writer = decoder(lambda n: elman(n, 2), labels=5, encoded=2, attention=2)
    check_net(encoder_decoder(encoder, writer, begin=BEGIN, end=END, steps=3), steps=3)


def test_it_learns_from_what_it_is_told(x64):
    """bptt against the error of `teacher_forcing`, written out."""
    params, sequence = given()

    def error(params):
        encoded = ENCODER.apply(params.encoder, sequence.inputs, sequence.length, None)
        labels = sequence.targets.argmax(axis=1).astype(jnp.int32)
        previous = jnp.concatenate([jnp.full((1,), BEGIN, jnp.int32), labels[:-1]])
        seen = teacher_forcing(WRITER, params.decoder, encoded, sequence.length, previous)
        each = optax.losses.softmax_cross_entropy(seen.logits, sequence.targets)
        return jnp.sum(jnp.where(sequence.mask, each, 0))

    rule = bptt(NET, softmax_cross_entropy)
    both = jax.jit(lambda p: (rule(p, sequence), jax.value_and_grad(error)(p)))
    found, (value, grads) = both(params)
    assert float(found.loss) == pytest.approx(float(value), rel=1e-12)
    for a, b in zip(*map(jax.tree.leaves, (found.grads, grads)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


def test_asked_it_reads_what_it_wrote():

    @jax.jit
    def asked(params, sequence):
        params, length = jax.tree.map(lambda leaf: 3 * leaf, params), sequence.length
        encoded = ENCODER.apply(params.encoder, sequence.inputs, length, None)
        written = greedy(WRITER, params.decoder, encoded, length, begin=BEGIN, end=END, steps=4)
        taught = predict(NET, params, sequence, taught=True)
        return written, predict(NET, params, sequence), taught

    written, logits, told = numbers(asked(*given()))
    upto = min(int(written.length) + 1, 4)
    assert logits.argmax(axis=1)[:upto].tolist() == written.labels[:upto].tolist()
    assert not (told == logits).all()  # control: being told makes a difference


def test_it_learns_to_copy_one_string():
    optimizer = optax.sgd(0.5)
    gradient = bptt(NET, softmax_cross_entropy)

    @jax.jit
    def learned(params, sequence):
        def step(_, at):
            params, state = at
            updates, state = optimizer.update(gradient(params, sequence).grads, state)
            return optax.apply_updates(params, updates), state

        params, _ = jax.lax.fori_loop(0, 60, step, (params, optimizer.init(params)))
        return predict(NET, params, sequence)

    params, sequence = numbers(given())
    wanted = sequence.targets.argmax(axis=1)[: sequence.target_length]
    found = np.asarray(learned(params, sequence)).argmax(axis=1)[: len(wanted)]
    assert found.tolist() == wanted.tolist()


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"expected an encoder with 6 outputs.*got 8"):
        encoder_decoder(
            bidirectional(lstm(5, 4), lstm(5, 4)), WRITER, begin=BEGIN, end=END, steps=4
        )
