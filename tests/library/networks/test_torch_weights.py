"""Weights of torch and flax, both ways; and the block of 1997 that is an LSTM."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.gru import gru
from lstm_jax.cells.lstm import LSTMState, lstm
from lstm_jax.cells.memory_block import Initialization, MemoryBlockState, memory_block
from lstm_jax.cells.topology import KINDS, Topology
from lstm_jax.networks.layers import init_layers, layers, run_layers
from lstm_jax.networks.torch_weights import (
    block_to_lstm,
    from_torch,
    gru_from_flax,
    gru_to_flax,
    lstm_from_flax,
    lstm_to_block,
    lstm_to_flax,
    to_torch,
)
from lstm_jax.networks.unroll import unroll
from tests.support.bridge import KEY, assert_same

LAYERS = {
    "LSTM": (lambda n: lstm(n, 3), 1, False),
    "LSTM, layers, directions, projection": (lambda n: lstm(n, 3, proj_size=2), 2, True),
    "GRU without biases": (lambda n: gru(n, 3, bias=False), 2, False),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_round_trip_keeps_every_bit(name, tmp_path):
    from safetensors.numpy import load_file, save_file

    make, number, both = LAYERS[name]
    params = init_layers(layers(make, 2, number, both_directions=both), KEY)
    arrays = to_torch(params, "rnn.")
    save_file(arrays, tmp_path / "net.safetensors")
    arrays = {**load_file(tmp_path / "net.safetensors"), "linear.weight": np.ones(3)}
    assert_same(from_torch(arrays, "rnn."), params)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_torch_computes_the_same(kind):
    torch = pytest.importorskip("torch")
    from lstm_jax.cells.rnn import rnn

    module = getattr(torch.nn, kind)(2, 3, num_layers=2, bidirectional=True).double()
    make = {"LSTM": lstm, "GRU": gru, "RNN": rnn}[kind]
    with jax.enable_x64(True):
        cells = layers(lambda n: make(n, 3), 2, 2, both_directions=True)
        params = from_torch(module.state_dict())
        x = np.random.default_rng(0).normal(size=(5, 2, 4))
        _, found = run_layers(cells, params, jnp.asarray(x))
        expected = module(torch.from_numpy(x.swapaxes(1, 2)))[0].detach().numpy()
        np.testing.assert_allclose(found, expected.swapaxes(1, 2), rtol=1e-10, atol=1e-12)


def flax_lstm(params, c, h, x):
    """flax's `OptimizedLSTMCell` by its documentation: kernels transposed, biases at h."""
    sig = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    net = {
        g: x @ params[f"i{g}"]["kernel"] + h @ params[f"h{g}"]["kernel"] + params[f"h{g}"]["bias"]
        for g in "ifgo"
    }
    c = sig(net["f"]) * c + sig(net["i"]) * np.tanh(net["g"])
    return c, sig(net["o"]) * np.tanh(c)


def flax_gru(params, h, x):
    """flax's `GRUCell` by its documentation: biases at x, and one more inside of the reset."""
    sig = lambda v: 1 / (1 + np.exp(-v))  # noqa: E731
    of_x = {g: x @ params[f"i{g}"]["kernel"] + params[f"i{g}"]["bias"] for g in "rzn"}
    of_h = {g: h @ params[f"h{g}"]["kernel"] for g in "rzn"}
    r, z = sig(of_x["r"] + of_h["r"]), sig(of_x["z"] + of_h["z"])
    n = np.tanh(of_x["n"] + r * (of_h["n"] + params["hn"]["bias"]))
    return (1 - z) * n + z * h


def test_flax_cells_compute_the_same(x64):
    x = np.random.default_rng(0).normal(size=(2, 2))
    cell = lstm(2, 3)
    params = cell.init(KEY)
    state, c, h = cell.initial_state(), np.zeros(3), np.zeros(3)
    for one in x:
        state, _ = cell.step(params, state, jnp.asarray(one))
        c, h = flax_lstm(lstm_to_flax(params), c, h, one)
    np.testing.assert_allclose(state.h, h, rtol=1e-12)

    cell, h = gru(2, 3), np.zeros(3)
    params, state = cell.init(KEY), cell.initial_state()
    for one in x:
        state, _ = cell.step(params, state, jnp.asarray(one))
        h = flax_gru(gru_to_flax(params), h, one)
    np.testing.assert_allclose(state.h, h, rtol=1e-12)


@pytest.mark.parametrize(
    ("there", "back", "cell"),
    [(lstm_to_flax, lstm_from_flax, lstm(2, 3)), (gru_to_flax, gru_from_flax, gru(2, 3))],
    ids=["LSTM", "GRU"],
)
def test_flax_parameters_come_back(there, back, cell):
    flax = there(cell.init(KEY))
    again = there(back(flax))
    jax.tree.map(np.testing.assert_array_equal, flax, again)
    with pytest.raises(ValueError, match="expected an entry"):
        back({name: entry for name, entry in flax.items() if name[0] == "h"})


BLOCK = Topology(2, (1, 1, 1), forget_gates=True, recurrence="cells")


@pytest.mark.parametrize("biased", [KINDS, ("input_gate", "cell"), ()])
def test_a_block_of_1997_with_forget_gates_is_an_lstm(biased, x64):
    topology = Topology(2, (1, 1, 1), forget_gates=True, recurrence="cells", biased=biased)
    block, modern = memory_block(topology, Initialization(scale=1.0)), lstm(2, 3)
    params, x = block.init(KEY), jax.random.normal(KEY, (6, 2))
    begin = block.initial_state()._replace(cell_state=jnp.array([0.4, -1.0, 2.0]))
    state, expected = unroll(block, params, x, begin)
    given = LSTMState(begin.cell_state / 2, jnp.zeros(3))
    after, found = unroll(modern, block_to_lstm(topology, params), x, given)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(after.c, state.cell_state / 2, rtol=1e-12)
    other, _ = unroll(modern, block_to_lstm(topology, params), x)  # control: another beginning
    assert float(jnp.abs(other.c - after.c).max()) > 1e-3


def test_an_lstm_is_a_block_of_1997(x64):
    modern, block = lstm(2, 3), memory_block(BLOCK)
    params, x = modern.init(KEY), jax.random.normal(KEY, (6, 2))
    _, expected = unroll(modern, params, x)
    _, found = unroll(block, lstm_to_block(BLOCK, params), x)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert isinstance(block.initial_state(), MemoryBlockState)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: from_torch({"weight_ih_l0": np.ones((8, 2))}), "weight_hh_l0 is missing"),
        (lambda: from_torch({}), "weight_ih_l0 is missing"),
        (lambda: from_torch({"linear.weight": np.ones(2)}), "expected names such as"),
        (lambda: to_torch(cast(Any, lstm(2, 3).init(KEY))), r"write \(\(params,\),\)"),
        (
            lambda: to_torch(
                ((jax.tree.map(lambda a: jnp.stack([a, a], -1), lstm(2, 3).init(KEY)),),)
            ),
            "without lanes, got shape",
        ),
        (lambda: lstm_to_flax(lstm(2, 3, bias=False).init(KEY)), "expected a cell with two"),
        (
            lambda: block_to_lstm(Topology(2, (2,)), memory_block(Topology(2, (2,))).init(KEY)),
            "topology.blocks: expected",
        ),
        (
            lambda: lstm_to_block(
                Topology(2, (1,), forget_gates=True, recurrence="cells", biased=()),
                lstm(2, 1).init(KEY),
            ),
            "biased: expected all of",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)
