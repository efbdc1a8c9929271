"""What stands behind the end of a sequence changes nothing."""

import jax
import numpy as np
import pytest
from hypothesis import given as hypothesise
from hypothesis import strategies as st

from lstm_jax.cells.simple import RecurrentParams, fully_recurrent
from lstm_jax.losses import squared_error
from lstm_jax.ops.activations import identity
from tests.support import rules
from tests.support.bridge import (
    assert_close,
    assert_same,
    lane,
    side_by_side,
    to_params,
    to_sequence,
)
from tests.support.forms import RULES, SMALL, STEPS, alive, ended, learner, problem

EXACT = {
    "by_definition",
    "forward_traces",
    "bptt",
    "rtrl",
}  # the parallel scan adds up in another order
TOPOLOGY = SMALL["1997"]
numbers = st.floats(width=32)  # NaN and infinity among them
lengths = st.integers(1, STEPS)


def littered(sequence, value: float, symbol: int | None = None):
    """The same sequence with other numbers behind its end."""
    dead = np.arange(len(sequence.inputs)) >= sequence.length

    def strew(values, rubbish):
        where = dead.reshape(-1, *[1] * (values.ndim - 1))
        return np.where(where, np.asarray(rubbish, values.dtype), values)

    return sequence.replace(
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
    rubbish = short.replace(inputs=rubbish.inputs)
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
    touched = littered(sequence.replace(length=np.int32(4)), 2.0).replace(length=sequence.length)
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


@pytest.mark.parametrize("rubbish", [np.nan, np.inf, -np.inf, 3e38])
def test_no_number_behind_the_end_is_ever_read(rubbish):
    params, sequence = problem(TOPOLOGY, 5, 5).ask()
    clean = learner(TOPOLOGY)(params, sequence)
    assert_untouched(learner(TOPOLOGY)(params, littered(sequence, rubbish)), clean, 5)
    read = littered(sequence.replace(length=np.int32(4)), rubbish).replace(length=sequence.length)
    found = learner(TOPOLOGY)(params, read)  # control: it lives
    assert not any(np.array_equal(found[rule].loss, clean[rule].loss) for rule in RULES)


# ---------------------------------------------------------------- a net that would blow up

LINEAR = fully_recurrent(1, 2, 1, activation=identity, bias=False)
BEHIND = (0, 10, 100, 1000)  # in padding that lived, this net would overflow from 100 steps on
LINEAR_RULES = tuple(name for name in rules.RULES if name != "forward_traces")


def growing(behind: int):
    """A net whose largest eigenvalue is 3.1, and a sequence of 4 steps and so many dead ones."""
    params = RecurrentParams(
        np.float32([[0.7], [-0.4]]), np.float32([[3.0, 0.5], [0.2, 2.0]]), None
    )
    x, d = np.ones((4, 1), np.float32), np.full((4, 1), 0.5, np.float32)
    return params, to_sequence(x, d, np.ones(4, bool), 4 + behind, padding=1.0)


@pytest.mark.parametrize("name", LINEAR_RULES)
def test_padding_of_any_length_does_not_blow_up(name):
    learn = jax.jit(rules.RULES[name](LINEAR, squared_error))
    clean = learn(*growing(0))
    for behind in BEHIND[1:]:
        found = learn(*growing(behind))
        assert_close(found.loss, clean.loss, 1e-6)
        assert_close(found.grads, clean.grads, 1e-6)
    params, sequence = growing(1000)  # control: living steps do
    assert not np.isfinite(learn(params, sequence.replace(length=np.int32(1004))).outputs).all()
