"""The statistics that the other tests rely on accept what is right and nothing else."""

import numpy as np
import pytest

from tests.support.samples import assert_frequencies, assert_moments, assert_uniform

FAIR = np.random.default_rng(0).integers(0, 10, 5000)
GAUSSIAN = np.random.default_rng(0).normal(0, np.sqrt(0.2), 20_000)


def test_fair_draws_pass():
    assert_uniform(FAIR, range(10))
    assert_frequencies(FAIR == 3, {True: 0.1, False: 0.9})
    assert_moments(GAUSSIAN, 0, 0.2, 3 * 0.2**2)


@pytest.mark.parametrize("support", [range(9), range(11), range(1, 11)])
def test_control_another_support(support):
    with pytest.raises(AssertionError):
        assert_uniform(FAIR, support)


def test_control_a_biased_draw():
    with pytest.raises(AssertionError, match="sigma"):
        assert_uniform(np.where(FAIR == 3, FAIR[::-1], FAIR), range(10))
    with pytest.raises(AssertionError, match="sigma"):
        assert_frequencies(FAIR == 3, {True: 0.2, False: 0.8})


def test_control_draws_too_even_to_be_random():
    with pytest.raises(AssertionError, match="sigma"):
        assert_uniform(np.arange(100_000) % 200, range(200))


def test_control_other_moments():
    with pytest.raises(AssertionError):
        assert_moments(GAUSSIAN, 0.05, 0.2, 3 * 0.2**2)
    with pytest.raises(AssertionError):
        assert_moments(GAUSSIAN, 0, 0.22, 3 * 0.22**2)
