"""Every form of every gradient is the twin's, and the files', on every topology."""

import jax
import numpy as np
import pytest

from lstm_jax.losses import squared_error
from tests.reference.data import NAMES, load
from tests.support.bridge import assert_close, gap, net_of, to_flat, to_params, to_sequence
from tests.support.forms import (
    FEW,
    FIVE,
    FULL,
    RULES,
    SMALL,
    TRUNCATED,
    TWO,
    Problem,
    assert_agree,
    ended,
    every,
    learner,
    problem,
)

JUST_CUT = tuple(TRUNCATED)
COMPARED = (SMALL["1997"], SMALL["everything"])  # the full gradient in single precision too
FILES_IN_SINGLE = ("exp3a-truncated", "exp4-truncated", "exp4-full", "exp4-forget-truncated")


@pytest.mark.parametrize(**every(quickly=(*FIVE, "1997")))
def test_gradients_are_the_twins(topology, tolerance):
    double = tolerance < 1e-5
    learn = learner(topology) if double or topology in COMPARED else learner(topology, JUST_CUT)
    for steps in (1, 2, 6, 8):
        given = problem(topology, steps, steps)
        learned = learn(*given.ask())
        assert_agree(learned, given, tolerance)

    disturbed = given._replace(weights=given.weights * (1 + 20 * tolerance))  # control
    with pytest.raises(AssertionError):
        assert_agree(learned, disturbed, tolerance)


def test_single_precision_is_not_double():
    given = problem(SMALL["1997"], 6)
    learned = learner(given.topology)(*given.ask())
    for rule in RULES:
        gradient = to_flat(given.topology, learned[rule].grads)
        assert 1e-10 < gap(gradient, learned_in_double(given, rule)) < 1e-6


def learned_in_double(given: Problem, rule: str) -> np.ndarray:
    with jax.enable_x64(True):
        return to_flat(given.topology, learner(given.topology)(*given.ask())[rule].grads)


@pytest.mark.parametrize(**every(quickly=(*FIVE, "1997")))
def test_the_cut_matters_exactly_where_there_is_recurrence(topology, x64):
    given = problem(topology, 3, 8)
    learned = learner(topology)(*given.ask())
    flat = {rule: to_flat(topology, found.grads) for rule, found in learned.items()}
    for rule in TRUNCATED:
        apart = gap(flat[rule], flat["bptt"])
        if topology.recurrence == "none":
            assert apart < 1e-13
        else:
            assert apart > 1e-4


def assert_is_the_file(name: str, tolerance: float) -> None:
    case = load(name)
    rules = JUST_CUT if case.truncated else tuple(FULL)
    params = to_params(case.topology, case.weights)
    sequence = to_sequence(case.inputs, case.targets, case.mask)
    for rule, found in learner(case.topology, rules)(params, sequence).items():
        np.testing.assert_allclose(found.loss, case.error, rtol=tolerance)
        np.testing.assert_allclose(found.outputs, case.outputs, rtol=0, atol=tolerance)
        assert gap(to_flat(case.topology, found.grads), case.gradient) < tolerance, rule


@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_the_files(name, x64):
    assert_is_the_file(name, 1e-10)


@pytest.mark.parametrize("name", FILES_IN_SINGLE)
def test_gradients_are_those_of_the_files_in_single_precision(name):
    assert_is_the_file(name, 1e-4)
    with pytest.raises(AssertionError):
        assert_is_the_file(name, 1e-10)


def test_files_tell_the_cut_from_no_cut(x64):  # control
    cut, full = load("exp4-truncated"), load("exp4-full")
    np.testing.assert_array_equal(cut.weights, full.weights)
    assert gap(cut.gradient, full.gradient) > 1e-3


@pytest.mark.parametrize(**every(TWO))
def test_a_target_at_the_end_needs_no_time_axis(topology, x64):
    for steps in (1, 5, 8):
        given = problem(topology, 20 + steps, steps).at_end()
        params, sequence = given.ask()
        learned = learner(topology)(params, ended(sequence))
        assert all(len(found.outputs) == 1 for found in learned.values())
        assert_agree(learned, given, 1e-10)

    early = ended(sequence).replace(length=sequence.length - 1)  # control
    with pytest.raises(AssertionError):
        assert_agree(learner(topology)(params, early), given, 1e-10)


@pytest.mark.parametrize(**every(FEW[1:]))
def test_symbols_are_one_hot_vectors(topology, x64):
    given = problem(topology, 30, 7).symbolic()
    params, sequence = given.ask_symbols()
    assert sequence.inputs.shape == (8,)
    assert_agree(learner(topology)(params, sequence), given, 1e-10)

    other = sequence.replace(inputs=(sequence.inputs + 1) % topology.inputs)  # control
    with pytest.raises(AssertionError):
        assert_agree(learner(topology)(params, other), given, 1e-10)


@pytest.mark.parametrize("ends", [False, True], ids=["every step", "end only"])
def test_without_an_error_signal_there_is_no_gradient(ends, x64):
    given = problem(SMALL["everything"], 40)
    params, sequence = given._replace(mask=np.zeros(6, bool)).ask()
    sequence = ended(sequence) if ends else sequence
    for learned in learner(given.topology)(params, sequence).values():
        assert learned.loss == 0
        assert not any(np.any(leaf) for leaf in jax.tree.leaves(learned.grads))

    heard = sequence.replace(mask=np.ones_like(sequence.mask))  # control
    for learned in learner(given.topology)(params, heard).values():
        assert all(np.any(leaf) for leaf in jax.tree.leaves(learned.grads))


def test_compiled_is_not_compiled(x64):
    rule = "forward_traces"
    given = problem(SMALL["1997"], 50)
    compiled = learner(given.topology)
    learned = RULES[rule](net_of(given.topology), squared_error)(*given.ask())
    assert_close(learned, compiled(*given.ask())[rule], 1e-13)
    with pytest.raises(AssertionError):
        assert_close(learned, compiled(*problem(SMALL["1997"], 51).ask())[rule], 1e-13)
