"""The on-line form one step at a time: each step, any window, weights on the move."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given as hypothesise
from hypothesis import strategies as st

from lstm_jax.gradients.truncated_traces import forward_traces
from lstm_jax.losses import squared_error
from tests.reference import memory_block as twin
from tests.support.bridge import assert_close, gap, lane, net_of, side_by_side, to_flat
from tests.support.forms import (
    FEW,
    SMALL,
    STEPS,
    TRUNCATED,
    Problem,
    every,
    learner,
    problem,
)


@lru_cache
def stepper(topology):
    """`init` and compiled `update`, shared by all tests."""
    rule = forward_traces.online(net_of(topology), squared_error)
    return jax.jit(rule.init, static_argnums=1), jax.jit(rule.update)


def moved(params, gradient, rate: float):
    """Plain gradient descent."""
    return jax.tree.map(lambda w, g: w - rate * np.asarray(g), params, gradient)


def walk(params, sequence, topology, rate=0.0, lanes=()):
    """Every step's `LossAndGrads`, weights moving by `rate` times its gradient; and the weights."""
    init, update = stepper(topology)
    traces, steps = init(params, lanes), []
    for t in range(len(sequence.inputs)):
        moment = (leaf[t] for leaf in (sequence.inputs, sequence.targets, sequence.mask))
        traces, learned = update(params, traces, *moment)
        params = moved(params, learned.grads, rate)
        steps.append(learned)
    return steps, params


def heard(topology, seed: int) -> Problem:
    """A problem with an error signal at every step."""
    return problem(topology, seed, STEPS).heard()


@pytest.mark.parametrize(**every())
@pytest.mark.parametrize("rate", [0.0, 0.5], ids=["still", "moving"])
def test_every_step_contributes_what_the_twin_says(topology, rate, x64):
    assert_steps_agree(topology, rate, 1e-10)


@pytest.mark.parametrize(**every(FEW))
def test_every_step_in_single_precision(topology):
    assert_steps_agree(topology, 0.5, 1e-4)
    with pytest.raises(AssertionError):
        assert_steps_agree(topology, 0.5, 1e-10)


def assert_steps_agree(topology, rate: float, tolerance: float) -> None:
    """Gradients step by step, the error, and where the weights end are the twin's."""
    given = problem(topology, 80, STEPS)
    steps, params = walk(*given.ask(), topology, rate)
    expected = twin.truncated_traces(*given, rate=rate)
    scale = np.max(np.abs(expected.steps))
    for t, learned in enumerate(steps):
        contribution = to_flat(topology, learned.grads)
        np.testing.assert_allclose(contribution, expected.steps[t], rtol=0, atol=tolerance * scale)
        assert np.any(contribution) == given.mask[t]
    np.testing.assert_allclose(sum(step.loss for step in steps), expected.error, rtol=tolerance)
    assert gap(to_flat(topology, params), given.weights - rate * expected.gradient) < tolerance


@pytest.mark.parametrize(**every(FEW[:2]))
def test_weights_on_the_move_give_another_gradient(topology, x64):  # control
    given = heard(topology, 81)
    still, moving = (walk(*given.ask(), topology, rate)[0] for rate in (0.0, 0.5))
    assert gap(to_flat(topology, moving[0].grads), to_flat(topology, still[0].grads)) == 0
    assert gap(to_flat(topology, moving[-1].grads), to_flat(topology, still[-1].grads)) > 1e-4


@lru_cache
def contributions(topology) -> tuple[Problem, np.ndarray]:
    given = heard(topology, 82)
    steps, _ = walk(*given.ask(), topology)
    return given, np.stack([to_flat(topology, learned.grads) for learned in steps])


@hypothesise(
    topology=st.sampled_from([SMALL[name] for name in FEW]),
    rule=st.sampled_from(sorted(TRUNCATED)),
    window=st.tuples(st.integers(0, STEPS - 1), st.integers(1, STEPS)).map(sorted),
)
def test_any_window_is_the_gradient_of_its_own_errors(topology, rule, window):
    first, last = window[0], max(window[1], window[0] + 1)
    with jax.enable_x64(True):
        given, steps = contributions(topology)
        inside = (np.arange(STEPS) >= first) & (np.arange(STEPS) < last)
        learned = learner(topology)(*given._replace(mask=inside).ask())[rule]
    gradient = to_flat(topology, learned.grads)
    assert gap(steps[first:last].sum(0), gradient) < 1e-12
    assert gap(steps[first : last - 1].sum(0), gradient) > 1e-6  # control: a step is missing


@pytest.mark.parametrize("shared", [False, True], ids=["own weights", "shared weights"])
def test_lanes_are_a_loop(shared, x64):
    topology = SMALL["everything"]
    given = [heard(topology, seed) for seed in (83, 84)]
    if shared:
        given = [one._replace(weights=given[0].weights) for one in given]
    params = given[0].ask()[0] if shared else side_by_side(*(one.ask()[0] for one in given))
    sequence = side_by_side(*(one.ask()[1] for one in given))
    steps, _ = walk(params, sequence, topology, lanes=(2,))
    alone = [walk(*one.ask(), topology)[0] for one in given]
    for t, learned in enumerate(steps):
        expected = side_by_side(*(one[t] for one in alone))
        summed = jax.tree.map(lambda leaf: np.sum(leaf, -1), expected.grads)
        expected = expected._replace(grads=summed) if shared else expected
        assert_close(learned, expected, 1e-13)
    with pytest.raises(AssertionError):
        assert_close(lane(learned.outputs, 0), lane(learned.outputs, 1), 1e-6)


def test_symbols_are_one_hot_vectors(x64):
    for name in FEW:
        given = heard(SMALL[name], 85).symbolic()
        expected = twin.truncated_traces(*given, rate=0.3).steps
        steps, _ = walk(*given.ask_symbols(), given.topology, 0.3)
        found = np.stack([to_flat(given.topology, learned.grads) for learned in steps])
        assert gap(found, expected) < 1e-10
        assert gap(found, np.roll(expected, 1, axis=0)) > 1e-4  # control


def test_a_scan_may_carry_it(x64):
    topology = SMALL["1997"]
    given = heard(topology, 86)
    params, sequence = given.ask()
    init, update = stepper(topology)

    def body(carry, moment):
        params, traces = carry
        traces, learned = update(params, traces, *moment)
        changed = jax.tree.map(lambda w, g: w - 0.5 * g, params, learned.grads)
        return (changed, traces), learned.loss

    moments = (sequence.inputs, sequence.targets, sequence.mask)
    (params, _), losses = jax.lax.scan(body, (params, init(params)), moments)
    expected = twin.truncated_traces(*given, rate=0.5)
    np.testing.assert_allclose(losses.sum(), expected.error, rtol=1e-12)
    ended = given.weights - 0.5 * expected.gradient
    assert gap(to_flat(topology, params), ended) < 1e-12


def test_its_traces_are_as_many_as_the_paper_says():
    """2 C (fan-in) numbers: one a cell for its own weights, one for its input gate's."""
    for name, kinds in (("1997", 2), ("forget gates", 3), ("no input gates", 1)):
        topology = SMALL[name]
        init, _ = stepper(topology)
        traces = init(problem(topology, 87).ask()[0])
        fan_in = topology.inputs + len(topology.recurrent) + 1  # the last one for the bias
        held = sum(leaf.size for leaf in jax.tree.leaves(traces.rows))
        assert held == kinds * sum(topology.blocks) * fan_in
        assert all(not jnp.any(leaf) for leaf in jax.tree.leaves(traces))
