"""Running through time, looking on, stopping in time, and the output layer."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given as hypothesise
from hypothesis import strategies as st

from lstm_jax.cells.memory_block import memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.networks.readout import Readout, readout
from lstm_jax.networks.unroll import at_targets, initial_state, record, unroll
from lstm_jax.ops.lanes import lanes_of
from lstm_jax.types import Sequence
from tests.reference import memory_block as twin
from tests.reference.catalogue import SMALL, random_problem
from tests.support.bridge import (
    assert_close,
    assert_same,
    lane,
    net_of,
    real,
    side_by_side,
    to_params,
)

STEPS = 8
TOPOLOGY = SMALL["everything"]
NET = net_of(TOPOLOGY)
CELL = memory_block(Topology(inputs=3, blocks=(2, 1)))
KEY = jax.random.key(0)
steps_any = st.integers(0, STEPS)
run = jax.jit(lambda params, inputs, state, length: unroll(NET, params, inputs, state, length))
run_whole = jax.jit(lambda params, inputs: unroll(NET, params, inputs))
go_on = jax.jit(lambda params, inputs, state: unroll(NET, params, inputs, state))
step = jax.jit(NET.step)


def given(seed: int = 0):
    """Parameters and inputs of one sequence."""
    problem = random_problem(TOPOLOGY, seed, STEPS)
    return to_params(*problem[:2]), real(problem[2])


def nothing():
    """The state before the first step."""
    return jax.tree.map(np.asarray, NET.initial_state())


@lru_cache
def by_hand(seed: int = 0) -> tuple[list, list]:
    """States before every step and after the last, and outputs, by a plain loop."""
    params, inputs = given(seed)
    states, outputs = [nothing()], []
    for x in inputs:
        state, y = step(params, states[-1], x)
        states.append(state)
        outputs.append(y)
    return states, outputs


# ---------------------------------------------------------------- unroll


def test_unrolling_is_a_loop():
    states, outputs = by_hand()
    state, found = run_whole(*given())
    assert_close(state, states[-1], 1e-6)
    assert_close(found, np.stack(outputs), 1e-6)
    with pytest.raises(AssertionError):
        assert_close(state, states[-2], 1e-6)


@pytest.mark.parametrize("split", [1, 3])
def test_carried_on_is_in_one_go(split):
    params, inputs = given()
    whole, outputs = run_whole(params, inputs)
    half, first = run_whole(params, inputs[:split])
    end, second = go_on(params, inputs[split:], half)
    assert_same(end, whole)
    np.testing.assert_array_equal(np.concatenate([first, second]), outputs)

    forgotten, _ = run_whole(params, inputs[split:])  # control
    with pytest.raises(AssertionError):
        assert_same(forgotten, whole)


@hypothesise(steps_any, steps_any)
def test_a_state_freezes_where_its_sequence_ends(length, other):
    params, inputs = given()
    states, outputs = by_hand()
    state, found = run(params, inputs, nothing(), np.int32(length))
    assert_close(state, states[length], 1e-6)
    assert_close(found[:length], np.reshape(outputs[:length], (length, 2)), 1e-6)
    assert not np.any(found[length:])
    if other != length:  # control
        with pytest.raises(AssertionError):
            assert_close(state, states[other], 1e-6)


def test_a_sequence_of_no_steps_returns_what_it_began_with():
    params, inputs = given()
    begun, _ = run_whole(params, inputs)
    state, outputs = run(params, inputs, begun, np.int32(0))
    assert_same(state, begun)
    assert not np.any(outputs)
    moved, outputs = run(params, inputs, begun, np.int32(1))  # control
    assert np.any(moved.cell_state != begun.cell_state) and np.any(outputs)


def test_every_lane_freezes_at_its_own_end():
    several, lengths = [given(seed) for seed in range(3)], np.array([0, 5, 8], np.int32)
    params, inputs = side_by_side(*several)
    state, outputs = run(params, inputs, NET.initial_state((3,)), lengths)
    for i, length in enumerate(lengths):
        alone, _ = run(*several[i], nothing(), length)
        assert_close(lane(state, i), alone, 1e-6)
        assert not np.any(outputs[length:, :, i])
    with pytest.raises(AssertionError):
        assert_close(lane(state, 1), lane(state, 2), 1e-6)


def test_the_start_takes_lanes_from_the_inputs_and_precision_from_the_weights():
    params, inputs = given()
    for lanes in ((), (3,), (3, 2)):
        spread = np.zeros((*inputs.shape, *lanes), np.float32)
        symbols = np.zeros((STEPS, *lanes), np.int32)
        for begin in (spread, symbols):
            assert lanes_of(begin) == lanes
            state = initial_state(NET, params, lanes_of(begin))
            assert state.cell_state.shape == (3, *lanes)
            assert state.cell_state.dtype == np.float32
    with jax.enable_x64(True):
        assert initial_state(NET, given()[0]).cell_state.dtype == np.float64


# ---------------------------------------------------------------- record


def test_recording_sees_the_state_before_each_step():
    params, inputs = given()

    def probe(params, state, x):
        return state, x

    seen, heard = jax.jit(lambda p, i: record(NET, p, i, probe))(params, inputs)
    states, _ = by_hand()
    for t in range(STEPS):
        assert_close(jax.tree.map(lambda leaf, t=t: leaf[t], seen), states[t], 1e-6)
    np.testing.assert_array_equal(heard, inputs)
    with pytest.raises(AssertionError):
        assert_close(jax.tree.map(lambda leaf: leaf[0], seen), states[1], 1e-6)


# ---------------------------------------------------------------- at the targets


def test_outputs_stand_beside_their_targets():
    outputs = np.arange(STEPS * 2 * 3.0).reshape(STEPS, 2, 3)
    length = np.array([1, 5, 8])
    for time in (1, STEPS):
        targets = np.zeros((time, 2, 3))
        where = "end" if time == 1 else "steps"
        sequence = Sequence(outputs, targets, targets, targets[:, 0] == 0, length, where)
        found = at_targets(outputs, sequence)
        assert found.shape == targets.shape
        last = np.stack([outputs[t - 1, :, i] for i, t in enumerate(length)], axis=-1)
        assert np.array_equal(found[-1], last) == (time == 1)
        assert np.array_equal(found, outputs) == (time == STEPS)


# ---------------------------------------------------------------- readout


def weights_of(net) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(net.init, KEY)))


def test_weights_of_the_output_layer():
    below = weights_of(CELL)
    for bias in (False, True):
        for direct in (False, True):
            net = readout(CELL, 5, bias=bias, direct=direct)
            assert weights_of(net) - below == 5 * (CELL.outputs + 3 * direct + bias)
            assert net.outputs == 5 and net.inputs == 3 and net.carousel == CELL.carousel


def test_a_readout_of_a_readout_is_a_cell(x64):
    low = random_problem(TOPOLOGY, 3)
    net = readout(NET, 1, activation=jnp.tanh)
    params = to_params(*low[:2])
    top = np.array([[0.3, -0.7]]), None, np.array([0.1])
    _, outputs = jax.jit(lambda p, i: unroll(net, p, i))(Readout(params, *top), low[2])
    expected = np.tanh(twin.forward(*low[:3]).outputs @ top[0].T + 0.1)
    np.testing.assert_allclose(outputs, expected, rtol=1e-12)


def test_where_output_weights_begin():
    wide = memory_block(Topology(inputs=200, blocks=(50,)))
    params = readout(wide, 20, direct=True, init_scale=0.3).init(KEY)
    for values in (params.from_cell, params.from_inputs, params.bias):
        assert 0.2 < np.max(np.abs(values)) <= 0.3 and np.min(values) < -0.2 < 0.2 < np.max(values)
    np.testing.assert_array_equal(readout(wide, 2, initial_bias=1.5).init(KEY).bias, 1.5)
    each = readout(wide, 2, initial_bias=jnp.array([1.0, -1.0])).init(KEY).bias
    np.testing.assert_array_equal(each, [1.0, -1.0])
    with pytest.raises(ValueError, match=r"initial_bias: expected None .* write bias=True"):
        readout(wide, 2, bias=False, initial_bias=1.5)
    assert readout(wide, 2, bias=False).init(KEY).bias is None


def test_initial_output_numbers_may_be_traced():
    mapped = jax.jit(
        jax.vmap(lambda w, b: readout(CELL, 2, init_scale=w, initial_bias=b).init(KEY))
    )
    params = mapped(np.array([0.1, 0.2], np.float32), np.array([-1.0, 1.0], np.float32))
    np.testing.assert_allclose(params.from_cell[1], 2 * params.from_cell[0], rtol=1e-6)
    np.testing.assert_array_equal(params.bias, [[-1, -1], [1, 1]])


def test_no_outputs_are_refused():
    with pytest.raises(ValueError, match=r"expected outputs >= 1, got 0"):
        readout(CELL, 0)
    assert readout(CELL, 1)  # control
