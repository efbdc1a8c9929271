"""Random words become numbers as exact arithmetic and the normal distribution say."""

from statistics import NormalDist

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_jax.ops.random_words import (
    MOST_VALUES,
    normal,
    random_words,
    uniform,
    uniform_int,
    uniform_signed,
)

WORDS = st.integers(0, 2**32 - 1)
EXTREMES = np.array([0, 1, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)
MANY = random_words(jax.random.key(0), 100_000)


@given(WORDS, st.integers(1, MOST_VALUES))
def test_below_is_the_exact_product(word, n):
    assert int(uniform_int(jnp.uint32(word), n)) == word * n >> 32


def test_below_reaches_every_value():
    words = jnp.arange(0, 2**32, 2**16, dtype=jnp.uint32)
    assert uniform_int(words, MOST_VALUES).tolist() == list(range(MOST_VALUES))


@pytest.mark.parametrize("reals, low, high", [(uniform, 0, 1), (uniform_signed, -1, 1)])
def test_reals_keep_in_their_range_and_grid(reals, low, high):
    values = np.asarray(reals(EXTREMES), np.float64)
    assert values[0] == low and values[-1] == high - (high - low) * 2**-24
    assert np.array_equal(values, low + (high - low) * (EXTREMES >> 8) * 2**-24)


def test_normal_inverts_the_distribution_function():
    words = np.concatenate([EXTREMES, np.arange(0, 2**32, 2**24, dtype=np.uint32)])
    exact = [NormalDist().inv_cdf(((int(word) >> 9) + 0.5) / 2**23) for word in words]
    np.testing.assert_allclose(normal(words), exact, rtol=2e-5, atol=1e-6)


def test_normal_stays_finite_at_both_ends():
    ends = normal(EXTREMES[[0, -1]])
    assert ends[0] == -ends[1] and 5.2 < ends[1] < 5.3


def test_normal_follows_the_bell():
    values = np.asarray(normal(MANY))
    for quantile in (0.01, 0.1, 0.5, 0.9, 0.99):
        share = (values < NormalDist().inv_cdf(quantile)).mean()
        assert abs(share - quantile) < 5 * np.sqrt(quantile * (1 - quantile) / values.size)


@pytest.mark.parametrize("reals", [uniform, uniform_signed, normal])
def test_a_word_is_the_same_number_in_either_precision(reals):
    single = np.asarray(reals(MANY))
    with jax.enable_x64(True):
        double = np.asarray(reals(MANY))
    assert (single.dtype, double.dtype) == (np.float32, np.float64)
    np.testing.assert_allclose(single, double, rtol=1e-5, atol=1e-6)
    if reals is not normal:
        assert np.array_equal(single, double)
