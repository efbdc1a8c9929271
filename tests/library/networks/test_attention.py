"""Additive attention over several steps, against a twin that loops over numbers."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.lstm import lstm
from lstm_jax.networks.attention import attend, init_attention, keys_of
from lstm_jax.networks.decoder import decoder, teacher_forcing
from tests.reference import attention as twin
from tests.support.bridge import side_by_side

LABELS, ENCODED, TIME = 4, 2, 5
LENGTH = np.array([5, 3, 1, 0])
PREVIOUS = np.random.default_rng(0).integers(0, LABELS, (4, len(LENGTH))).astype(np.int32)
embedded = pytest.mark.parametrize("embedding", [None, 3], ids=["one-hot", "embedding"])


@lru_cache
def writer(embedding):
    return decoder(lambda n: lstm(n, 3), LABELS, ENCODED, attention=2, embedding=embedding)


def parameters(embedding, seed=0):
    """Large enough for attention to look somewhere."""
    drawn = writer(embedding).init(jax.random.key(seed))
    return jax.tree.map(lambda leaf: np.asarray(3 * leaf), drawn)


def words_of(params):
    """Parameters in the twin's words."""
    one_hot = np.eye(LABELS)
    return {
        "W_h": params.attention.from_encoded,
        "W_s": params.attention.from_query,
        "v": params.attention.score,
        **{name: getattr(params.cell, name) for name in params.cell._fields[:4]},
        "embedding": one_hot if params.embedding is None else params.embedding,
        "W_o": params.output,
        "b_o": params.bias,
    }


def sequences():
    return np.random.default_rng(1).normal(size=(TIME, ENCODED, len(LENGTH)))


def compare(seen, lane, words, encoded):
    """One lane of what was seen with the twin's; the largest deviation."""
    length = LENGTH[lane]
    wanted = twin.taught(words, encoded[:length].tolist(), PREVIOUS[:, lane].tolist())
    alignment = np.asarray(seen.alignment)[..., lane]
    assert not alignment[:, length:].any()
    found = seen.logits[..., lane], alignment[:, :length], seen.context[..., lane]
    found = (*found, seen.outputs[..., lane])
    return max(np.abs(a - b).max(initial=0) for a, b in zip(found, wanted, strict=True))


@embedded
def test_every_step_is_the_twins(embedding, x64):
    """Lengths 5 to 0 side by side, with NaN behind the end."""
    params, encoded = parameters(embedding), sequences()
    spoilt = np.where(np.arange(TIME)[:, None, None] < LENGTH, encoded, np.nan)
    run = jax.jit(lambda *given: teacher_forcing(writer(embedding), *given))
    seen = run(params, spoilt, LENGTH, PREVIOUS)
    words = words_of(params)
    for lane in range(len(LENGTH)):
        assert compare(seen, lane, words, encoded[..., lane]) < 1e-12
    # controls: other weights of the query, and of what is looked at
    for name in ("W_s", "W_h"):
        other = {**words, name: 1.1 * words[name]}
        assert compare(seen, 0, other, encoded[..., 0]) > 1e-4


@embedded
def test_every_lane_may_have_weights_of_its_own(embedding, x64):
    params = [parameters(embedding, seed) for seed in range(len(LENGTH))]
    encoded = sequences()
    run = jax.jit(lambda *given: teacher_forcing(writer(embedding), *given))
    seen = run(side_by_side(*params), encoded, LENGTH, PREVIOUS)
    for lane, own in enumerate(params):
        assert compare(seen, lane, words_of(own), encoded[..., lane]) < 1e-12
    assert compare(seen, 0, words_of(params[1]), encoded[..., 0]) > 1e-3  # control


@pytest.mark.parametrize(("length", "same_as"), [(-1, 0), (TIME + 4, TIME)])
def test_a_length_out_of_range_is_the_nearest_in_range(length, same_as, x64):
    """Inside a compiled program nobody can refuse it; gradients stay finite."""
    params, encoded = parameters(None), sequences()[..., 0]

    @jax.jit
    def error(params, encoded, length):
        def of(params, encoded):
            seen = teacher_forcing(
                writer(None), params, encoded, length, jnp.asarray(PREVIOUS[:, 0])
            )
            return jnp.sum(seen.logits**2)

        return jax.value_and_grad(of, argnums=(0, 1))(params, encoded)

    found = error(params, encoded, np.array(length))
    wanted = error(params, encoded, np.array(same_as))
    for a, b in zip(*map(jax.tree.leaves, (found, wanted)), strict=True):
        assert np.isfinite(a).all()
        np.testing.assert_array_equal(a, b)


def test_the_error_of_a_step_reaches_all_it_looked_at_and_no_more(x64):
    params = init_attention(jax.random.key(0), ENCODED, 3, 4)
    encoded = jnp.asarray(sequences()[..., 0])

    @jax.jit
    def signal(encoded):
        def seen(encoded):
            keys = keys_of(params, encoded)
            return jnp.sum(attend(params, keys, encoded, jnp.ones(3), jnp.array(3))[0])

        return jax.grad(seen)(encoded)

    sent = signal(encoded)
    assert np.abs(sent[:3]).min() > 1e-3 and not sent[3:].any()


def test_large_scores_and_single_precision_give_shares():
    """Weights of 1000: softmax neither overflows nor loses its sum."""
    params = jax.tree.map(lambda leaf: 1e3 * leaf, init_attention(jax.random.key(0), 2, 3, 4))
    encoded = jnp.asarray(sequences()[..., 0], jnp.float32)
    context, shares = attend(params, keys_of(params, encoded), encoded, jnp.ones(3), jnp.array(4))
    assert shares.dtype == context.dtype == jnp.float32
    assert np.isfinite(context).all() and float(shares.sum()) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("name", ["encoded", "query", "units"])
def test_sizes_below_one_are_refused(name):
    sizes = {"encoded": 2, "query": 3, "units": 4} | {name: 0}
    with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
        init_attention(jax.random.key(0), **sizes)
