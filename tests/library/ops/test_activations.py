"""Squashing functions: values, ranges and slopes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.ops.activations import (
    between,
    clipped_linear,
    identity,
    linearised_logistic,
    logistic,
    logistic_without_slope,
    squash_to,
)
from tests.reference.topology import OUTPUT, G, H
from tests.support.bridge import OUTPUTS, RANGES

POINTS = np.array([-800.0, -40.0, -3.0, -0.5, 0.0, 0.7, 2.0, 40.0, 800.0])
PAIRS = {
    **{f"g in {name}": (squash_to(RANGES[name]), twin) for name, twin in G.items()},
    **{f"h in {name}": (squash_to(RANGES[name]), twin) for name, twin in H.items()},
    **{f"{name} output": (OUTPUTS[name], twin) for name, twin in OUTPUT.items()},
}


def value_and_slope(function, points=POINTS):
    values, slopes = jax.jit(lambda x: jax.jvp(function, (x,), (jnp.ones_like(x),)))(points)
    return np.asarray(values), np.asarray(slopes)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
def test_values_and_slopes_are_the_twins(pair, x64):
    function, twin = pair
    values, slopes = value_and_slope(function)
    np.testing.assert_allclose(values, [twin.value(x) for x in POINTS], rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(slopes, [twin.slope(x) for x in POINTS], rtol=1e-13, atol=1e-15)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(values, [twin.value(x + 1e-9) for x in POINTS], rtol=1e-14)


@pytest.mark.parametrize("limits", [(-2.0, 2.0), (-1.0, 1.0), (0.0, 1.0), (-3.0, 5.0)])
def test_a_range_is_reached_and_not_left(limits):
    low, high = limits
    values, slopes = value_and_slope(between(low, high), POINTS.astype(np.float32))
    assert values[0] == low and values[-1] == high
    assert values[4] == (low + high) / 2  # at 0
    assert np.all((low <= values) & (values <= high))
    assert np.max(slopes) == slopes[4] == (high - low) / 4
    assert np.all(np.isfinite(slopes))


def test_the_slope_of_the_logistic_is_a_quarter_at_most(x64):
    _, slopes = value_and_slope(logistic, np.linspace(-8, 8, 1001))
    assert np.max(slopes) <= 0.25 and np.all(slopes > 0)
    assert not np.max(slopes) <= 0.2499  # control


def test_the_linearised_logistic_is_its_tangent_at_zero(x64):
    for function, same in ((linearised_logistic, True), (between(0, 1.1), False)):
        value, slope = value_and_slope(function, np.zeros(1))
        assert ([*value, *slope] == [0.5, 0.25]) == same
    assert value_and_slope(linearised_logistic, np.array([4.0]))[0] == [1.5]


def test_without_slope_only_the_slope_is_gone(x64):
    values, slopes = value_and_slope(logistic_without_slope)
    plain, slope = value_and_slope(logistic)
    np.testing.assert_array_equal(values, plain)
    np.testing.assert_array_equal(slopes, 1.0)
    assert not np.any(slope == 1.0)  # control
    backward = jax.grad(lambda x: 3.0 * logistic_without_slope(x))(0.3)
    np.testing.assert_allclose(backward, 3.0, rtol=1e-15)


def test_the_clipped_line_passes_no_error_where_it_is_held():
    points = np.array([-0.5, 0.25, 0.75, 1.5], np.float32)
    values, slopes = value_and_slope(clipped_linear, points)
    np.testing.assert_array_equal(values, np.float32([0, 0.25, 0.75, 1]))
    np.testing.assert_array_equal(slopes, np.float32([0, 1, 1, 0]))
    np.testing.assert_array_equal(value_and_slope(identity, points)[1], np.ones(4))  # control


def test_no_range_is_the_identity():
    assert squash_to(None) is identity
    assert squash_to((-2.0, 2.0)) is between(-2.0, 2.0)  # one function, one compiled program
    assert squash_to((-2.0, 2.0)) is not between(-1.0, 1.0)


@pytest.mark.parametrize("limits", [(1.0, -1.0), (1.0, 1.0), (float("nan"), 1.0)])
def test_what_is_no_range_is_refused(limits):
    with pytest.raises(ValueError, match=r"low < high, got \("):
        between(*limits)
    assert between(-1.0, 1.0)  # control
