"""Errors of one step and of a sequence, against the formulas written out."""

from functools import partial

import jax
import numpy as np
import pytest

from lstm_jax.losses import (
    error_signal,
    sigmoid_cross_entropy,
    softmax_cross_entropy,
    squared_error,
    squared_error_beyond,
)
from lstm_jax.types import Sequence
from tests.reference import memory_block as twin

RANDOM = np.random.default_rng(0)
OUTPUTS, TARGETS = RANDOM.uniform(-1, 1, (2, 3, 4))
CLASSES = np.eye(3, 4)


def by_hand_sigmoid(logits, target):
    p = 1 / (1 + np.exp(-logits))
    return -np.sum(target * np.log(p) + (1 - target) * np.log(1 - p), axis=0)


def by_hand_softmax(logits, target):
    p = np.exp(logits) / np.sum(np.exp(logits), axis=0)
    return -np.sum(target * np.log(p), axis=0)


def by_hand_beyond(output, target):
    miss = target - output
    return 0.5 * np.sum(np.where(np.abs(miss) < 0.4, 0.0, miss) ** 2, axis=0)


LOSSES = {
    "squared": (squared_error, lambda y, t: 0.5 * np.sum((t - y) ** 2, axis=0), TARGETS),
    "beyond": (squared_error_beyond(0.4), by_hand_beyond, TARGETS),
    "sigmoid": (sigmoid_cross_entropy, by_hand_sigmoid, np.abs(TARGETS)),
    "softmax": (softmax_cross_entropy, by_hand_softmax, CLASSES),
}


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES.keys())
def test_losses_are_their_formulas_lane_by_lane(case, x64):
    loss, by_hand, target = case
    together = jax.jit(loss)(OUTPUTS, target)
    np.testing.assert_allclose(together, by_hand(OUTPUTS, target), rtol=1e-13)
    one = jax.jit(loss)
    alone = [one(OUTPUTS[:, i], target[:, i]) for i in range(4)]
    np.testing.assert_allclose(together, alone, rtol=1e-13)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(together, by_hand(OUTPUTS * (1 + 1e-6), target), rtol=1e-13)


def slope_of(loss, output, target):
    return np.asarray(jax.jit(jax.grad(lambda y: loss(y, target).sum()))(output))


def test_the_error_signal_is_target_minus_output_without_a_factor(x64):
    slope = slope_of(squared_error, OUTPUTS, TARGETS)
    np.testing.assert_allclose(-slope, TARGETS - OUTPUTS, rtol=1e-13)
    assert not np.allclose(-slope, 2 * (TARGETS - OUTPUTS))  # control: equation 16


def test_close_outputs_send_no_error(x64):
    miss = np.abs(TARGETS - OUTPUTS)
    slope = slope_of(squared_error_beyond(0.4), OUTPUTS, TARGETS)
    np.testing.assert_array_equal(slope == 0, miss < 0.4)
    assert np.any(miss < 0.4) and np.any(miss >= 0.4)  # control: both occur


def test_cross_entropies_send_target_minus_activation(x64):
    sigmoid = slope_of(sigmoid_cross_entropy, OUTPUTS, TARGETS)
    np.testing.assert_allclose(-sigmoid, TARGETS - 1 / (1 + np.exp(-OUTPUTS)), rtol=1e-12)
    softmax = slope_of(softmax_cross_entropy, OUTPUTS, CLASSES)
    activation = np.exp(OUTPUTS) / np.sum(np.exp(OUTPUTS), axis=0)
    ones = np.sum(CLASSES, axis=0)  # the last lane has no class, and sends nothing
    np.testing.assert_allclose(-softmax, CLASSES - activation * ones, rtol=1e-12, atol=1e-15)
    assert not np.allclose(sigmoid, softmax)  # control


# ---------------------------------------------------------------- sequences

STEPS, LANES = 5, 4


def sequence(time: int = STEPS) -> tuple[np.ndarray, Sequence]:
    """Outputs, and a sequence of 3 outputs and 4 lanes with error signals here and there."""
    random = np.random.default_rng(1)
    outputs, targets = random.uniform(-1, 1, (2, time, 3, LANES))
    mask = random.uniform(size=(time, LANES)) < 0.6
    length = np.full(LANES, STEPS, np.int32)
    inputs, where = np.zeros((STEPS, 1, LANES)), "end" if time == 1 else "steps"
    return outputs, Sequence(inputs, targets, targets, mask, length, where)


@partial(jax.jit, static_argnums=0)
def errors_of(loss, outputs, given):
    return error_signal(loss, outputs, given)[0]


@pytest.mark.parametrize("time", [STEPS, 1])
def test_the_error_of_a_sequence_is_the_twins(time, x64):
    outputs, given = sequence(time)
    errors = errors_of(squared_error, outputs, given)
    for i in range(LANES):
        alone = outputs[:, :, i], given.targets[:, :, i]
        expected = twin.squared_error(*alone, given.mask[:, i])
        np.testing.assert_allclose(errors[i], expected, rtol=1e-13)
    everything = np.sum((given.targets - outputs) ** 2, axis=(0, 1)) / 2
    assert not np.allclose(errors, everything)  # control: some steps have no error signal


def test_what_is_masked_counts_for_nothing_whatever_it_is(x64):
    outputs, given = sequence()
    both = jax.jit(error_signal, static_argnums=0)
    expected = both(squared_error, outputs, given)
    for rubbish in (1e30, np.inf, np.nan):
        strewn = np.where(given.mask[:, None], given.targets, rubbish)
        found = both(squared_error, outputs, given.replace(targets=strewn))
        jax.tree.map(np.testing.assert_array_equal, found, expected)
    heard = given.replace(targets=strewn, mask=np.ones_like(given.mask))  # control
    assert all(np.isnan(part).any() for part in both(squared_error, outputs, heard))


def test_the_signals_are_the_slopes_of_the_error(x64):
    outputs, given = sequence()
    _, signal = error_signal(squared_error, outputs, given)
    slopes = jax.grad(lambda y: errors_of(squared_error, y, given).sum())(outputs)
    np.testing.assert_allclose(signal, slopes, rtol=1e-13)
    assert np.any(signal) and not np.any(signal[:, 0][~given.mask])
    assert not np.allclose(signal, outputs - given.targets)  # control: not all of them count


def test_a_loss_that_is_no_error_a_lane_is_refused():
    outputs, given = sequence()

    def mean(output, target):
        return jax.numpy.mean((output - target) ** 2)

    with pytest.raises(
        ValueError, match=r"one error a step and lane, shape \(5, 4\), got \(\)"
    ) as refusal:
        error_signal(mean, outputs, given)
    assert "\n" not in str(refusal.value)
    assert error_signal(squared_error, outputs, given)[0].shape == (LANES,)
