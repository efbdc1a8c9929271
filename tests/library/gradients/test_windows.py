"""BPTT through a window: side by side over a sequence, and on-line from every step back."""

from functools import lru_cache

import jax
import numpy as np
import pytest

from lstm_jax.cells.simple import elman, fully_recurrent
from lstm_jax.gradients import rtrl, windowed
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from tests.reference import recurrent as twin
from tests.support.bridge import (
    KEY,
    assert_close,
    gap,
    lane,
    net_of,
    side_by_side,
    to_elman,
    to_recurrent,
    to_sequence,
)
from tests.support.forms import SMALL, ended, learner, problem

INPUTS, UNITS, OUTPUTS, STEPS = 2, 4, 2, 7
NET = fully_recurrent(INPUTS, UNITS, OUTPUTS)
WINDOWS = (1, 2, 3, STEPS, STEPS + 3)
windows = pytest.mark.parametrize("window", WINDOWS)


def given(seed: int = 0, symbolic: bool = False) -> tuple:
    """Weights of a fully recurrent net, inputs, targets, mask."""
    random = np.random.default_rng(seed)
    weights = random.uniform(-2, 2, (UNITS, INPUTS + UNITS + 1))
    inputs = random.uniform(-1, 1, (STEPS, INPUTS))
    if symbolic:
        inputs = np.eye(INPUTS)[random.integers(INPUTS, size=STEPS)]
    return weights, inputs, random.random((STEPS, OUTPUTS)), np.arange(STEPS) % 3 != 1


def ask(problem: tuple, symbolic: bool = False, steps: int | None = None):
    """What a rule of the library takes."""
    weights, inputs, targets, mask = problem
    inputs = np.argmax(inputs, axis=1).astype(np.int32) if symbolic else inputs
    return to_recurrent(weights, INPUTS), to_sequence(inputs, targets, mask, steps)


# ---------------------------------------------------------------- side by side


@lru_cache
def compiled(window: int):
    return jax.jit(windowed(window)(NET, squared_error))


def walled(problem: tuple, window: int):
    """Every error goes back to where its window begins, by the twin."""
    steps = [twin.recent(*problem, window=t % window + 1).steps[t] for t in range(STEPS)]
    return to_recurrent(np.sum(steps, axis=0), INPUTS)


@windows
@pytest.mark.parametrize("symbolic", [False, True], ids=["real", "symbols"])
def test_error_goes_back_to_where_its_window_begins(window, symbolic, x64):
    problem = given(symbolic=symbolic)
    learned = compiled(window)(*ask(problem, symbolic, steps=STEPS + 2))
    assert_close(learned.grads, walled(problem, window), 1e-12)
    np.testing.assert_allclose(learned.loss, twin.rtrl(*problem).error, rtol=1e-12)
    if window < STEPS:  # control
        with pytest.raises(AssertionError):
            assert_close(learned.grads, walled(problem, window + 1), 1e-6)


def test_a_window_of_the_whole_length_is_bptt(x64):
    topology = SMALL["everything"]
    params, sequence = problem(topology, 3, 8).ask()
    expected = learner(topology, ("bptt",))(params, sequence)["bptt"]
    for window, same in ((8, True), (20, True), (7, False)):  # the last is the control
        rule = windowed(window)(net_of(topology), squared_error)
        learned = jax.jit(rule)(params, sequence)
        assert (
            gap(learned.grads.cell.from_hidden, expected.grads.cell.from_hidden) < 1e-13
        ) == same
        assert_close(learned._replace(grads=0), expected._replace(grads=0), 1e-13)


def test_a_window_of_one_step_is_one_step_training(x64):
    weights, *rest = given(1)
    top = np.random.default_rng(2).uniform(-2, 2, (OUTPUTS, UNITS + 1))
    net = readout(elman(INPUTS, UNITS), OUTPUTS)
    params, sequence = to_elman(weights, top, INPUTS), to_sequence(*rest)
    expected = to_elman(*twin.one_step(weights, top, *rest), INPUTS)
    for window, same in ((1, True), (2, False)):  # the second is the control
        learned = jax.jit(windowed(window)(net, squared_error))(params, sequence)
        assert (gap(learned.grads.cell.from_context, expected.cell.from_context) < 1e-12) == same
        assert_close(learned.grads.from_cell, expected.from_cell, 1e-12)


def test_lanes_and_a_target_at_the_end(x64):
    several = [(*given(seed)[:3], np.arange(STEPS) == STEPS - 1) for seed in range(2)]
    asked = [ask(one) for one in several]
    params, sequence = side_by_side(*((p, ended(s)) for p, s in asked))
    learned = compiled(3)(params, sequence)
    for i, one in enumerate(several):
        assert_close(lane(learned.grads, i), walled(one, 3), 1e-12)
    with pytest.raises(AssertionError):
        assert_close(lane(learned.grads, 0), walled(several[1], 3), 1e-6)


# ---------------------------------------------------------------- on-line


@lru_cache
def stepper(window: int, symbols: bool = False, exact: bool = False):
    rule = rtrl if exact else windowed(window, symbols=symbols)
    rule = rule.online(NET, squared_error)
    return rule.init, jax.jit(rule.update)


def walk(rule, params, sequence, rate=0.0, lanes=()):
    """What every step says, weights moving by `rate` times its gradient."""
    init, update = rule
    memory, steps = init(params, lanes), []
    for moment in zip(sequence.inputs, sequence.targets, sequence.mask, strict=True):
        memory, learned = update(params, memory, *moment)
        params = jax.tree.map(lambda w, g: w - rate * np.asarray(g), params, learned.grads)
        steps.append(learned)
    return steps


def assert_steps(steps: list, expected: twin.Traced, tolerance: float) -> None:
    scale = np.max(np.abs(expected.steps))
    for learned, step in zip(steps, expected.steps, strict=True):
        assert_close(learned.grads, to_recurrent(step, INPUTS), tolerance * scale)
    np.testing.assert_allclose(sum(s.loss for s in steps), expected.error, rtol=tolerance)


@windows
@pytest.mark.parametrize("rate", [0.0, 0.5], ids=["still", "moving"])
def test_every_step_is_the_twins(window, rate, tolerance):
    problem = given()
    steps = walk(stepper(window), *ask(problem), rate)
    assert_steps(steps, twin.recent(*problem, window=window, rate=rate), tolerance)
    other = window + 1 if window < STEPS else STEPS - 1  # control
    with pytest.raises(AssertionError):
        assert_steps(steps, twin.recent(*problem, window=other, rate=rate), tolerance)


def test_through_the_whole_past_it_is_rtrl(x64):
    asked = ask(given(4))
    exact = [step.grads.from_inputs for step in walk(stepper(0, exact=True), *asked)]
    for window, same in ((STEPS, True), (STEPS + 3, True), (STEPS - 1, False)):
        steps = [step.grads.from_inputs for step in walk(stepper(window), *asked)]
        np.testing.assert_allclose(steps[:-1], exact[:-1], rtol=0, atol=1e-13)
        assert np.allclose(steps[-1], exact[-1], rtol=0, atol=1e-13) == same


def test_symbols_are_one_hot_vectors(x64):
    problem = given(5, symbolic=True)
    steps = walk(stepper(3, symbols=True), *ask(problem, symbolic=True))
    assert_steps(steps, twin.recent(*problem, window=3), 1e-12)
    with pytest.raises(AssertionError):
        assert_steps(steps, twin.recent(*given(6, symbolic=True), window=3), 1e-12)


@pytest.mark.parametrize("shared", [False, True], ids=["own weights", "shared weights"])
def test_lanes_are_a_loop(shared, x64):
    asked = [ask(given(seed)) for seed in (7, 8)]
    params = [asked[0 if shared else i][0] for i in range(2)]
    sequences = [sequence for _, sequence in asked]
    together = params[0] if shared else side_by_side(*params)
    steps = walk(stepper(3), together, side_by_side(*sequences), lanes=(2,))
    alone = [walk(stepper(3), *one) for one in zip(params, sequences, strict=True)]
    for t, learned in enumerate(steps):
        expected = side_by_side(*(one[t] for one in alone))
        summed = jax.tree.map(lambda leaf: np.sum(leaf, -1), expected.grads)
        assert_close(learned, expected._replace(grads=summed) if shared else expected, 1e-13)
    with pytest.raises(AssertionError):
        assert_close(lane(learned.outputs, 0), lane(learned.outputs, 1), 1e-6)


def test_memory_is_the_windows():
    shapes = jax.eval_shape(NET.init, KEY)

    def kept(window: int, symbols=False) -> int:
        init = windowed(window, symbols=symbols).online(NET, squared_error).init
        memory = jax.eval_shape(lambda p: init(p, (3,)), shapes)
        return sum(leaf.size for leaf in jax.tree.leaves(memory))

    for window in (1, 10, 100):
        assert kept(window) == 3 * (UNITS + window * (UNITS + INPUTS)) + 1
        assert kept(window, symbols=True) == 3 * (UNITS + window * (UNITS + 1)) + 1


def test_a_scan_may_carry_it(x64):
    init, update = stepper(3)
    problem = given(9)
    params, sequence = ask(problem)

    def body(carry, moment):
        params, memory = carry
        memory, learned = update(params, memory, *moment)
        changed = jax.tree.map(lambda w, g: w - 0.5 * g, params, learned.grads)
        return (changed, memory), learned.loss

    moments = (sequence.inputs, sequence.targets, sequence.mask)
    total = jax.jit(lambda p: jax.lax.scan(body, (p, init(p)), moments)[1].sum())(params)
    expected = twin.recent(*problem, window=3, rate=0.5).error
    np.testing.assert_allclose(total, expected, rtol=1e-12)


def test_what_is_no_window_is_refused():
    with pytest.raises(ValueError, match="a window of at least 1 step, got 0"):
        windowed(0)
    assert windowed(1)(NET, squared_error) and windowed(1).online(NET, squared_error)  # control


@pytest.mark.parametrize("symbols", [False, True])
def test_inputs_of_the_other_kind_are_refused(symbols):
    params, sequence = ask(given(10, symbolic=True), symbolic=not symbols)
    init, update = stepper(2, symbols=symbols)
    with pytest.raises(ValueError, match=rf"write windowed\(window, symbols={not symbols}\)"):
        update(params, init(params), sequence.inputs[0], sequence.targets[0], True)
    init, update = stepper(2, symbols=not symbols)  # control
    assert update(params, init(params), sequence.inputs[0], sequence.targets[0], True)
