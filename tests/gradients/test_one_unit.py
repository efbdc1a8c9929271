"""RTRL of one recurrent unit: against the twin, back-propagation and finite differences."""

from functools import lru_cache
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.gradients.bptt import bptt
from lstm_jax.gradients.one_unit import one_unit_net, one_unit_rtrl
from lstm_jax.losses import sequence_error, squared_error
from lstm_jax.types import Sequence
from tests.bridge import assert_close, gap, lane, side_by_side
from tests.one_unit import STEPS, SYMBOLS, one_hot, problem, to_params, to_weights
from tests.reference.chunker import Net, Weights

NET = one_unit_net(SYMBOLS, SYMBOLS)
RULE = one_unit_rtrl(NET, squared_error)
update = jax.jit(RULE.update)


def walk(params, inputs, targets, mask, rate=0.0, lanes=()):
    """Every step's `Learned`, weights moving by `rate` times its gradient; and the weights."""
    memory, steps = RULE.init(params, lanes), []
    for moment in zip(inputs, targets, mask, strict=True):
        memory, learned = update(params, memory, *moment)
        params = jax.tree.map(lambda w, g: w - rate * np.asarray(g), params, learned.grads)
        steps.append(learned)
    return steps, params


@lru_cache
def by_hand(seed: int, rate: float):
    """The gradients of the twin, step by step, and its weights after."""
    given, gradients = problem(seed), []
    net, vectors = Net(given.chunker), np.eye(SYMBOLS)[given.symbols]
    for x, target in pairwise(vectors):
        net.step(x)
        gradients.append(net.gradient(net.answer() - target))
        net.change(gradients[-1], rate)
    return gradients, net.weights


def ask(seed: int):
    """Parameters, symbols, targets and mask of a problem."""
    given = problem(seed)
    return to_params(given.chunker), given.symbols[:-1], one_hot(given.symbols[1:]), given.mask


@pytest.mark.parametrize("rate", [0.0, 1.0], ids=["still", "moving"])
def test_every_step_is_the_twins(rate, tolerance):
    steps, params = walk(*ask(1), rate)
    gradients, weights = by_hand(1, rate)
    for learned, expected in zip(steps, gradients, strict=True):
        assert_close(to_weights(learned.grads), expected, tolerance)
    assert_close(to_weights(params), weights, tolerance)
    with pytest.raises(AssertionError):  # control
        assert_close(to_weights(params), weights._replace(hidden=weights.hidden + 1e-3), tolerance)


def test_weights_on_the_move_give_another_gradient(x64):  # control
    still, moving = (walk(*ask(1), rate)[0] for rate in (0.0, 1.0))
    assert_close(moving[0].grads, still[0].grads, 1e-14)
    assert gap(moving[-1].grads.from_cell, still[-1].grads.from_cell) > 1e-3


def test_the_steps_add_up_to_back_propagation(x64):
    params, inputs, targets, mask = ask(2)
    steps, _ = walk(params, inputs, targets, mask)
    total = jax.tree.map(lambda *leaves: sum(leaves), *[step.grads for step in steps])
    sequence = Sequence(inputs, targets, targets, mask, jnp.int32(STEPS))
    expected = jax.jit(bptt(NET, squared_error))(params, sequence)
    assert_close(total, expected.grads, 1e-12)
    np.testing.assert_allclose(sum(step.loss for step in steps), expected.loss, rtol=1e-12)
    np.testing.assert_allclose([s.outputs for s in steps], expected.outputs, rtol=1e-12)
    off = total.cell._replace(from_hidden=total.cell.from_hidden * 1.001)
    with pytest.raises(AssertionError):
        assert_close(off, expected.grads.cell, 1e-12)


def test_the_twin_is_the_slope_of_its_error():
    """Finite differences; the derivative of the hidden unit is what it takes."""
    given, h = problem(3), 1e-6
    vectors = np.eye(SYMBOLS)[given.symbols]

    def error(hidden):
        net, total = Net(given.chunker._replace(hidden=hidden)), 0.0
        for x, target in pairwise(vectors):
            net.step(x)
            total += 0.5 * np.sum((net.answer() - target) ** 2)
        return total

    gradients, _ = by_hand(3, 0.0)
    expected = sum(gradient.hidden for gradient in gradients)
    start, slopes = given.chunker.hidden, []
    for direction in np.eye(start.size):
        slopes.append((error(start + h * direction) - error(start - h * direction)) / (2 * h))
    np.testing.assert_allclose(slopes, expected, atol=1e-8)
    assert gap(gradients[-1].hidden, expected) > 1e-3  # control: the last step alone


def test_symbols_are_one_hot_vectors(x64):
    params, symbols, targets, mask = ask(4)
    expected, _ = walk(params, symbols, targets, mask, 1.0)
    found, _ = walk(params, one_hot(symbols), targets, mask, 1.0)
    assert_close(found, expected, 1e-14)
    with pytest.raises(AssertionError):
        assert_close(walk(params, one_hot(symbols[::-1]), targets, mask)[0], expected, 1e-6)


def test_without_an_error_signal_nothing_is_learned(x64):
    params, symbols, targets, mask = ask(5)
    heard = np.arange(STEPS) % 2 == 0
    expected, _ = walk(params, symbols, targets, mask)
    found, _ = walk(params, symbols, targets, heard)
    for learned, full, told in zip(found, expected, heard, strict=True):
        factor = float(told)
        assert_close(learned.grads, jax.tree.map(lambda g, k=factor: k * g, full.grads), 1e-14)
        assert (learned.loss == 0) != told


@pytest.mark.parametrize("shared", [False, True], ids=["own weights", "shared weights"])
def test_lanes_are_a_loop(shared, x64):
    given = [ask(seed) for seed in (6, 7, 8)]
    if shared:
        given = [(given[0][0], *rest) for _, *rest in given]
    params = given[0][0] if shared else side_by_side(*(one[0] for one in given))
    sequences = (side_by_side(*leaves) for leaves in zip(*(one[1:] for one in given), strict=True))
    found, _ = walk(params, *sequences, lanes=(3,))
    alone = [walk(*one)[0] for one in given]
    for t, learned in enumerate(found):
        expected = side_by_side(*(one[t] for one in alone))
        if shared:
            summed = jax.tree.map(lambda leaf: np.sum(leaf, -1), expected.grads)
            expected = expected._replace(grads=summed)
        assert_close(learned, expected, 1e-13)
    with pytest.raises(AssertionError):
        assert_close(lane(learned.outputs, 0), lane(learned.outputs, 1), 1e-6)


def test_vmap_and_jit_change_nothing(x64):
    given = [ask(seed) for seed in (6, 7)]
    params = side_by_side(*(one[0] for one in given))
    moment = side_by_side(*(tuple(leaf[0] for leaf in one[1:]) for one in given))
    memory = jax.tree.map(lambda leaf: leaf + 0.3, RULE.init(params, (2,)))
    expected = update(params, memory, *moment)
    assert_close(RULE.update(params, memory, *moment), expected, 1e-14)
    mapped = jax.vmap(RULE.update, in_axes=-1, out_axes=-1)
    assert_close(mapped(params, memory, *moment), expected, 1e-14)


def test_it_remembers_what_one_unit_needs():
    """Derivatives with respect to the weights of one unit, of 101 symbols and 102 outputs."""
    net = one_unit_net(101, outputs=102)
    memory = one_unit_rtrl(net, squared_error).init(net.init(jax.random.key(0)))
    assert sum(leaf.size for leaf in jax.tree.leaves(memory)) == 1 + 102


@pytest.mark.parametrize("p, weights", [(4, 36), (10, 144), (100, 10404)])
def test_weights_are_as_many_as_the_paper_says(p, weights):
    params = one_unit_net(p + 1, p + 1, weights=0.2).init(jax.random.key(0))
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == weights
    assert all(np.max(np.abs(leaf), initial=0) <= 0.2 for leaf in jax.tree.leaves(params))
    assert np.max(params.from_inputs) > 0.1


def test_its_loss_is_the_error_of_the_net(x64):
    """The net run as a cell answers what the rule answers."""
    params, inputs, targets, mask = ask(9)
    state, outputs = NET.start(dtype=np.float64), []
    for x in inputs:
        state, y = NET.step(params, state, x)
        outputs.append(y)
    steps, _ = walk(params, inputs, targets, mask)
    np.testing.assert_allclose([s.outputs for s in steps], outputs, rtol=1e-14)
    sequence = Sequence(inputs, targets, targets, mask, jnp.int32(STEPS))
    expected = sequence_error(squared_error, jnp.stack(outputs), sequence)
    np.testing.assert_allclose(sum(s.loss for s in steps), expected, rtol=1e-14)


def test_a_net_without_symbols_is_refused():
    with pytest.raises(ValueError, match="symbols >= 1"):
        one_unit_net(0, 1)
    with pytest.raises(ValueError, match="outputs >= 1"):
        one_unit_net(1, 0)


def test_the_twins_weights_go_there_and_back():
    given = problem(1).automatizer
    found = to_weights(to_params(given))
    assert isinstance(found, Weights)
    assert_close(found, given, 1e-6)
