"""The mean over time, as a net."""

import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.conformance.net import check_net
from lstm_jax.networks.running_mean import running_mean


def test_it_keeps_its_contract():
    check_net(running_mean(3))


def test_at_the_last_living_step_it_is_the_mean():
    x = np.random.default_rng(0).normal(size=(6, 2, 3)).astype(np.float32)
    length = np.array([6, 3, 1])
    spoilt = jnp.where(np.arange(6)[:, None, None] < length, x, np.nan)
    found = running_mean(2).apply((), spoilt, jnp.asarray(length), None)
    for i, n in enumerate(length):
        np.testing.assert_allclose(found[n - 1, :, i], x[:n, :, i].mean(axis=0), rtol=1e-5)
        assert n == 6 or np.abs(found[n - 1, :, i] - x[:, :, i].mean(axis=0)).max() > 1e-3
    assert np.isfinite(found).all()


def test_no_units_are_refused():
    with pytest.raises(ValueError, match="units: expected at least 1, got 0"):
        running_mean(0)
