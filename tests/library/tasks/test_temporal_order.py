"""Experiment 6: symbols, places and classes, recomputed from the inputs."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_jax.tasks import temporal_order
from tests.support.samples import assert_uniform, each, edited, lane, many
from tests.support.task_catalogue import CATALOGUE

TASKS = {2: CATALOGUE["6a"], 3: CATALOGUE["6b"]}
CLASSES = {
    2: {"XX": "Q", "XY": "R", "YX": "S", "YY": "U"},
    3: {"XXX": "Q", "XXY": "R", "XYX": "S", "XYY": "U",
        "YXX": "V", "YXY": "A", "YYX": "B", "YYY": "C"},
}  # fmt: skip
# the paper's positions count from 1, those of Python from 0: E fills the gap
GRAMMAR = {
    2: r"E[a-d]{8,18}[XY][a-d]{29,49}[XY][a-d]{39,59}B",
    3: r"E[a-d]{8,18}[XY][a-d]{12,32}[XY][a-d]{22,42}[XY][a-d]{23,43}B",
}
WINDOWS = {2: [(10, 20), (50, 60)], 3: [(10, 20), (33, 43), (66, 76)]}
both = pytest.mark.parametrize("marks", [2, 3])


def letters(sequence) -> str:
    return "".join("EBabcdXY"[symbol] for symbol in sequence.inputs[: sequence.length])


def check(marks, sequence) -> None:
    """The definition, as a regular expression and a table of classes."""
    string = letters(sequence)
    places = [position for position, letter in enumerate(string, 1) if letter in "XY"]
    assert 100 <= len(string) <= 110 and not sequence.inputs[len(string) :].any()
    assert re.fullmatch(GRAMMAR[marks], string)
    assert all(low <= t <= high for t, (low, high) in zip(places, WINDOWS[marks], strict=True))
    names = list(CLASSES[marks].values())
    label = CLASSES[marks]["".join(string[t - 1] for t in places)]
    expected = [[float(name == label) for name in names]]
    assert sequence.targets.tolist() == sequence.goals.tolist() == expected
    assert sequence.mask.tolist() == [True]


@both
@given(seed=st.integers(0, 2**31))
def test_the_definition(marks, seed):
    for sequence in each(many(TASKS[marks], 8, seed)):
        check(marks, sequence)


@both
def test_control_corrupted_sequences(marks):
    sequence = lane(many(TASKS[marks], 1), 0)
    length, first = int(sequence.length), int((sequence.inputs >= 6).argmax())
    assert length < 110
    for field, index, value in [
        ("inputs", 0, 2),
        ("inputs", length - 1, 2),
        ("inputs", length, 2),
        ("inputs", 8, 6),  # a mark too many
        ("inputs", first, 3),  # a mark too few
        ("inputs", first, 13 - sequence.inputs[first]),  # X for Y
        ("inputs", 25, 1),
        ("targets", (0, 0), 1 - sequence.targets[0, 0]),
        ("goals", (0, 1), 1 - sequence.goals[0, 1]),
        ("mask", 0, False),
        ("length", (), length - 1),
    ]:
        with pytest.raises(AssertionError):
            check(marks, edited(sequence, field, index, value))
    shifted = sequence.replace(inputs=np.roll(sequence.inputs, 12))
    with pytest.raises(AssertionError):
        check(marks, shifted)


@both
def test_lengths_places_and_classes_are_uniform(marks):
    sequences = many(TASKS[marks], 10_000)
    assert_uniform(sequences.length, range(100, 111))
    assert_uniform(sequences.targets[0].argmax(axis=0), range(2**marks))
    times, lanes = np.nonzero(sequences.inputs >= 6)
    order = np.lexsort((times, lanes))
    for places, (low, high) in zip(times[order].reshape(-1, marks).T, WINDOWS[marks], strict=True):
        assert_uniform(places + 1, range(low, high + 1))


@both
def test_the_other_symbols_are_uniform(marks):
    inputs = many(TASKS[marks], 500).inputs
    assert_uniform(inputs[(inputs >= 2) & (inputs <= 5)], range(2, 6))


@both
def test_neighbours_are_independent(marks):
    inputs = many(TASKS[marks], 2000).inputs[1:9]  # before any mark
    assert_uniform((4 * inputs[:-1] + inputs[1:]).ravel() - 10, range(16))


@both
def test_the_minimal_lag_of_the_paper(marks):
    sequences = many(TASKS[marks], 10_000)
    last_mark = 109 - (sequences.inputs >= 6)[::-1].argmax(axis=0)
    lags = sequences.length - 1 - last_mark
    assert lags.min() == {2: 40, 3: 24}[marks]


@pytest.mark.parametrize("marks", [1, 4, "2"])
def test_another_number_of_marks(marks):
    with pytest.raises(ValueError, match=r"marks must be 2 .* temporal_order\(marks=2\)"):
        temporal_order(marks)
