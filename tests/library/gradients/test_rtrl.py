"""RTRL is the textbook's, step by step; what it keeps; both of its forms; lanes and no resets.

That it is the full gradient, on every topology and in any lanes, is what the tests of all
rules say beside it.
"""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.simple import SimpleState, elman, fully_recurrent, jordan
from lstm_jax.gradients.bptt import bptt, windowed
from lstm_jax.gradients.forward_mode import own_weights
from lstm_jax.gradients.rtrl import rtrl
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from tests.reference import recurrent as twin
from tests.reference.memory_block import central_differences
from tests.support.bridge import (
    KEY,
    assert_close,
    gap,
    lane,
    net_of,
    side_by_side,
    to_jordan,
    to_recurrent,
    to_sequence,
)
from tests.support.forms import FEW, ended, every, learner, problem

INPUTS, UNITS, OUTPUTS, STEPS = 2, 4, 2, 6
biased = pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])


def given(bias: bool, seed: int = 0, symbolic: bool = False) -> tuple:
    """Weights of a fully recurrent net, inputs, targets, mask."""
    random = np.random.default_rng(seed)
    weights = random.uniform(-2, 2, (UNITS, INPUTS + UNITS + bias))
    inputs = random.uniform(-1, 1, (STEPS, INPUTS))
    if symbolic:
        inputs = np.eye(INPUTS)[random.integers(INPUTS, size=STEPS)]
    return weights, inputs, random.random((STEPS, OUTPUTS)), np.arange(STEPS) % 3 != 0


def symbols_of(sequence):
    return sequence.replace(inputs=np.argmax(sequence.inputs, axis=1).astype(np.int32))


@lru_cache
def recurrent(bias: bool, taken_apart: bool = True):
    """A fully recurrent net, and its off-line and on-line rule, compiled."""
    net = fully_recurrent(INPUTS, UNITS, OUTPUTS, bias=bias)
    net = net if taken_apart else net._replace(net_inputs=None)
    rule = rtrl.online(net, squared_error)
    return jax.jit(rtrl(net, squared_error)), rule.init, jax.jit(rule.update)


def walk(rule, params, sequence, rate=0.0, lanes=(), memory=None):
    """Every step's gradient, weights moving by `rate` times it; and the memory at the end."""
    _, init, update = rule
    memory, steps = init(params, lanes) if memory is None else memory, []
    for moment in zip(sequence.inputs, sequence.targets, sequence.mask, strict=True):
        memory, learned = update(params, memory, *moment)
        params = jax.tree.map(lambda w, g: w - rate * np.asarray(g), params, learned.grads)
        steps.append(learned)
    return steps, memory


def assert_textbook(steps: list, expected: twin.Traced, tolerance: float) -> None:
    """Each step's contribution and the error are those of equations 15 to 19."""
    scale = np.max(np.abs(expected.steps))
    for learned, step in zip(steps, expected.steps, strict=True):
        assert_close(learned.grads, to_recurrent(step, INPUTS), tolerance * scale)
    np.testing.assert_allclose(sum(s.loss for s in steps), expected.error, rtol=tolerance)


@biased
@pytest.mark.parametrize("taken_apart", [True, False], ids=["net inputs", "general"])
@pytest.mark.parametrize("rate", [0.0, 0.5], ids=["still", "moving"])
def test_every_step_is_the_textbooks(bias, taken_apart, rate, tolerance):
    weights, *rest = given(bias)
    params, sequence = to_recurrent(weights, INPUTS), to_sequence(*rest)
    steps, _ = walk(recurrent(bias, taken_apart), params, sequence, rate)
    assert_textbook(steps, twin.rtrl(weights, *rest, rate=rate), tolerance)
    disturbed = weights * (1 + 20 * tolerance)  # control
    with pytest.raises(AssertionError):
        assert_textbook(steps, twin.rtrl(disturbed, *rest, rate=rate), tolerance)


def test_weights_on_the_move_give_another_gradient():  # control
    still, moving = (twin.rtrl(*given(True), rate=rate).steps for rate in (0.0, 0.5))
    assert gap(moving[-1], still[-1]) > 1e-3


@biased
@pytest.mark.parametrize("taken_apart", [True, False], ids=["net inputs", "general"])
def test_offline_the_steps_add_up(bias, taken_apart, x64):
    for symbolic in (False, True):
        problem = given(bias, 1, symbolic)
        expected = to_recurrent(twin.rtrl(*problem).gradient, INPUTS)
        params, sequence = to_recurrent(problem[0], INPUTS), to_sequence(*problem[1:], steps=8)
        sequence = symbols_of(sequence) if symbolic else sequence
        learned = recurrent(bias, taken_apart)[0](params, sequence)
        assert_close(learned.grads, expected, 1e-12)
        wrong = to_recurrent(twin.recent(*problem, window=3).gradient, INPUTS)  # control
        with pytest.raises(AssertionError):
            assert_close(learned.grads, wrong, 1e-6)


@pytest.mark.parametrize(**every(FEW))
def test_both_forms_agree(topology, x64):
    whole = net_of(topology)._replace(net_inputs=None)
    params, sequence = problem(topology, 5).ask()
    general = jax.jit(rtrl(whole, squared_error))(params, sequence)
    learn = learner(topology, ("rtrl",))
    assert_close(learn(params, sequence)["rtrl"], general, 1e-12)
    other = learn(*problem(topology, 6).ask())["rtrl"]  # control
    with pytest.raises(AssertionError):
        assert_close(other, general, 1e-12)


# ---------------------------------------------------------------- a net of the general form


def jordan_given(seed: int) -> tuple:
    random = np.random.default_rng(seed)
    tables = (
        random.uniform(-2, 2, (UNITS, INPUTS + OUTPUTS + 1)),
        random.uniform(-2, 2, (OUTPUTS, UNITS + 1)),
    )
    return tables, given(True, seed)[1:]


def jordan_slopes(tables, inputs, targets, mask):
    """Finite differences of the twin's error, both tables."""
    cut = tables[0].size

    def parts(flat):
        return flat[:cut].reshape(tables[0].shape), flat[cut:].reshape(tables[1].shape)

    def error(flat):
        return twin.squared_error(twin.jordan(*parts(flat), inputs), targets, mask)

    flat = np.concatenate([table.reshape(-1) for table in tables])
    return to_jordan(*parts(central_differences(error, flat)), INPUTS)


def test_a_jordan_net_learns_the_slope_of_its_error(x64):
    net = jordan(INPUTS, UNITS, OUTPUTS)
    learn, full = (jax.jit(rule(net, squared_error)) for rule in (rtrl, bptt))
    several = [jordan_given(seed) for seed in range(3)]
    params = [to_jordan(*tables, INPUTS) for tables, _ in several]
    sequences = [to_sequence(*rest) for _, rest in several]
    for (tables, rest), weights, sequence in zip(several, params, sequences, strict=True):
        found = learn(weights, sequence)
        assert_close(found.grads, jordan_slopes(tables, *rest), 1e-8)
        assert_close(found, full(weights, sequence), 1e-12)
    together = learn(side_by_side(*params), side_by_side(*sequences))
    assert_close(lane(together, 1), learn(params[1], sequences[1]), 1e-12)
    shared = learn(params[0], side_by_side(*sequences))
    assert_close(shared.grads, full(params[0], side_by_side(*sequences)).grads, 1e-12)
    with pytest.raises(AssertionError):
        assert_close(lane(together, 1), learn(params[0], sequences[0]), 1e-6)


# ---------------------------------------------------------------- what it keeps


def numbers(tree) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def kept(net, lanes=()) -> int:
    """Numbers in the memory of the on-line form."""
    init = rtrl.online(net, squared_error).init
    return numbers(jax.eval_shape(lambda p: init(p, lanes), jax.eval_shape(net.init, KEY)))


def test_only_weights_that_reach_the_state_have_sensitivities():
    for p, weights in ((4, 36), (10, 144), (100, 10404)):
        net = readout(elman(p + 1, 1, bias=False), p + 1, direct=True, bias=False)
        assert numbers(jax.eval_shape(net.init, KEY)) == weights
        assert kept(net) == 1 + (p + 1) + 1  # the unit; from inputs, itself; no bias
        assert kept(net, (5, 3)) == 15 * kept(net)
        assert kept(net._replace(net_inputs=None)) == 1 + weights  # control


def test_sensitivities_are_as_many_as_state_times_weights():
    for units in (4, 8):
        net = fully_recurrent(7, units, 2)
        assert kept(net) == units + units * units * (7 + units + 1)


# ---------------------------------------------------------------- lanes, resets, precision


@pytest.mark.parametrize("taken_apart", [True, False], ids=["net inputs", "general"])
@pytest.mark.parametrize("shared", [False, True], ids=["own weights", "shared weights"])
def test_lanes_are_a_loop(shared, taken_apart, x64):
    rule = recurrent(True, taken_apart)
    several = [given(True, seed) for seed in range(2)]
    params = [to_recurrent(several[0 if shared else i][0], INPUTS) for i in range(2)]
    sequences = [to_sequence(*one[1:]) for one in several]
    together = params[0] if shared else side_by_side(*params)
    steps, memory = walk(rule, together, side_by_side_in_time(sequences), lanes=(2,))
    alone = [walk(rule, *one) for one in zip(params, sequences, strict=True)]
    assert_close(lane(memory, 1), alone[1][1], 1e-13)
    for t, learned in enumerate(steps):
        expected = side_by_side(*(one[0][t] for one in alone))
        summed = jax.tree.map(lambda leaf: np.sum(leaf, -1), expected.grads)
        assert_close(learned, expected._replace(grads=summed) if shared else expected, 1e-13)
    with pytest.raises(AssertionError):
        assert_close(lane(memory, 0), alone[1][1], 1e-6)


def side_by_side_in_time(sequences):
    """Sequences as lanes; the lengths, which the steps do not need, may stay."""
    return side_by_side(*sequences)


def test_a_memory_that_is_kept_knows_no_end_of_a_sequence(x64):
    weights, *first = given(True, 3)
    second = given(True, 4)[1:]
    joined = [np.concatenate(both) for both in zip(first, second, strict=True)]
    expected = twin.rtrl(weights, *joined).steps[STEPS:]
    rule, params = recurrent(True), to_recurrent(weights, INPUTS)
    _, memory = walk(rule, params, to_sequence(*first))
    steps, _ = walk(rule, params, to_sequence(*second), memory=memory)
    reset, _ = walk(rule, params, to_sequence(*second))
    for t, step in enumerate(expected):
        assert_close(steps[t].grads, to_recurrent(step, INPUTS), 1e-12)
    assert gap(reset[2].grads.from_context, steps[2].grads.from_context) > 1e-4  # control


def test_a_scan_may_carry_it_and_so_may_vmap(x64):
    _, init, update = recurrent(True)
    problem = given(True, 5)
    params, sequence = to_recurrent(problem[0], INPUTS), to_sequence(*problem[1:])

    def body(carry, moment):
        params, memory = carry
        memory, learned = update(params, memory, *moment)
        changed = jax.tree.map(lambda w, g: w - 0.5 * g, params, learned.grads)
        return (changed, memory), learned.loss

    def total(params, moments):
        return jax.lax.scan(body, (params, init(params)), moments)[1].sum()

    moments = (sequence.inputs, sequence.targets, sequence.mask)
    expected = twin.rtrl(*problem, rate=0.5).error
    np.testing.assert_allclose(jax.jit(total)(params, moments), expected, rtol=1e-12)
    twice = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), moments)
    errors = jax.jit(jax.vmap(total, in_axes=(None, 0)))(params, twice)
    np.testing.assert_allclose(errors, [expected] * 2, rtol=1e-12)


def test_other_machines_add_up_in_another_way(monkeypatch, x64):
    several = [given(True, seed) for seed in range(2)]
    params = side_by_side(*(to_recurrent(one[0], INPUTS) for one in several))
    sequence = side_by_side(*(to_sequence(*one[1:]) for one in several))
    here, used = recurrent(True)[0](params, sequence), []

    def elsewhere(*arguments, cpu, default):
        used.append(default)
        return default(*arguments)

    monkeypatch.setattr(jax.lax, "platform_dependent", elsewhere)
    there = jax.jit(rtrl(fully_recurrent(INPUTS, UNITS, OUTPUTS), squared_error))(params, sequence)
    assert_close(there, here, 1e-13)
    assert used  # control


def test_a_target_at_the_end_needs_no_time_axis(x64):
    weights, inputs, targets, _ = given(True, 6)
    mask = np.arange(STEPS) == STEPS - 1
    sequence = ended(to_sequence(inputs, targets, mask, steps=8))
    learned = recurrent(True)[0](to_recurrent(weights, INPUTS), sequence)
    expected = twin.rtrl(weights, inputs, targets, mask)
    assert learned.outputs.shape == (1, OUTPUTS)
    assert_close(learned.grads, to_recurrent(expected.gradient, INPUTS), 1e-12)
    np.testing.assert_allclose(learned.loss, expected.error, rtol=1e-12)


# ---------------------------------------------------------------- what it is given


def test_a_state_of_other_arrays_is_refused():
    net = fully_recurrent(INPUTS, UNITS, OUTPUTS)

    def initial_state(lanes=(), dtype=None):
        return SimpleState(net.initial_state(lanes, dtype)), jnp.zeros(3, jnp.int32)

    rule = rtrl.online(net._replace(initial_state=initial_state), squared_error)
    params = jax.jit(net.init)(KEY)
    with pytest.raises(ValueError, match=r"RTRL expects a state of arrays .*int32.* or use bptt"):
        rule.init(params)
    assert rtrl.online(net, squared_error).init(params)  # control


def test_whose_weights_they_are():
    params = jax.tree.map(np.asarray, jax.jit(fully_recurrent(3, 3, 1).init)(KEY))
    own = side_by_side(*[params] * 3)
    for lanes in ((), (3,), (3, 3), (2, 3)):

        @jax.jit
        def both(params, lanes=lanes):
            spread, collect = own_weights(params, lanes)
            return spread, collect(spread)

        spread, collected = both(params)
        assert spread.bias.shape == (3, *lanes)
        number = int(np.prod(lanes))
        assert_close(collected.bias, number * params.bias, 1e-6)
    kept, collect = own_weights(own, (3,))
    assert kept is own and collect(own) is own
    matrix = (np.ones((2, 3)),)  # as many columns as lanes
    assert own_weights(matrix, (3,))[0][0].shape == (2, 3, 3)
    assert own_weights(own_weights(matrix, (3,))[0], (3,))[0][0].shape == (2, 3, 3)


def test_units_too_many_to_be_written_out(x64):
    units = 66
    net, random = fully_recurrent(INPUTS, units, OUTPUTS), np.random.default_rng(0)
    params = jax.jit(lambda: jax.tree.map(lambda w: 3 * w, net.init(KEY)))()
    inputs, targets = random.random((STEPS, INPUTS)), random.random((STEPS, OUTPUTS))
    sequence = to_sequence(inputs, targets, np.ones(STEPS, bool))
    carried, back = (jax.jit(rule(net, squared_error))(params, sequence) for rule in (rtrl, bptt))
    assert_close(carried.grads, back.grads, 1e-10)
    short = jax.jit(windowed(2)(net, squared_error))(params, sequence)  # control
    assert gap(short.grads.from_context, back.grads.from_context) > 1e-6
