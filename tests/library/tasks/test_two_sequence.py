"""Experiment 3: signal, noise, lengths and targets, as the definition implies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_jax.tasks import two_sequence
from tests.support.samples import (
    assert_frequencies,
    assert_moments,
    assert_uniform,
    each,
    edited,
    lane,
    many,
)
from tests.support.task_catalogue import CATALOGUE

T, N = 100, 3
A, B, C = CATALOGUE["3a"], CATALOGUE["3b"], CATALOGUE["3c"]
VARIANCE = 0.2
all_three = pytest.mark.parametrize("task", [A, B, C], ids=["3a", "3b", "3c"])


def is_class1(sequences):
    """From the goals, which have no noise: 1 of (1, 0), 0.2 of (0.2, 0.8)."""
    return np.isin(sequences.goals[0, 0], np.float32([1.0, 0.2]))


def check(sequence, T=T, N=N, targets=(1, 0)) -> None:
    """3a and 3c, in plain Python; targets are compared without their noise."""
    elements = sequence.inputs[:, 0].tolist()
    assert T <= sequence.length <= T + T // 10 == len(elements)
    assert elements[:N] in ([1] * N, [-1] * N)
    assert all(-3 < x < 3 and abs(x) != 1 for x in elements[N : sequence.length])
    assert not any(elements[sequence.length :])
    assert sequence.goals.tolist() == [[np.float32(targets[elements[0] == -1])]]
    assert sequence.targets.shape == (1, 1) and sequence.mask.tolist() == [True]


@given(st.integers(0, 2**31))
def test_the_definition_of_3a_and_3c(seed):
    for sequence in each(many(A, 8, seed)):
        check(sequence)
        assert sequence.targets == sequence.goals
    for sequence in each(many(C, 8, seed)):
        check(sequence, targets=(0.2, 0.8))


@given(st.integers(1, 40), st.integers(1, 10))
@settings(max_examples=6)
def test_any_size(T, N):
    for sequence in each(many(two_sequence(max(T, N), N), 16)):
        check(sequence, max(T, N), N)


def test_control_corrupted_sequences():
    sequence = lane(many(A, 1), 0)
    length = int(sequence.length)
    assert length < 110
    for field, index, value in [
        ("inputs", (1, 0), -sequence.inputs[1, 0]),
        ("inputs", slice(0, 3), -sequence.inputs[:3]),  # the other class
        ("inputs", (N, 0), 1),
        ("inputs", (length, 0), 0.1),
        ("goals", (0, 0), 1 - sequence.goals[0, 0]),
        ("mask", 0, False),
        ("length", (), length - 1),
        ("length", (), 99),
    ]:
        with pytest.raises(AssertionError):
            check(edited(sequence, field, index, value))
    with pytest.raises(AssertionError):
        check(sequence, N=4)
    with pytest.raises(AssertionError):
        check(lane(many(B, 1), 0))


@all_three
def test_lengths_and_classes_are_uniform(task):
    sequences = many(task, 5000)
    assert_uniform(sequences.length, range(100, 111))
    assert_frequencies(is_class1(sequences), {True: 0.5, False: 0.5})


def assert_gaussian(noise: np.ndarray, variance: float) -> None:
    """Mean, variance and the share within one and two deviations."""
    assert_moments(noise, 0, variance, 3 * variance**2)
    deviations = np.abs(noise) / np.sqrt(variance)
    for within, share in [(1, 0.682689), (2, 0.954500), (3, 0.997300)]:
        error = 5 * np.sqrt(share * (1 - share) / noise.size)
        assert abs((deviations < within).mean() - share) < error


@all_three
def test_the_noise_has_variance_one_fifth(task):
    noise = many(task, 1000).inputs[N:T, 0].ravel()  # all of it alive
    assert_gaussian(noise, VARIANCE)
    with pytest.raises(AssertionError):
        assert_gaussian(noise, VARIANCE**2)  # were 0.2 the standard deviation
    with pytest.raises(AssertionError):
        assert_gaussian(np.sqrt(12 * VARIANCE) * (np.arange(noise.size) / noise.size - 0.5), 0.2)


def test_noise_is_independent_from_step_to_step():
    x = many(A, 1000).inputs[N:T, 0]
    products = x[:-1] * x[1:]
    assert abs(products.mean()) < 5 * VARIANCE / np.sqrt(products.size)


def test_3b_adds_the_noise_to_the_signal():
    sequences = many(B, 20_000)
    signal = np.where(is_class1(sequences), 1, -1)
    assert_gaussian((sequences.inputs[:N, 0] - signal).ravel(), VARIANCE)
    assert np.array_equal(sequences.targets, sequences.goals)
    exact = many(A, 20_000)
    with pytest.raises(AssertionError):
        assert_gaussian((exact.inputs[:N, 0] - signal).ravel(), VARIANCE)
    assert np.array_equal(exact.inputs[N:], sequences.inputs[N:])


def test_3c_adds_noise_to_the_targets_only():
    sequences = many(C, 20_000)
    noise = (sequences.targets - sequences.goals)[0, 0]
    assert_gaussian(noise, 0.1)
    with pytest.raises(AssertionError):
        assert_gaussian(noise, 0.01)
    for chosen in is_class1(sequences), ~is_class1(sequences):
        assert_gaussian(noise[chosen], 0.1)


def test_other_variances():
    task = two_sequence(50, 1, variance=0.5, target_variance=0.01)
    sequences = many(task, 5000)
    assert_gaussian(sequences.inputs[1:50, 0].ravel(), 0.5)
    assert_gaussian((sequences.targets - sequences.goals).ravel(), 0.01)


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ({"T": 100, "N": 0}, "N must be a whole number from 1"),
        ({"T": 2, "N": 3}, "T must be a whole number from 3"),
        ({"T": 100, "N": 1, "variance": -1}, "variance must be finite .* write variance=0"),
        ({"T": 100, "N": 1, "target_variance": np.nan}, "target_variance must be finite"),
        ({"T": 100, "N": 1, "targets": 0.5}, r"targets must be the pair .* targets=\(0.2, 0.8\)"),
    ],
)
def test_arguments_out_of_range(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        two_sequence(**arguments)
