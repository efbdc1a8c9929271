"""Under the cut an error flows back through the carousel unchanged, and through nothing else."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.gradients.truncated import cut
from lstm_jax.networks.unroll import record, unroll
from tests.support.bridge import net_of
from tests.support.forms import SMALL, Problem, every, problem

LAGS = (1, 10, 100)


def carried(net, given: Problem, lag: int):
    """d state(lag) / d state(0): the Jacobian of the whole state, field by field."""
    params, _ = given.ask()
    inputs = jnp.asarray(given.inputs[:lag])

    def end(state):
        return unroll(net, params, inputs, state)[0]

    return jax.jit(jax.jacrev(end))(net.initial_state((), inputs.dtype))


def trained_like(name: str, **changes) -> Problem:
    topology = replace(SMALL[name], **changes)
    return problem(topology, 7, max(LAGS))


@pytest.mark.parametrize(**every(n for n, t in SMALL.items() if not t.forget_gates))
def test_error_flow_through_the_carousel_is_exactly_one(topology, x64):
    given = problem(topology, 7, max(LAGS))
    flow = carried(cut(net_of(topology)), given, 10)
    cells = sum(topology.blocks)
    np.testing.assert_array_equal(flow.cell_state.cell_state, np.eye(cells))


def test_for_every_lag(x64):
    given = trained_like("1997")
    for lag in LAGS:
        flow = carried(cut(net_of(given.topology)), given, lag)
        np.testing.assert_array_equal(flow.cell_state.cell_state, np.eye(3))
        uncut = carried(net_of(given.topology), given, lag).cell_state.cell_state  # control
        assert lag == 1 or np.max(np.abs(uncut - np.eye(3))) > 1e-2


def test_nothing_flows_through_the_recurrent_activations(x64):
    given = trained_like("everything")
    flow = carried(cut(net_of(given.topology)), given, 10)
    assert not np.any(flow.cell_state.activations)
    assert not np.any(flow.activations.activations)
    uncut = carried(net_of(given.topology), given, 10)  # control
    assert np.any(uncut.cell_state.activations) and np.any(uncut.activations.activations)


def test_a_forget_gate_lets_it_decay(x64):
    given = trained_like("1997", forget_gates=True)
    net = cut(net_of(given.topology))
    params, _ = given.ask()
    inputs, forget = jnp.asarray(given.inputs[:10]), given.topology.rows["forget gate"]
    gates = record(net, params, inputs, lambda params, state, x: net.step(params, state, x)[0])
    kept = np.prod(np.asarray(gates.activations)[:, list(forget)], axis=0)
    flow = carried(net, given, 10).cell_state.cell_state
    np.testing.assert_allclose(flow, np.diag(kept[[0, 0, 1]]), rtol=1e-12)
    assert np.max(np.abs(carried(net, given, 100).cell_state.cell_state)) < 1e-6


def test_the_cut_changes_no_value(x64):
    given = trained_like("everything")
    params, _ = given.ask()
    inputs = jnp.asarray(given.inputs[:8])
    net = net_of(given.topology)
    plain, held = (unroll(one, params, inputs)[1] for one in (net, cut(net)))
    np.testing.assert_array_equal(plain, held)
