"""Growth: when the error has stopped decreasing, and nets whose blocks are not all there."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.memory_block import memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import by_definition, forward_traces
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.networks.unroll import unroll
from lstm_jax.tasks import fixed_distractors
from lstm_jax.training.growth import when_slow
from lstm_jax.training.judging import Judgement
from tests.support.bridge import lane

WINDOW, RATIO = 5, 0.9


def by_hand(errors: np.ndarray, most: int) -> list[int]:
    """How many units there are after every sequence."""
    units, before, counts = 0, np.inf, []
    for i in range(len(errors)):
        if i % WINDOW == WINDOW - 1:
            mean = errors[i + 1 - WINDOW : i + 1].mean()
            grows = mean > RATIO * before and units < most
            units, before = units + grows, np.inf if grows else mean
        counts.append(units)
    return counts


@pytest.mark.parametrize("most", [1, 3])
def test_it_grows_when_the_error_has_stopped_decreasing(most):
    growth = when_slow(lambda n: n + 1, window=WINDOW, ratio=RATIO, most=most)
    rng = np.random.default_rng(most)
    falls = rng.uniform(0.5, 1, (60, 3)) * np.exp(-np.arange(60)[:, None] * [0.0, 0.02, 0.2])
    start = jax.tree.map(lambda a: jnp.broadcast_to(a, (3,)), growth.init())

    def body(carry, error):
        judgement = Judgement(error > 0, error, error)
        carry = growth.update(*carry, judgement, jnp.array([True, True, True]))
        return carry, carry[1]

    _, counts = jax.lax.scan(body, (start, jnp.zeros(3, int)), jnp.asarray(falls, jnp.float32))
    expected = np.array([by_hand(falls[:, i], most) for i in range(3)]).T
    np.testing.assert_array_equal(counts, expected)
    assert expected[-1].tolist()[0] == most and expected[-1, 2] == 0  # control: it depends on them


def test_lanes_that_are_not_active_stay():
    growth = when_slow(lambda n: n + 1, window=1)
    state = jax.tree.map(lambda a: jnp.broadcast_to(a, (2,)), growth.init())
    settings, error = jnp.zeros(2, int), jnp.ones(2)
    for _ in range(3):
        active = jnp.array([True, False])
        judgement = Judgement(error > 0, error, error)
        state, settings = growth.update(state, settings, judgement, active)
    assert settings.tolist() == [1, 0] and state.total.value.tolist() == [0, 0]


@pytest.mark.parametrize("wrong", [{"window": 0}, {"most": 0}, {"ratio": 0.0}])
def test_numbers_out_of_range(wrong):
    with pytest.raises(ValueError, match="expected window >= 1"):
        when_slow(lambda n: n + 1, **wrong)


TASK = fixed_distractors(4)
OF_THREE = Topology(inputs=TASK.inputs, blocks=(2, 1, 2))
OF_ONE = Topology(inputs=TASK.inputs, blocks=(2,))
KEY = jax.random.key(1)


def net(topology: Topology, present=None):
    return readout(memory_block(topology, present=present), TASK.outputs)


def shrunk(params):
    """The first block of three, alone."""
    cell, rows = params.cell, np.array([0, 1, 5, 8])  # cells, input gate, output gate
    return params._replace(
        cell=cell._replace(
            from_inputs=cell.from_inputs[rows],
            from_hidden=cell.from_hidden[rows][:, rows],
            bias=cell.bias[rows],
        ),
        from_cell=params.from_cell[:, :2],
    )


@jax.jit
def outputs_of(params, inputs, present):
    return unroll(net(OF_THREE, present), params, inputs)[1]


def test_absent_blocks_are_not_there(x64):
    params = jax.jit(net(OF_THREE).init)(KEY)
    inputs = jax.jit(TASK.sample)(KEY).inputs
    alone = unroll(net(OF_ONE), shrunk(params), inputs)[1]
    np.testing.assert_allclose(outputs_of(params, inputs, 1), alone, rtol=1e-13)
    whole = jax.jit(partial(unroll, net(OF_THREE)))(params, inputs)[1]
    np.testing.assert_array_equal(outputs_of(params, inputs, 3), whole)
    more = outputs_of(params, inputs, 2)
    assert not np.allclose(more, alone, rtol=1e-6)  # control


@pytest.mark.parametrize("learn", [forward_traces, by_definition], ids=lambda rule: rule.name)
def test_absent_blocks_do_not_learn(learn, x64):
    params, sequence = jax.jit(net(OF_THREE).init)(KEY), jax.jit(TASK.sample)(KEY)

    @jax.jit
    def of_three(params, present):
        return learn(net(OF_THREE, present), squared_error)(params, sequence).grads

    grads = of_three(params, 1)
    alone = jax.jit(learn(net(OF_ONE), squared_error))(shrunk(params), sequence).grads
    for one, other in zip(jax.tree.leaves(shrunk(grads)), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-14)
    total = sum(float(np.abs(g).sum()) for g in jax.tree.leaves(grads))
    kept = sum(float(np.abs(g).sum()) for g in jax.tree.leaves(alone))
    assert np.isclose(total, kept, rtol=1e-12) and total > 0
    all_there = of_three(params, 3)
    assert not np.allclose(shrunk(all_there).from_cell, alone.from_cell)  # control


def test_every_lane_has_its_own_number_of_blocks(x64):
    keys = jax.random.split(KEY, 4)
    params = jax.jit(jax.vmap(net(OF_THREE).init, out_axes=-1))(keys)
    sequence = jax.jit(jax.vmap(TASK.sample, out_axes=-1))(keys)

    @jax.jit
    def learned(params, sequence, present):
        return forward_traces(net(OF_THREE, present), squared_error)(params, sequence).grads

    grads = learned(params, sequence, jnp.arange(4))
    for i in range(4):
        alone = learned(*lane((params, sequence), i), i)
        for a, b in zip(jax.tree.leaves(grads), jax.tree.leaves(alone), strict=True):
            np.testing.assert_allclose(a[..., i], b, rtol=1e-11, atol=1e-14)
