"""Experiment 2: the strings, their ends and their lengths, spelled in the paper's symbols."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lstm_jax.tasks import fixed_distractors, random_distractors, random_lag
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

SEEDS = st.integers(0, 2**31)
P, Q = 5, 4
FIXED, RANDOM = CATALOGUE["2a"], CATALOGUE["2b"]
END_ONLY, LAG = CATALOGUE["2b, end only"], CATALOGUE["2c"]


def spelled(sequence, extra: list[str], distractors: int) -> list[str]:
    """The living symbols by the paper's names: a1, a2, ..., then the others in order."""
    names = [f"a{i}" for i in range(1, distractors + 1)] + extra
    return [names[symbol] for symbol in sequence.inputs[: sequence.length]]


def check_prediction(sequence, p, fixed) -> None:
    """2a and 2b with a target at every step."""
    string = spelled(sequence, ["x", "y"], p - 1)
    middle = string[1:-1]
    assert len(string) == len(sequence.inputs) == p + 1
    assert string[0] == string[-1] and string[0] in "xy"
    assert all(symbol.startswith("a") for symbol in middle)
    if fixed:
        assert middle == [f"a{i}" for i in range(1, p)]
    following = np.append(sequence.inputs[1:], -1)
    assert np.array_equal(sequence.targets, following[:, None] == np.arange(p + 1))
    assert np.array_equal(sequence.goals, sequence.targets)
    assert sequence.mask.tolist() == [True] * p + [False]


def check_lag(sequence, p, q, most_extra=200) -> None:
    """2c: the string of the paper is the living steps and then the target."""
    string = spelled(sequence, ["e", "b", "x", "y"], p)
    target = "xy"[sequence.targets[0].argmax()]
    b, secret, *distractors, e, end = [*string, target]
    assert (b, e, end) == ("b", "e", secret)
    assert q <= len(distractors) <= q + most_extra
    assert {symbol[0] for symbol in distractors} <= {"a"}
    assert len(sequence.inputs) == q + 3 + most_extra
    assert not sequence.inputs[sequence.length :].any()
    assert sorted(sequence.targets[0].tolist()) == [0, 1]
    assert sequence.goals.tolist() == sequence.targets.tolist()
    assert sequence.mask.tolist() == [True]


@given(SEEDS)
def test_the_definitions(seed):
    for sequence in each(many(FIXED, 8, seed)):
        check_prediction(sequence, P, fixed=True)
    for sequence in each(many(RANDOM, 8, seed)):
        check_prediction(sequence, P, fixed=False)
    for sequence in each(many(LAG, 8, seed)):
        check_lag(sequence, P, Q)


@given(st.integers(2, 12))
@settings(max_examples=3)
def test_any_delay(p):
    for sequence in each(many(fixed_distractors(p), 8)):
        check_prediction(sequence, p, fixed=True)
    for sequence in each(many(random_distractors(p), 8)):
        check_prediction(sequence, p, fixed=False)


@given(st.integers(1, 12), st.integers(0, 12), st.integers(0, 9))
@settings(max_examples=6)
def test_any_lag(p, q, most_extra):
    for sequence in each(many(random_lag(p, q, most_extra=most_extra), 8)):
        check_lag(sequence, p, q, most_extra)


def test_control_corrupted_predictions():
    sequence = lane(many(FIXED, 1), 0)
    edge = int(sequence.inputs[0])
    for field, index, value in [
        ("inputs", 0, 2 * P - 1 - edge),  # x for y
        ("inputs", P, 2 * P - 1 - edge),
        ("inputs", 2, 3),
        ("inputs", 2, edge),
        ("targets", (2, 0), 1),
        ("targets", (P, 0), 1),
        ("goals", (2, 0), 1),
        ("mask", 2, False),
        ("mask", P, True),
        ("length", (), P),
    ]:
        with pytest.raises(AssertionError):
            check_prediction(edited(sequence, field, index, value), P, fixed=True)
    with pytest.raises(AssertionError):
        check_prediction(lane(many(RANDOM, 1), 0), P, fixed=True)


def test_control_corrupted_lags():
    sequence = lane(many(LAG, 1), 0)
    length, secret = int(sequence.length), int(sequence.inputs[1])
    for field, index, value in [
        ("inputs", 0, P),
        ("inputs", 1, 2 * P + 5 - secret),  # x for y
        ("inputs", 3, P),  # e too early
        ("inputs", length - 1, 0),  # no trigger
        ("inputs", length, 1),
        ("targets", 0, 1 - sequence.targets[0]),
        ("goals", 0, 1 - sequence.targets[0]),
        ("mask", 0, False),
        ("length", (), length - 1),
        ("length", (), length + 1),
    ]:
        with pytest.raises(AssertionError):
            check_lag(edited(sequence, field, index, value), P, Q)
    with pytest.raises(AssertionError):
        check_lag(sequence, P, length)


@pytest.mark.parametrize("task", [FIXED, RANDOM, END_ONLY], ids=["2a", "2b", "2b end"])
def test_x_and_y_are_equally_likely(task):
    assert_uniform(many(task, 4000).inputs[0], [P - 1, P])


def test_the_middle_of_2b_is_uniform():
    inputs = many(RANDOM, 4000).inputs
    for step in range(1, P):
        assert_uniform(inputs[step], range(P - 1))
    assert_uniform((4 * inputs[1] + inputs[2]), range(16))  # neighbours are independent
    assert_uniform((inputs[0] - P + 1) * 4 + inputs[1], range(8))  # and of the edge


@given(SEEDS)
def test_the_end_of_2b_alone_is_that_of_the_same_string(seed):
    whole, end = many(RANDOM, 8, seed), many(END_ONLY, 8, seed)
    assert np.array_equal(end.inputs, whole.inputs[:-1])
    assert np.array_equal(end.targets[0], whole.targets[P - 1])
    assert np.array_equal(end.goals, end.targets)
    assert (end.length == P).all() and end.mask.all() and end.mask.shape == (1, 8)


def test_2c_is_uniform_where_it_is_free():
    sequences = many(LAG, 4000)
    assert_uniform(sequences.inputs[1], [P + 2, P + 3])
    assert_uniform(sequences.inputs[2 : 2 + Q].ravel(), range(P))
    assert_uniform(P * sequences.inputs[2] + sequences.inputs[3], range(P * P))


def test_2c_waits_geometrically():
    further = many(LAG, 20_000).length - Q - 3
    expected = {k: 0.1 * 0.9**k for k in range(20)}
    # the definition gives the mean 9, not the 10 of "expected length q + 14"
    assert_moments(further, 9, 90, 90 * (9 * 90 + 1))
    with pytest.raises(AssertionError):
        assert_moments(further, 10, 110, 110 * (9 * 110 + 1))
    assert_frequencies(np.minimum(further, 20), {**expected, 20: 0.9**20})
    with pytest.raises(AssertionError):
        assert_frequencies(np.minimum(further, 20), dict.fromkeys(range(21), 1 / 21))


def test_2c_waits_independently_of_the_secret():
    sequences = many(LAG, 20_000)
    secret = sequences.inputs[1] == P + 2
    for chosen in secret, ~secret:
        assert_moments(sequences.length[chosen] - Q - 3, 9, 90, 90 * (9 * 90 + 1))


def test_2c_clamps_the_wait():
    further = many(random_lag(P, Q, most_extra=3), 5000).length - Q - 3
    assert_frequencies(further, {0: 0.1, 1: 0.09, 2: 0.081, 3: 0.729})
    assert 0.9**201 < 1e-9  # by default that changes nothing


@pytest.mark.parametrize(
    "make, complaint",
    [
        (lambda: fixed_distractors(1), "p must be a whole number from 2"),
        (lambda: random_distractors(1.5), "p must be a whole number from 2"),
        (lambda: random_lag(0, 5), "p must be a whole number from 1"),
        (lambda: random_lag(5, -1), "q must be a whole number from 0"),
        (lambda: random_lag(5, 5, most_extra=-1), "most_extra must be a whole number from 0"),
    ],
)
def test_arguments_out_of_range(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
