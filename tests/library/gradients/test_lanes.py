"""Lanes are a loop: with weights of their own, with shared weights, with symbols, under vmap."""

import jax
import numpy as np
import pytest

from lstm_jax.losses import squared_error
from tests.support.bridge import assert_close, assert_same, gap, lane, net_of, side_by_side, to_flat
from tests.support.forms import (
    FEW,
    RULES,
    SMALL,
    TWO,
    assert_agree,
    ended,
    every,
    learner,
    problem,
)

LENGTHS = (1, 8, 5)
TOPOLOGY = SMALL["1997"]


def problems(topology, symbolic=False) -> list:
    """One problem a lane, of different weights, inputs and lengths."""
    given = [problem(topology, 60 + steps, steps) for steps in LENGTHS]
    return [one.symbolic(i) for i, one in enumerate(given)] if symbolic else given


def asked(given: list, symbolic=False):
    """Their parameters and sequences as lanes."""
    return side_by_side(*(one.ask_symbols() if symbolic else one.ask() for one in given))


def living(learned):
    """Without the outputs behind the end of each lane, which mean nothing."""
    outputs = [np.asarray(learned.outputs)[:steps, :, i] for i, steps in enumerate(LENGTHS)]
    return learned._replace(outputs=outputs)


@pytest.mark.parametrize(**every((*TWO, "cells feed back"), ["everything"]))
def test_each_lane_is_a_problem_of_its_own(topology, x64):
    given = problems(topology)
    learned = learner(topology)(*asked(given))
    for i, one in enumerate(given):
        assert_agree(lane(learned, i), one, 1e-10)
    with pytest.raises(AssertionError):
        assert_agree(lane(learned, 0), given[1], 1e-10)


@pytest.mark.parametrize(**every(FEW[:2], ["1997"]))
def test_each_lane_has_its_own_symbols(topology, x64):
    given = problems(topology, symbolic=True)
    params, sequence = asked(given, symbolic=True)
    assert sequence.inputs.shape == (8, 3)
    learned = learner(topology)(params, sequence)
    for i, one in enumerate(given):
        assert_agree(lane(learned, i), one, 1e-10)
    with pytest.raises(AssertionError):
        assert_agree(lane(learned, 0), given[1], 1e-10)


@pytest.mark.parametrize(**every(TWO, ["1997"]))
def test_each_lane_has_its_own_end(topology, x64):
    given = [one.at_end() for one in problems(topology)]
    params = side_by_side(*(one.ask()[0] for one in given))
    sequence = side_by_side(*(ended(one.ask()[1]) for one in given))
    learned = learner(topology)(params, sequence)
    for i, one in enumerate(given):
        assert_agree(lane(learned, i), one, 1e-10)

    together = sequence.replace(length=np.full(3, 8, np.int32))  # control
    with pytest.raises(AssertionError):
        assert_agree(lane(learner(topology)(params, together), 0), given[0], 1e-10)


@pytest.mark.parametrize(**every(TWO, ["everything"]))
def test_lanes_that_share_weights_add_their_gradients(topology, x64):
    weights = problem(topology, 70).weights
    given = [one._replace(weights=weights) for one in problems(topology)]
    params, sequence = given[0].ask()[0], asked(given)[1]
    learned = learner(topology)(params, sequence)
    alone = [learner(topology)(*one.ask()) for one in given]
    for rule in RULES:
        flat = [to_flat(topology, one[rule].grads) for one in alone]
        together = to_flat(topology, learned[rule].grads)
        assert gap(together, sum(flat)) < 1e-13
        assert gap(together, sum(flat[1:])) > 1e-4  # control
        losses = [one[rule].loss for one in alone]
        np.testing.assert_allclose(learned[rule].loss, losses, rtol=1e-13)


@pytest.mark.parametrize("rule", ["parallel_scan", "forward_traces"])
def test_vmap_is_a_loop(rule, x64):
    params, sequence = asked(problems(TOPOLOGY))
    rule_of_one = RULES[rule](net_of(TOPOLOGY), squared_error)
    mapped = jax.jit(jax.vmap(rule_of_one, in_axes=-1, out_axes=-1))
    lanes = living(learner(TOPOLOGY)(params, sequence)[rule])
    assert_close(living(mapped(params, sequence)), lanes, 1e-13)
    with pytest.raises(AssertionError):
        assert_close(living(mapped(lane(params, np.array([1, 0, 2])), sequence)), lanes, 1e-13)


def test_lanes_change_places_bit_for_bit():
    params, sequence = asked(problems(TOPOLOGY))
    order = np.array([2, 0, 1])
    straight = lane(learner(TOPOLOGY)(params, sequence), slice(None))
    learned = learner(TOPOLOGY)(*lane((params, sequence), order))
    assert_same(lane(learned, slice(None)), lane(straight, order))
    with pytest.raises(AssertionError):
        assert_same(lane(learned, slice(None)), straight)


def test_lanes_may_have_two_axes(x64):
    params, sequence = asked([*problems(TOPOLOGY), problem(TOPOLOGY, 64, 4)])
    square = jax.tree.map(lambda leaf: leaf.reshape(*leaf.shape[:-1], 2, 2), (params, sequence))
    learned = learner(TOPOLOGY)(*square)
    flat = jax.tree.map(lambda leaf: np.reshape(leaf, (*leaf.shape[:-2], 4)), learned)
    for i, one in enumerate([*problems(TOPOLOGY), problem(TOPOLOGY, 64, 4)]):
        assert_agree(lane(flat, i), one, 1e-10)
