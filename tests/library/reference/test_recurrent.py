"""The twin of conventional nets against finite differences and against itself."""

import numpy as np
import pytest

from tests.reference import recurrent as twin
from tests.reference.memory_block import central_differences

INPUTS, UNITS, OUTPUTS, STEPS = 2, 4, 2, 6
biased = pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])


def given(bias: bool, seed: int = 0):
    """A fully recurrent net's weights, inputs, targets, mask."""
    random = np.random.default_rng(seed)
    weights = random.uniform(-2.0, 2.0, (UNITS, INPUTS + UNITS + bias))
    mask = np.arange(STEPS) % 3 != 0
    return weights, random.uniform(-1, 1, (STEPS, INPUTS)), random.random((STEPS, OUTPUTS)), mask


def gap(one, other) -> float:
    return float(np.max(np.abs(one - other)) / np.max(np.abs(other)))


def slopes(error, weights: np.ndarray) -> np.ndarray:
    flat = central_differences(lambda w: error(w.reshape(weights.shape)), weights.reshape(-1))
    return flat.reshape(weights.shape)


@biased
def test_rtrl_is_the_slope_of_the_error(bias):
    weights, inputs, targets, mask = given(bias)

    def error(weights, mask=mask):
        outputs = twin.fully_recurrent(weights, inputs)[:, :OUTPUTS]
        return twin.squared_error(outputs, targets, mask)

    found = twin.rtrl(weights, inputs, targets, mask)
    assert found.error == pytest.approx(error(weights), rel=1e-13)
    assert gap(found.gradient, slopes(error, weights)) < 1e-8
    for t in range(STEPS):
        alone = slopes(lambda w, t=t: error(w, mask & (np.arange(STEPS) == t)), weights)
        np.testing.assert_allclose(found.steps[t], alone, rtol=0, atol=1e-9)
    assert gap(found.gradient, slopes(lambda w: error(w, ~mask), weights)) > 1e-2  # control


@biased
@pytest.mark.parametrize("rate", [0.0, 0.5], ids=["still", "moving"])
def test_a_window_of_the_whole_past_is_rtrl_while_weights_are_still(bias, rate):
    exact = twin.rtrl(*given(bias), rate=rate)
    whole = twin.recent(*given(bias), window=STEPS, rate=rate)
    assert (gap(whole.steps, exact.steps) < 1e-13) == (rate == 0.0)
    assert gap(twin.recent(*given(bias), window=STEPS - 2).steps, exact.steps) > 1e-4


@biased
def test_one_step_is_the_slope_with_the_context_held(bias):
    weights, inputs, targets, mask = given(bias)
    top = np.random.default_rng(1).uniform(-2, 2, (OUTPUTS, UNITS + bias))
    held = np.vstack([np.zeros(UNITS), twin.fully_recurrent(weights, inputs)[:-1]])

    def error(hidden, top):
        read = [twin.sources(x, y, hidden) for x, y in zip(inputs, held, strict=True)]
        below = [twin.squashed(hidden, r) for r in read]
        outputs = [twin.squashed(top, twin.sources(y, np.zeros(0), top)) for y in below]
        return twin.squared_error(np.array(outputs), targets, mask)

    by_hidden, by_top = twin.one_step(weights, top, inputs, targets, mask)
    assert gap(by_hidden, slopes(lambda w: error(w, top), weights)) < 1e-8
    assert gap(by_top, slopes(lambda w: error(weights, w), top)) < 1e-8

    def through_time(weights):  # control
        return twin.squared_error(twin.elman(weights, top, inputs), targets, mask)

    assert gap(by_hidden, slopes(through_time, weights)) > 1e-3


def test_a_jordan_net_receives_its_outputs():
    weights, inputs, *_ = given(bias=True)
    hidden, top = weights[:, : INPUTS + OUTPUTS + 1], np.ones((OUTPUTS, UNITS + 1))
    outputs = twin.jordan(hidden, top, inputs)
    again = twin.jordan(hidden, top, inputs[1:])
    np.testing.assert_array_equal(outputs[0], twin.jordan(hidden, top, inputs[:1])[0])
    assert np.all(np.abs(outputs[1] - again[0]) > 1e-3)
    deaf = hidden.copy()
    deaf[:, INPUTS : INPUTS + OUTPUTS] = 0.0
    np.testing.assert_array_equal(
        twin.jordan(deaf, top, inputs)[1:], twin.jordan(deaf, top, inputs[1:])
    )
