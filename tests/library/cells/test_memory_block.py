"""One step of the 1997 net is the twin's, and so is everything that can be looked at."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.memory_block import Initialization, gates, memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.networks.unroll import record, unroll
from tests.reference import memory_block as twin
from tests.reference.catalogue import SMALL, random_problem
from tests.support.bridge import net_of, numbers, to_params, topology_of

KEY = jax.random.key(0)
GATED = Topology(inputs=3, blocks=(2, 1), hidden=1)
CLOSE = {"rtol": 1e-12, "atol": 1e-14}
small = pytest.mark.parametrize("topology", SMALL.values(), ids=SMALL.keys())


def begun(cell, key=KEY):
    """Initial weights."""
    return numbers(jax.jit(cell.init)(key))


def states_of(net, params, state, x):
    """The state after a step, for `record`."""
    return net.step(params, state, x)[0]


@small
def test_states_and_activations_are_the_twins(topology, x64):
    given = random_problem(topology, 1)
    run = twin.forward(*given[:3])
    net, params = net_of(topology), to_params(*given[:2])
    states = jax.jit(partial(record, net, probe=partial(states_of, net)))(params, given[2])
    np.testing.assert_allclose(states.cell_state, run.states, **CLOSE)
    np.testing.assert_allclose(states.activations, run.hidden, **CLOSE)
    with pytest.raises(AssertionError):  # control: the step before
        np.testing.assert_allclose(states.cell_state[:-1], run.states[1:], **CLOSE)


@small
def test_gates_are_the_twins(topology, x64):
    given = random_problem(topology, 2)
    run = twin.forward(*given[:3])
    params = to_params(*given[:2]).cell
    probe = partial(gates, topology_of(topology))
    cell = memory_block(topology_of(topology))
    seen = jax.jit(partial(record, cell, probe=probe))(params, given[2])
    for kind in ("input_gate", "output_gate", "forget_gate", "hidden"):
        rows = list(topology.rows[kind.replace("_gate", " gate")])
        np.testing.assert_allclose(getattr(seen, kind), run.hidden[:, rows], **CLOSE)
    cells = list(topology.rows["cell"])
    np.testing.assert_allclose(seen.cell_output, run.hidden[:, cells], **CLOSE)
    np.testing.assert_allclose(seen.cell_state, run.states, **CLOSE)
    squashed = np.vectorize(twin.G[topology.g].value)(run.net_hidden[:, cells])
    np.testing.assert_allclose(seen.cell_input, squashed, **CLOSE)
    assert np.any(squashed != run.net_hidden[:, cells])  # control: g does something


def test_it_begins_with_nothing(x64):
    net = memory_block(GATED)
    state = net.initial_state()
    assert state.cell_state.shape == (3,) and state.activations.shape == (8,)
    assert net.initial_state((4, 2)).cell_state.shape == (3, 4, 2)
    assert net.initial_state((), jnp.float32).activations.dtype == jnp.float32
    assert not any(np.any(leaf) for leaf in state)


def test_outputs_are_cells_and_hidden_units_never_gates():
    cell = memory_block(GATED, Initialization(input_gate=5.0, output_gate=-5.0))
    assert cell.outputs == 4
    state, y = numbers(jax.jit(cell.step)(begun(cell), cell.initial_state(), np.ones(3)))
    np.testing.assert_array_equal(y, state.activations[[0, 1, 2, 7]])
    assert np.all(state.activations[3:5] > 0.9) and np.all(state.activations[5:7] < 0.1)
    assert np.all(np.abs(y[:3]) < 0.1)


def test_an_open_gate_is_like_none(x64):
    """A gate whose bias is huge lets everything through, as a block without does."""
    free = Topology(inputs=2, blocks=(2,), input_gates=False, output_gates=False, recurrence="none")
    with_gates = Topology(inputs=2, blocks=(2,), forget_gates=True, recurrence="none")
    inputs = np.random.default_rng(0).normal(size=(5, 2))
    plain, rows = begun(memory_block(free)), with_gates.rows("cell")
    for bias, alike in ((60.0, True), (0.0, False)):  # the second is the control
        cell = memory_block(
            with_gates, Initialization(input_gate=bias, output_gate=bias, forget_gate=bias)
        )
        params = begun(cell)
        from_inputs, biases = 0 * params.from_inputs, params.bias.copy()
        from_inputs[rows], biases[rows] = plain.from_inputs[rows], plain.bias[rows]
        params = params._replace(from_inputs=from_inputs, bias=biases)
        pairs = ((cell, params), (memory_block(free), plain))
        both = jax.jit(lambda x, pairs=pairs: [unroll(*pair, x)[1] for pair in pairs])
        assert np.allclose(*both(inputs)) == alike


# ---------------------------------------------------------------- where weights begin


def test_weights_are_uniform_in_their_range():
    wide = Topology(inputs=300, blocks=(1,) * 20)
    params = begun(memory_block(wide, Initialization(scale=0.2, recurrent_scale=0.01)))
    for values, limit in (
        (params.from_inputs, 0.2),
        (params.from_hidden, 0.01),
        (params.bias, 0.2),
    ):
        values = np.asarray(values).reshape(-1) / limit
        assert np.max(np.abs(values)) <= 1.0 and len(set(values.tolist())) > 0.99 * len(values)
        shares = np.histogram(values, bins=4, range=(-1, 1))[0] / len(values)
        assert np.all(np.abs(shares - 0.25) < 2.5 / np.sqrt(len(values)))
    assert np.max(np.abs(params.from_inputs)) > 0.19  # control: the range is used


def test_the_same_key_the_same_weights():
    cell = memory_block(GATED)
    one, same, other = begun(cell), begun(cell), begun(cell, jax.random.key(1))
    np.testing.assert_array_equal(one.from_inputs, same.from_inputs)
    assert not np.any(one.from_inputs == other.from_inputs)
    assert not np.any(one.from_inputs[:, 0] == one.from_hidden[:, 0])


def test_initial_biases_are_what_was_asked():
    initial = Initialization(cell=0.0, input_gate=(-3.0, -6.0), output_gate=-1, scale=0.1)
    drawn, bias = (begun(memory_block(GATED, *how)).bias for how in ((), (initial,)))
    np.testing.assert_array_equal(bias[:7], [0, 0, 0, -3, -6, -1, -1])
    np.testing.assert_array_equal(bias[7:], drawn[7:])
    assert np.all(np.abs(drawn) <= 0.1) and np.all(drawn)


def test_initial_biases_go_to_biased_kinds_only():
    topology = Topology(inputs=3, blocks=(2, 1), biased=("output_gate",))
    bias = begun(memory_block(topology, Initialization(output_gate=-1.0))).bias
    np.testing.assert_array_equal(bias, [-1.0, -1.0])
    with pytest.raises(ValueError, match=r"input_gate: expected None, .* no input_gate units with"):
        memory_block(topology, Initialization(input_gate=-3.0))


def test_initial_numbers_may_be_traced():
    topology = Topology(inputs=1, blocks=(1, 1))

    def init(limit, gates):
        return memory_block(topology, Initialization(scale=limit, input_gate=gates)).init(KEY)

    limits, gates = np.float32([0.1, 0.4]), np.float32([[-1, -2], [-3, -6]])
    mapped = numbers(jax.jit(jax.vmap(init))(limits, gates))
    np.testing.assert_array_equal(mapped.bias[:, 2:4], [[-1, -2], [-3, -6]])
    np.testing.assert_allclose(mapped.from_inputs[1], 4 * mapped.from_inputs[0], rtol=1e-6)


def test_biases_of_another_number_are_refused():
    cell = memory_block(GATED, Initialization(input_gate=(-1.0, -2.0, -3.0)))
    with pytest.raises(ValueError, match=r"input_gate biases: .* 2 numbers, .*\(3,\)"):
        begun(cell)
    assert begun(memory_block(GATED, Initialization(input_gate=(-1.0, -2.0))))  # control
