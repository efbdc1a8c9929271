"""What stands behind the end of a sequence changes nothing."""

import numpy as np
import pytest
from hypothesis import given as hypothesise
from hypothesis import strategies as st

from tests.bridge import assert_close, assert_same, lane, side_by_side, to_params, to_sequence
from tests.gradients.forms import RULES, SMALL, STEPS, alive, ended, learner, problem

EXACT = {"definition", "online", "bptt", "rtrl"}  # the time-parallel form adds up in another order
TOPOLOGY = SMALL["1997"]
numbers = st.floats(-1e3, 1e3, width=32)
lengths = st.integers(1, STEPS)


def littered(sequence, value: float, symbol: int | None = None):
    """The same sequence with other numbers behind its end."""
    dead = np.arange(len(sequence.inputs)) >= sequence.length

    def strew(values, rubbish):
        where = dead.reshape(-1, *[1] * (values.ndim - 1))
        return np.where(where, np.asarray(rubbish, values.dtype), values)

    return sequence._replace(
        inputs=strew(sequence.inputs, value if symbol is None else symbol),
        targets=strew(sequence.targets, value),
        goals=strew(sequence.goals, value),
    )


def assert_untouched(learned: dict, clean: dict, length: int) -> None:
    """The same loss, gradient and living outputs: bit for bit, or to rounding."""
    for rule in RULES:
        found, expected = alive(learned[rule], length), alive(clean[rule], length)
        if rule in EXACT:
            assert_same(found, expected)
        else:
            assert_close(found, expected, 1e-5)


@hypothesise(st.sampled_from([TOPOLOGY, SMALL["everything"]]), lengths, numbers)
def test_rubbish_behind_the_end_changes_nothing(topology, length, value):
    params, sequence = problem(topology, length, length).ask()
    learn = learner(topology)
    assert_untouched(learn(params, littered(sequence, value)), learn(params, sequence), length)


@hypothesise(lengths, numbers)
def test_nor_behind_a_target_at_the_end(length, value):
    params, sequence = problem(TOPOLOGY, length, length).at_end().ask()
    short, rubbish = ended(sequence), littered(sequence, value)
    rubbish = short._replace(inputs=rubbish.inputs)
    learn = learner(TOPOLOGY)
    assert_untouched(learn(params, rubbish), learn(params, short), 1)


@hypothesise(lengths, st.integers(0, 2))
def test_nor_a_symbol(length, symbol):
    params, sequence = problem(TOPOLOGY, length, length).symbolic().ask_symbols()
    learned = learner(TOPOLOGY)(params, littered(sequence, 0.5, symbol))
    assert_untouched(learned, learner(TOPOLOGY)(params, sequence), length)


@hypothesise(st.integers(1, STEPS - 1), numbers)
def test_nor_in_the_next_lane(length, value):
    short, whole = problem(TOPOLOGY, length, length).ask(), problem(TOPOLOGY, 9, STEPS).ask()
    littering = short[0], littered(short[1], value)
    clean = learner(TOPOLOGY)(*side_by_side(short, whole, whole))
    learned = learner(TOPOLOGY)(*side_by_side(littering, whole, whole))
    assert_untouched(lane(learned, 0), lane(clean, 0), length)
    assert_same(lane(learned, 1), lane(clean, 1))


def test_what_lives_does_change_something():  # control
    params, sequence = problem(TOPOLOGY, 5, 5).ask()
    touched = littered(sequence._replace(length=np.int32(4)), 2.0)._replace(length=sequence.length)
    learned, clean = (learner(TOPOLOGY)(params, one) for one in (touched, sequence))
    for rule in RULES:
        with pytest.raises(AssertionError):
            assert_untouched({**clean, rule: learned[rule]}, clean, 5)


def test_padding_of_any_length(x64):
    given = problem(TOPOLOGY, 7, 5)
    params = to_params(*given[:2])
    padded = learner(TOPOLOGY)(params, to_sequence(*given[2:], steps=13))
    clean = learner(TOPOLOGY)(*given.ask())
    for rule in RULES:
        assert_close(alive(padded[rule], 5), alive(clean[rule], 5), 1e-14)


@pytest.mark.parametrize("rule", ["online", "rtrl"])
def test_what_is_carried_forward_never_reads_behind_the_end(rule):
    params, sequence = problem(TOPOLOGY, 5, 5).ask()
    clean = learner(TOPOLOGY)(params, sequence)
    read = learner(TOPOLOGY)(params, littered(sequence, np.nan))
    assert_same(alive(read[rule], 5), alive(clean[rule], 5))
    assert np.isnan(read["bptt"].grads.from_cell).any()  # control
