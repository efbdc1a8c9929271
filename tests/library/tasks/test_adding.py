"""Experiments 4 and 5: marks, markers, lengths and targets, recomputed from the inputs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_jax.tasks import adding, modern_adding, modern_multiplication, multiplication
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

T = 100
SEEDS = st.integers(0, 2**31)
LOWEST = {"4": -1, "5": 0}
TARGET = {  # of the values that count
    "4": lambda x: 0.5 + sum(x) / 4,
    "5": np.prod,
    "modern sum": sum,
    "modern product": np.prod,
}
faithful = pytest.mark.parametrize("name", ["4", "5"])
modern = pytest.mark.parametrize("name", ["modern sum", "modern product"])


def parts(sequence):
    """Values and markers of the living steps."""
    alive = sequence.inputs[: sequence.length]
    assert not sequence.inputs[sequence.length :].any()
    return alive[:, 0], alive[:, 1]


def check(name, sequence, T=T, second_among=None) -> None:
    """The literal reading, in plain Python."""
    values, markers = parts(sequence)
    marked = [t for t, marker in enumerate(markers) if marker == 1]
    assert T <= len(values) <= T + T // 10
    assert LOWEST[name] <= values.min() and values.max() < 1
    assert markers[0] == markers[-1] == -1
    assert sorted(set(markers)) == [-1, 0, 1] and (markers == -1).sum() == 2
    assert 1 <= len(marked) <= 2 and marked[-1] <= (second_among or T // 2 - 1)
    if len(marked) == 2:
        assert marked[0] <= 9
    expected = TARGET[name]([values[t] for t in marked])
    assert sequence.targets.shape == (1, 1)
    assert abs(sequence.targets.item() - expected) < 1e-6
    assert np.array_equal(sequence.targets, sequence.goals) and sequence.mask.tolist() == [True]


@faithful
@given(seed=SEEDS)
def test_the_literal_reading(name, seed):
    for sequence in each(many(CATALOGUE[name], 8, seed)):
        check(name, sequence)


@given(st.integers(20, 60))
@settings(max_examples=4)
def test_any_length(T):
    for sequence in each(many(adding(T), 16)):
        check("4", sequence, T)


@faithful
def test_control_corrupted_sequences(name):
    sequence = lane(many(CATALOGUE[name], 1), 0)
    length = int(sequence.length)
    place = int(np.argmax(sequence.inputs[:, 1]))
    for field, index, value in [
        ("inputs", (place, 1), 0),  # a mark is missing
        ("inputs", (T // 2, 1), 1),  # a mark too late
        ("inputs", (place, 0), 0.123),  # the target is of another value
        ("inputs", (0, 1), 0),
        ("inputs", (length - 1, 1), 0),
        ("inputs", (20, 0), -1.5),
        ("targets", (0, 0), sequence.targets.item() + 0.01),
        ("goals", (0, 0), sequence.targets.item() + 0.01),
        ("mask", 0, False),
        ("length", (), length - 1),
    ]:
        with pytest.raises(AssertionError):
            check(name, edited(sequence, field, index, value))


@pytest.fixture(scope="module")
def draws():
    return many(CATALOGUE["4"], 20_000)


def test_lengths_are_uniform(draws):
    assert_uniform(draws.length, range(T, T + T // 10 + 1))


def test_marks_fall_where_the_paper_says(draws):
    marks = [np.flatnonzero(column == 1) for column in draws.inputs[:, 1].T]
    # past the first ten only the second mark can be; every unmarked pair is as likely
    late = [m[-1] for m in marks if m[-1] >= 10]
    assert_uniform(late, range(10, T // 2))
    assert_frequencies([m[-1] >= 10 for m in marks], {True: 40 / 49, False: 9 / 49})
    # beside a late second mark stands the first, hidden if it is on the first pair
    assert_uniform([m[0] if len(m) == 2 else 0 for m in marks if m[-1] >= 10], range(10))


def test_how_often_the_first_pair_is_marked(draws):
    hidden = (draws.inputs[:, 1] == 1).sum(axis=0) == 1
    share = 1 / 10 + 9 / 10 / 49
    assert_frequencies(hidden, {True: share, False: 1 - share})


@faithful
def test_values_are_uniform(name):
    values = many(CATALOGUE[name], 500).inputs[:T, 0]  # as long as every sequence
    low, width = LOWEST[name], 1 - LOWEST[name]
    assert_moments(values, low + width / 2, width**2 / 12, width**4 / 80)
    assert_uniform(np.floor((values - low) / width * 20).ravel(), range(20))


def test_marked_values_are_uniform_too(draws):
    value = draws.inputs[:, 0][draws.inputs[:, 1] == 1]
    assert_moments(value, 0, 1 / 3, 1 / 5)


@faithful
@given(seed=SEEDS)
def test_reading_a_mark_on_the_first_pair_stays(name, seed):
    sequences = many(CATALOGUE[f"{name}, first mark stays"], 128, seed)
    for sequence in each(sequences):
        values, markers = parts(sequence)
        marked = markers == 1
        assert marked.sum() == 2 and markers[-1] == -1
        assert markers[0] == (1 if marked[0] else -1)
        assert sequence.targets.item() == pytest.approx(TARGET[name](values[marked]), abs=1e-6)
        if marked[0]:
            assert values[0] == (0 if name == "4" else 1)
    assert (sequences.inputs[0, 1] == 1).any()


@faithful
@given(seed=SEEDS)
def test_reading_no_markers_at_the_ends(name, seed):
    sequences = many(CATALOGUE[f"{name}, no end markers"], 128, seed)
    for sequence in each(sequences):
        values, markers = parts(sequence)
        assert set(markers) == {0, 1} and markers.sum() == 2
        expected = TARGET[name](values[markers == 1])
        assert sequence.targets.item() == pytest.approx(expected, abs=1e-6)
    assert (sequences.inputs[0, 1] == 1).any()


def test_reading_both_the_first_mark_stays_and_no_markers_at_the_ends():
    sequences = many(adding(T, end_markers=False, keep_first_mark=True), 200)
    first = sequences.inputs[0]
    assert set(sequences.inputs[:, 1].ravel()) == {0, 1}
    assert (first[0] == 0).tolist() == (first[1] == 1).tolist() and first[1].any()


def test_reading_of_the_range_of_the_second_mark():
    reading = many(adding(T, second_among=T // 2 - 2), 2000)
    last = [np.flatnonzero(column == 1)[-1] for column in reading.inputs[:, 1].T]
    assert max(last) == T // 2 - 2
    for sequence in each(many(adding(T, second_among=3), 100)):
        check("4", sequence, second_among=9)


def test_readings_differ_only_in_what_they_say(draws):
    kept = many(CATALOGUE["4, first mark stays"], 20_000)
    same = draws.inputs[0, 1] == kept.inputs[0, 1]
    assert np.array_equal(draws.inputs[..., same], kept.inputs[..., same])
    np.testing.assert_allclose(draws.targets, kept.targets, atol=1e-6)


def check_modern(name, T, sequence) -> None:
    """A mark in each half, and the plain sum or product."""
    values, markers = sequence.inputs.T
    assert sequence.length == len(values) == T and set(markers) <= {0, 1}
    assert markers[: T // 2].sum() == markers[T // 2 :].sum() == 1
    x1, x2 = values[markers == 1]
    assert abs(sequence.targets.item() - TARGET[name]([x1, x2])) < 1e-6


@given(st.integers(2, 50))
@settings(max_examples=4)
def test_modern_adding_of_any_length(T):
    for sequence in each(many(modern_adding(T), 32)):
        check_modern("modern sum", T, sequence)


@modern
@given(seed=SEEDS)
def test_modern_variants(name, seed):
    for sequence in each(many(CATALOGUE[name], 8, seed)):
        check_modern(name, T, sequence)


@modern
def test_modern_marks_and_values_are_uniform(name):
    inputs = many(CATALOGUE[name], 4000).inputs
    assert_uniform(inputs[: T // 2, 1].argmax(axis=0), range(T // 2))
    assert_uniform(inputs[T // 2 :, 1].argmax(axis=0), range(T // 2))
    assert_moments(inputs[:, 0], 1 / 2, 1 / 12, 1 / 80)


@pytest.mark.parametrize("task", [adding, multiplication, modern_adding, modern_multiplication])
@pytest.mark.parametrize("T", [1, 10**6, 30.5])
def test_lengths_out_of_range(task, T):
    with pytest.raises(ValueError, match="T must be a whole number"):
        task(T)


@pytest.mark.parametrize("second_among", [0, 99])
def test_second_marks_out_of_range(second_among):
    with pytest.raises(ValueError, match="second_among must be a whole number from 1 to 98"):
        adding(100, second_among=second_among)
