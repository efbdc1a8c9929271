"""Decoders: taught, greedy and by beam, against a plain loop and against every string there is."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.lstm import lstm
from lstm_jax.networks.attention import attend, init_attention, keys_of
from lstm_jax.networks.decoder import decoder, teacher_forcing
from lstm_jax.networks.decoding import beam_search, greedy
from tests.support.bridge import KEY, numbers, real

LABELS, BEGIN, END, STEPS = 4, 0, 1, 4
WRITERS = {
    "attention": decoder(lambda n: lstm(n, 3), LABELS, 2, attention=3),
    "attention, embedding": decoder(lambda n: lstm(n, 3), LABELS, 2, attention=3, embedding=2),
    "last step": decoder(lambda n: lstm(n, 3), LABELS, 2),
}
every = pytest.mark.parametrize("name", WRITERS)


def given(name, lanes=(), seed=0):
    """A writer, its parameters, large enough to make up their mind, and a sequence."""
    writer = WRITERS[name]
    drawn = numbers(jax.jit(writer.init)(jax.random.key(seed)))
    encoded = real(np.random.default_rng(seed).normal(size=(5, 2, *lanes)))
    return writer, jax.tree.map(lambda leaf: 3 * leaf, drawn), encoded


def softmax(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


@every
def test_a_taught_step_is_the_equations(name, x64):
    """The first step of a plain loop in NumPy; its state is 0."""
    writer, params, encoded = given(name)
    length, label = 4, 2
    seen = jax.jit(
        lambda: teacher_forcing(writer, params, encoded, jnp.array(length), jnp.array([label]))
    )()
    enc = np.asarray(encoded)
    if params.attention is None:
        context = enc[length - 1]
    else:
        weights = softmax(
            np.tanh(enc[:length] @ np.asarray(params.attention.from_encoded).T)
            @ np.asarray(params.attention.score)
        )
        context = weights @ enc[:length]
        np.testing.assert_allclose(seen.alignment[0], [*weights, 0], atol=1e-12)
    said = np.eye(LABELS)[label]
    said = said if params.embedding is None else np.asarray(params.embedding) @ said
    cell = params.cell
    net = np.asarray(cell.weight_ih) @ np.concatenate([said, context])
    i, _, g, o = np.split(net + np.asarray(cell.bias_ih + cell.bias_hh), 4)
    h = np.tanh(np.tanh(g) / (1 + np.exp(-i))) / (1 + np.exp(-o))
    logits = np.asarray(params.output) @ np.concatenate([h, context]) + np.asarray(params.bias)
    np.testing.assert_allclose(seen.logits[0], logits, rtol=1e-12)
    np.testing.assert_allclose(seen.context[0], context, rtol=1e-12)


def scores(writer, params, encoded, length, strings):
    """The log-probability of every string, by teaching it."""
    padded = np.array([[BEGIN, *string[:-1], *[END] * (3 - len(string))] for string in strings])

    @jax.jit
    @jax.vmap
    def logs_of(previous):
        seen = teacher_forcing(writer, params, encoded, length, previous)
        return jax.nn.log_softmax(seen.logits, axis=1)

    logs = np.asarray(logs_of(padded))
    pairs = zip(strings, logs, strict=True)
    return {s: sum(of[t, label] for t, label in enumerate(s)) for s, of in pairs}


@every
def test_a_wide_beam_finds_the_most_probable_of_all_strings(name, x64):
    writer, params, encoded = given(name, seed=3)
    length = jnp.array(5)
    strings = [
        (*head, END)
        for n in range(3)
        for head in itertools.product((0, 2, 3), repeat=n)
    ] + list(itertools.product((0, 2, 3), repeat=3))  # fmt: skip
    chances = scores(writer, params, encoded, length, strings)
    best = max(chances, key=lambda s: chances[s])
    ask = {"begin": BEGIN, "end": END, "steps": 3}

    @jax.jit
    def searched(*given):
        beams = (beam_search(writer, *given, **ask, width=width) for width in (64, 1))
        return *beams, greedy(writer, *given, **ask)

    found, narrow, first = numbers(searched(params, encoded, length))
    assert tuple(found.labels.tolist())[: len(best)] == best
    assert float(found.log_probability) == pytest.approx(chances[best], abs=1e-9)
    assert int(found.length) == len([label for label in best if label != END])
    assert narrow.labels.tolist() == first.labels.tolist()
    assert float(narrow.log_probability) == pytest.approx(float(first.log_probability), abs=1e-9)
    assert float(first.log_probability) <= chances[best] + 1e-9


@every
def test_lanes_are_sequences_side_by_side_and_padding_is_nothing(name, x64):
    writer, params, encoded = given(name, lanes=(3,))
    length = np.array([5, 2, 0])
    spoilt = np.where(np.arange(5)[:, None, None] < length, encoded, np.nan)
    ask = {"begin": BEGIN, "end": END, "steps": STEPS}
    previous = np.random.default_rng(0).integers(0, LABELS, (STEPS, 3))

    @jax.jit
    def everything(encoded, length, previous):
        def error(params):
            logits = teacher_forcing(writer, params, encoded, length, previous).logits
            return jnp.sum(logits**2), logits

        (_, logits), grads = jax.value_and_grad(error, has_aux=True)(params)
        written = greedy(writer, params, encoded, length, **ask)
        return logits, written, beam_search(writer, params, encoded, length, **ask, width=3), grads

    logits, written, beam, grads = numbers(everything(spoilt, length, previous))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(grads))
    clean = everything(encoded, length, previous)
    for a, b in zip(jax.tree.leaves(clean[3]), jax.tree.leaves(grads), strict=True):
        np.testing.assert_array_equal(a, b)
    for lane in range(3):
        alone = everything(encoded[..., lane], length[lane], previous[:, lane])
        np.testing.assert_allclose(alone[0], logits[..., lane], rtol=1e-11, atol=1e-12)
        assert alone[1].labels.tolist() == written.labels[:, lane].tolist()
        assert alone[2].labels.tolist() == beam.labels[:, lane].tolist()


def test_what_is_over_stays_over():
    """A decoder that always wants the end."""
    writer, params, encoded = given("last step")
    params = params._replace(bias=np.where(np.arange(LABELS) == END, real(50.0), params.bias))
    asked = jax.jit(lambda *given: greedy(writer, *given, begin=BEGIN, end=END, steps=STEPS))
    found = asked(params, encoded, np.array(5))
    assert found.labels.tolist() == [END] * STEPS and int(found.length) == 0
    assert float(found.log_probability) > -1e-3


def test_it_looks_where_the_score_is_largest():

    @jax.jit
    def seen(encoded):
        params = init_attention(KEY, 2, 3, 4)
        params = params._replace(score=100 * params.score)
        keys, query = keys_of(params, encoded), jnp.ones(3)
        some, none = (attend(params, keys, encoded, query, jnp.array(n)) for n in (4, 0))
        scores = jnp.tanh(keys + (params.from_query @ query)[None]) @ params.score
        return some[1], none[0], scores

    weights, nothing, scores = numbers(seen(real(np.random.default_rng(0).normal(size=(6, 2)))))
    assert int(weights.argmax()) == int(scores[:4].argmax())
    assert not weights[4:].any() and float(weights.sum()) == pytest.approx(1)
    assert not nothing.any()


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="attention: expected at least 1, got 0"):
        decoder(lambda n: lstm(n, 3), LABELS, 2, attention=0)
    with pytest.raises(ValueError, match="expected a cell with `read`"):
        decoder(lambda n: lstm(n, 3)._replace(read=None), LABELS, 2)
    writer, params, encoded = given("attention")
    with pytest.raises(ValueError, match=r"encoded: expected \(time, 2, \*lanes\).*got \(2, 5\)"):
        teacher_forcing(writer, params, encoded.T, jnp.array(5), jnp.array([0]))
    with pytest.raises(ValueError, match="width: expected at least 1, got 0"):
        beam_search(
            writer, params, encoded, jnp.array(5), begin=BEGIN, end=END, steps=2, width=0
        )  # fmt: skip
