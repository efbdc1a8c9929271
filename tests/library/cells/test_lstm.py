"""The modern cells: contracts, gates on request, initial ranges, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.coupled import coupled_lstm
from lstm_jax.cells.gru import gru, gru_gates
from lstm_jax.cells.lstm import lstm, lstm_gates
from lstm_jax.cells.rnn import rnn
from lstm_jax.conformance import check_cell
from lstm_jax.gradients import bptt, by_definition, forward_traces, parallel_scan, rtrl
from lstm_jax.losses import squared_error
from lstm_jax.networks.unroll import record, unroll
from tests.library.contracts.problems import gap, grads_by, three
from tests.support.bridge import KEY, numbers

CELLS = {
    "LSTM": lambda: lstm(2, 2),
    "LSTM without biases": lambda: lstm(2, 2, bias=False),
    "LSTM with projection": lambda: lstm(2, 3, proj_size=2),
    "GRU": lambda: gru(2, 2),
    "GRU of the tutorial": lambda: gru(2, 2, variant="tutorial"),
    "GRU of 2014": lambda: gru(2, 2, variant="2014"),
    "GRU without biases": lambda: gru(2, 2, bias=False),
    "coupled gates": lambda: coupled_lstm(2, 2),
    "tanh": lambda: rnn(2, 2),
    "ReLU without biases": lambda: rnn(2, 2, nonlinearity="relu", bias=False),
}


# a variant each of what is tried beside it, of biases and of the reset gate
SLOW = {"contract": "LSTM without biases", "rules": "GRU of the tutorial"}


def tried(law, names):
    slow = pytest.mark.slow
    return [pytest.param(n, marks=slow) if n == SLOW[law] else n for n in names]


@pytest.mark.parametrize("name", tried("contract", CELLS))
def test_it_keeps_its_contract(name):
    check_cell(CELLS[name]())


@pytest.mark.parametrize(
    "name", tried("rules", ["LSTM", "GRU", "GRU of the tutorial", "coupled gates", "tanh"])
)
def test_every_rule_takes_it(name, x64):
    cell = CELLS[name]()
    rules = {"bptt": bptt, "rtrl": rtrl, "definition": by_definition}
    rules |= {"scan": parallel_scan} | ({"traces": forward_traces} if cell.carousel else {})
    found = grads_by(rules, cell, jax.jit(cell.init)(KEY), three(cell))
    assert gap(found["rtrl"], found["bptt"]) < 1e-10
    for form in set(found) & {"scan", "traces"}:
        assert gap(found[form], found["definition"]) < 1e-10
    assert gap(found["definition"], found["bptt"]) > 1e-4  # control: the cut is another gradient


@pytest.mark.parametrize("name", ["LSTM with projection", "GRU of 2014"])
def test_traces_refuse_what_has_no_net_inputs(name):
    cell = CELLS[name]()
    with pytest.raises(ValueError, match="without net_inputs; use by_definition"):
        forward_traces(cell, squared_error)
    by_definition(cell, squared_error)


@pytest.mark.parametrize(
    ("cell", "gates"), [(lstm(2, 3), lstm_gates), (gru(2, 3), gru_gates)], ids=["LSTM", "GRU"]
)
def test_gates_are_those_of_the_steps(cell, gates):

    @jax.jit
    def run(inputs):
        params = cell.init(KEY)
        return record(cell, params, inputs, gates), unroll(cell, params, inputs)[1]

    seen, outputs = numbers(run(np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)))
    if gates is lstm_gates:
        np.testing.assert_allclose(seen.output_gate * np.tanh(seen.c), outputs, rtol=1e-5)
    else:
        np.testing.assert_allclose(seen.h, outputs, rtol=1e-5)


def test_weights_begin_in_the_range_of_torch():
    drawn = jax.jit(lambda: (lstm(50, 16).init(KEY), gru(2, 4, init_scale=2.0).init(KEY)))
    params, wide = numbers(drawn())
    leaves = jax.tree.leaves(params)
    assert all(float(np.abs(leaf).max()) <= 0.25 for leaf in leaves)
    assert max(float(np.abs(leaf).max()) for leaf in leaves) > 0.24
    assert float(np.abs(wide.weight_hh).max()) > 1


def test_the_bias_of_forget_gates_is_the_sum_of_two():
    cells = lstm(2, 3, forget_bias=(1.0, 2.0, 3.0)), lstm(2, 3)
    params, drawn = numbers(jax.jit(lambda: [cell.init(KEY) for cell in cells])())
    assert (params.bias_ih + params.bias_hh)[3:6].tolist() == [1, 2, 3]
    for one, other in ((params.bias_ih, drawn.bias_ih), (params.bias_hh, drawn.bias_hh)):
        np.testing.assert_array_equal(one[:3], other[:3])
    np.testing.assert_array_equal(params.weight_ih, drawn.weight_ih)


def test_chrono_biases_are_those_of_tallec_and_ollivier():
    """Spread like log(u), u uniform from 1 to T - 1; what is let in is what is lost."""
    steps, hidden = 100.0, 400
    cells = lstm(2, hidden, chrono_steps=steps), lstm(2, hidden)
    params, drawn = numbers(jax.jit(lambda: [cell.init(KEY) for cell in cells])())
    biases = (params.bias_ih + params.bias_hh).reshape(4, hidden)
    np.testing.assert_array_equal(biases[0], -biases[1])
    u = np.exp(biases[1])
    assert 1 <= u.min() < 2 and 97 < u.max() <= steps - 1 + 1e-3
    assert abs(u.mean() - steps / 2) < 5
    for rest in (biases[2:], params.weight_ih, params.weight_hh):
        assert np.abs(rest).max() <= 2 * hidden**-0.5
    assert np.abs((drawn.bias_ih + drawn.bias_hh)[hidden : 2 * hidden]).max() < 0.2  # control


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lstm(0, 2), "inputs: expected at least 1, got 0"),
        (lambda: gru(2, 0), "hidden: expected at least 1, got 0"),
        (lambda: lstm(2, 2, proj_size=2), "proj_size: expected less than hidden=2, got 2"),
        (lambda: lstm(2, 2, bias=False, forget_bias=1.0), "forget_bias: expected None"),
        (lambda: lstm(2, 2, bias=False, chrono_steps=9), "chrono_steps: expected None"),
        (lambda: lstm(2, 2, forget_bias=1.0, chrono_steps=9), "chrono_steps: expected None"),
        (lambda: lstm(2, 2, chrono_steps=1), "chrono_steps: expected at least 2, got 1"),
        (lambda: lstm(2, 2, forget_bias=(1.0,)).init(KEY), "forget_bias: expected a number or 2"),
        (lambda: gru(2, 2, variant="2015"), "variant: expected one of"),  # pyright: ignore
        (lambda: rnn(2, 2, nonlinearity="sin"), "nonlinearity: expected one"),  # pyright: ignore
    ],
)
def test_what_is_none_is_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as refused:
        make()
    assert "\n" not in str(refused.value)


def test_coupled_gates_are_an_lstm_whose_input_gate_mirrors_its_forget_gate(x64):
    """sig(-z) = 1 - sig(z): the rows of the forget gate with the other sign."""
    coupled = coupled_lstm(2, 3)

    @jax.jit
    def both(inputs):
        params = coupled.init(KEY)
        twin = jax.tree.map(lambda leaf: jnp.concatenate([-leaf[:3], leaf]), params)
        twin = twin._replace(bias_hh=jnp.zeros_like(twin.bias_ih))
        return unroll(coupled, params, inputs)[1], unroll(lstm(2, 3), twin, inputs)[1]

    np.testing.assert_allclose(*both(np.random.default_rng(0).normal(size=(7, 2))), rtol=1e-12)
