"""Tasks of the paper's discussion: recomputed from the inputs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_jax.tasks import AND, delayed_logic, parity, steps_ago
from tests.support.samples import assert_uniform, each, edited, lane, many
from tests.support.task_catalogue import CATALOGUE


def check_logic(sequence, function=lambda a, b: a != b) -> None:
    length = int(sequence.length)
    signs, marks = sequence.inputs[:length].T
    assert 40 <= length <= 44 and not sequence.inputs[length:].any()
    assert set(signs) <= {-1.0, 1.0} and set(marks) <= {0.0, 1.0}
    first, second = np.flatnonzero(marks)
    assert 0 <= first < 4 and 20 <= second < 24
    assert sequence.targets.tolist() == [[float(function(signs[first] > 0, signs[second] > 0))]]


def check_parity(sequence) -> None:
    length = int(sequence.length)
    assert 30 <= length <= 33 and not sequence.inputs[length:].any()
    assert set(sequence.inputs[:length, 0]) <= {-1.0, 1.0}
    assert sequence.targets.tolist() == [[float((sequence.inputs > 0).sum() % 2)]]


def check_steps(sequence) -> None:
    length = int(sequence.length)
    (place,) = np.flatnonzero(sequence.inputs[:length, 0])
    assert sequence.inputs[place] == 1 and 12 <= length <= 22 and not sequence.inputs[length:].any()
    assert {3: 0.0, 11: 1.0}[length - 1 - place] == sequence.targets[0, 0]


CHECKS = {"xor": check_logic, "parity": check_parity, "steps ago": check_steps}
every = pytest.mark.parametrize("name", CHECKS)


@every
@given(seed=st.integers(0, 2**31))
def test_the_definition(name, seed):
    for sequence in each(many(CATALOGUE[name], 8, seed)):
        CHECKS[name](sequence)


@every
def test_control_corrupted_sequences(name):
    sequence = lane(many(CATALOGUE[name], 1), 0)
    place = int(np.abs(sequence.inputs[:, -1]).argmax())
    for field, index, value in [
        ("inputs", (place, -1), 0.5),
        ("inputs", (place, -1), 0.0),
        ("targets", (0, 0), 1 - sequence.targets[0, 0]),
        ("length", (), 1),
    ]:
        with pytest.raises((AssertionError, ValueError)):
            CHECKS[name](edited(sequence, field, index, value))


@every
def test_lengths_and_classes_are_uniform(name):
    sequences = many(CATALOGUE[name], 10_000)
    lengths = {"xor": range(40, 45), "parity": range(30, 34), "steps ago": range(12, 23)}
    assert_uniform(sequences.length, lengths[name])
    assert_uniform(sequences.targets[0, 0].astype(int), range(2))


def test_marks_are_uniform_and_signs_do_not_know_them():
    inputs = many(CATALOGUE["xor"], 10_000).inputs
    for window in (slice(0, 4), slice(20, 24)):
        assert_uniform(inputs[window, 1].argmax(axis=0), range(4))
    marked = inputs[:, 0][inputs[:, 1] == 1]
    assert_uniform((marked > 0).astype(int), range(2))


def test_another_truth_table():
    for sequence in each(many(delayed_logic(40, AND), 32)):
        check_logic(sequence, lambda a, b: a and b)


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: delayed_logic(9), "T must be"),
        (lambda: delayed_logic(20, (0.0, 1.0)), "four values"),
        (lambda: parity(0), "T must be"),
        (lambda: steps_ago(3, 3), "few must be"),
        (lambda: steps_ago(0, 3), "few must be"),
        (lambda: steps_ago(1, 1), "many must be"),
    ],
)
def test_what_cannot_be_drawn(make, says):
    with pytest.raises(ValueError, match=says):
        make()
