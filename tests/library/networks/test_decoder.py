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
from tests.support.bridge import KEY

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
    params = jax.tree.map(lambda leaf: 3 * leaf, writer.init(jax.random.key(seed)))
    encoded = jax.random.normal(jax.random.key(seed + 1), (5, 2, *lanes))
    return writer, params, encoded


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


def scores(writer, params, encoded, length, strings, steps):
    """The log-probability of every string, by teaching it; what stands behind its end is nothing.

    Strings go side by side, as lanes of one sequence.
    """
    padded = np.array([[*string, *[END] * (steps - len(string))] for string in strings]).T
    previous = np.concatenate([np.full((1, len(strings)), BEGIN), padded[:-1]])

    @jax.jit
    def logs(previous):
        beside = jnp.repeat(encoded[..., None], len(strings), -1)
        lengths = jnp.full(len(strings), length)
        return jax.nn.log_softmax(
            teacher_forcing(writer, params, beside, lengths, previous).logits, axis=1
        )

    said = np.take_along_axis(np.asarray(logs(previous)), padded[:, None], axis=1)[:, 0]
    return [said[: len(string), i].sum() for i, string in enumerate(strings)]


@every
def test_a_wide_beam_finds_the_most_probable_of_all_strings(name, x64):
    writer, params, encoded = given(name, seed=3)
    length = jnp.array(5)
    strings = [
        (*head, END)
        for n in range(3)
        for head in itertools.product((0, 2, 3), repeat=n)
    ] + list(itertools.product((0, 2, 3), repeat=3))  # fmt: skip
    by_hand = scores(writer, params, encoded, length, strings, 3)
    chances = dict(zip(strings, by_hand, strict=True))
    best = max(chances, key=lambda s: chances[s])
    ask = {"begin": BEGIN, "end": END, "steps": 3}

    @jax.jit
    def written(encoded):
        beams = [beam_search(writer, params, encoded, length, **ask, width=w) for w in (64, 1)]
        return *beams, greedy(writer, params, encoded, length, **ask)

    found, narrow, first = written(encoded)
    assert tuple(found.labels.tolist())[: len(best)] == best
    assert float(found.log_probability) == pytest.approx(chances[best], abs=1e-9)
    assert int(found.length) == len([label for label in best if label != END])
    assert narrow.labels.tolist() == first.labels.tolist()
    assert float(narrow.log_probability) == pytest.approx(float(first.log_probability), abs=1e-9)
    assert float(first.log_probability) <= chances[best] + 1e-9


@every
def test_lanes_are_sequences_side_by_side_and_padding_is_nothing(name, x64):
    writer, params, encoded = given(name, lanes=(3,))
    length = jnp.array([5, 2, 0])
    alive = jnp.arange(5)[:, None, None] < length[None, None]
    spoilt = jnp.where(alive, encoded, jnp.nan)
    ask = {"begin": BEGIN, "end": END, "steps": STEPS}
    previous = jax.random.randint(KEY, (STEPS, 3), 0, LABELS)

    @jax.jit
    def everything(encoded, length, previous):
        def error(params):
            logits = teacher_forcing(writer, params, encoded, length, previous).logits
            return jnp.sum(logits**2), logits

        (_, logits), grads = jax.value_and_grad(error, has_aux=True)(params)
        written = greedy(writer, params, encoded, length, **ask)
        return logits, written, beam_search(writer, params, encoded, length, **ask, width=3), grads

    logits, written, beam, grads = everything(spoilt, length, previous)
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
    params = params._replace(bias=params.bias.at[END].set(50.0))
    found = greedy(writer, params, encoded, jnp.array(5), begin=BEGIN, end=END, steps=STEPS)
    assert found.labels.tolist() == [END] * STEPS and int(found.length) == 0
    assert float(found.log_probability) > -1e-3


def test_it_looks_where_the_score_is_largest():
    params = init_attention(KEY, 2, 3, 4)
    params = params._replace(score=100 * params.score)
    encoded = jax.random.normal(KEY, (6, 2))
    keys = keys_of(params, encoded)
    query = jnp.ones(3)
    _, weights = attend(params, keys, encoded, query, jnp.array(4))
    scores = jnp.tanh(keys + (params.from_query @ query)[None]) @ params.score
    assert int(weights.argmax()) == int(scores[:4].argmax())
    assert not weights[4:].any() and float(weights.sum()) == pytest.approx(1)
    assert not attend(params, keys, encoded, query, jnp.array(0))[0].any()


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
