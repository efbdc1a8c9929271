"""Cells of the family run through every rule that fits them; the others refuse in one line."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax import gradients
from lstm_jax.gradients import bptt, by_definition, forward_traces, parallel_scan, rtrl, windowed
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.networks.unroll import unroll
from lstm_jax.ops.activations import identity
from tests.support.slow import quick

from .family import gru, leaky, lstm, peephole, stack
from .problems import by_loop, gap, grads_by, three

pytestmark = pytest.mark.usefixtures("x64")
TRUNCATED = {
    "by_definition": by_definition,
    "parallel_scan": parallel_scan,
    "forward_traces": forward_traces,
}
FULL = {"bptt": bptt, "windowed": windowed(6), "rtrl": rtrl}
KEY = jax.random.key(0)


def with_output(cell):
    return readout(cell, outputs=2, activation=identity, init_scale=0.7)


def along_the_carousel(cell):
    """What a step receives under the cut, said by hand: constants but for the carousel."""

    def between(state):
        constant = jax.lax.stop_gradient(state)
        return cell.carousel.split(constant)[1](cell.carousel.split(state)[0])

    return between


def plain_lstm(p, xs):
    """What torch.nn.LSTM does, in NumPy."""
    sigmoid = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    n = p.weight_hh.shape[1]
    h, c, ys = np.zeros(n), np.zeros(n), []
    for x in xs:
        i, f, g, o = np.split(p.weight_ih @ x + p.bias_ih + p.weight_hh @ h + p.bias_hh, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        ys.append(h)
    return np.array(ys)


def plain_gru(p, xs):
    """What torch.nn.GRU does, in NumPy."""
    sigmoid = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    n = p.weight_hh.shape[1]
    h, ys = np.zeros(n), []
    for x in xs:
        r_x, z_x, n_x = np.split(p.weight_ih @ x + p.bias_ih, 3)
        r_h, z_h, n_h = np.split(p.weight_hh @ h + p.bias_hh, 3)
        r, z = sigmoid(r_x + r_h), sigmoid(z_x + z_h)
        h = (1 - z) * np.tanh(n_x + r * n_h) + z * h
        ys.append(h)
    return np.array(ys)


@pytest.mark.parametrize(("make", "plain"), [(lstm, plain_lstm), (gru, plain_gru)])
def test_they_compute_what_torch_computes(make, plain):
    cell, xs = make(2, 3), np.random.default_rng(0).normal(size=(5, 2))
    params = cell.init(KEY)
    outputs = unroll(cell, params, jnp.asarray(xs))[1]
    expected = plain(jax.tree.map(np.asarray, params), xs)
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-12)


# the library has the other two, and its own are tried so
@pytest.mark.parametrize("make", quick((lstm, gru, peephole), [lstm]))
def test_every_rule_takes_them(make):
    cell = with_output(make(2, 3))
    params, sequence = cell.init(KEY), three(cell)
    found = grads_by({**TRUNCATED, **FULL}, cell, params, sequence)
    full = by_loop(cell, params, sequence)
    cut = by_loop(cell, params, sequence, along_the_carousel(cell))
    assert {name: gap(found[name], full) < 1e-10 for name in FULL} == dict.fromkeys(FULL, True)
    assert {n: gap(found[n], cut) < 1e-10 for n in TRUNCATED} == dict.fromkeys(TRUNCATED, True)
    assert gap(cut, full) > 1e-3  # control: the cut cuts


def test_control_a_gru_whose_net_inputs_read_the_carousel():
    cell = with_output(gru(2, 3))
    parts = cell.net_inputs
    reads = parts._replace(
        net_input=lambda rows, state, x: parts.net_input(rows, state._replace(received=state.h), x)
    )
    with pytest.raises(ValueError, match="do not read the carousel"):
        forward_traces(cell._replace(net_inputs=reads), squared_error)(cell.init(KEY), three(cell))


def test_peepholes_without_the_copy_are_refused_by_traces():
    cell = with_output(peephole(2, 3, copies=False))
    params, sequence = cell.init(KEY), three(cell)
    with pytest.raises(ValueError, match="read a copy of it") as refused:
        forward_traces(cell, squared_error)(params, sequence)
    assert "\n" not in str(refused.value)
    # what it recommends is right, and is not what the copy gives
    expected = by_loop(cell, params, sequence, along_the_carousel(cell))
    found = grads_by({"by_definition": by_definition}, cell, params, sequence)["by_definition"]
    assert gap(found, expected) < 1e-10
    copying = with_output(peephole(2, 3))
    cut = by_loop(copying, params, sequence, along_the_carousel(copying))
    assert gap(cut, expected) > 1e-3


def recommended(refusal: str) -> list:
    """The rules that a refusal tells one to use."""
    names = re.findall(r"use (?:[a-z]+\.)?([a-z_]+)", refusal)
    return [getattr(gradients, name) for name in names]


NOT_DIAGONAL = {
    "a stack": lambda: with_output(stack(lstm(2, 3), gru(3, 2))),
    "leaky": lambda: with_output(leaky(2, 3)),
}


@pytest.mark.parametrize("name", quick(("leaky", "a stack"), ["leaky"]))
def test_a_carousel_that_is_not_diagonal(name):
    cell = NOT_DIAGONAL[name]()
    params, sequence = cell.init(KEY), three(cell)
    rules = {"bptt": bptt, "rtrl": rtrl, "by_definition": by_definition}
    found = grads_by(rules, cell, params, sequence)
    full = by_loop(cell, params, sequence)
    cut = by_loop(cell, params, sequence, along_the_carousel(cell))
    assert gap(found["bptt"], full) < 1e-10
    assert gap(found["rtrl"], full) < 1e-10
    assert gap(found["by_definition"], cut) < 1e-10

    for rule in (parallel_scan, forward_traces):
        with pytest.raises(ValueError) as refused:
            rule(cell, squared_error)
        assert "\n" not in str(refused.value)
        (instead,) = recommended(str(refused.value))
        assert gap(instead(cell, squared_error)(params, sequence).grads, cut) < 1e-10


@pytest.mark.parametrize("name", NOT_DIAGONAL)
def test_control_declared_diagonal_they_would_be_wrong(name):
    cell = NOT_DIAGONAL[name]()
    declared = cell._replace(carousel=cell.carousel._replace(diagonal=True))
    params, sequence = cell.init(KEY), three(cell)
    rules = {"right": by_definition, "wrong": parallel_scan}
    found = grads_by(rules, declared, params, sequence)
    assert gap(found["wrong"], found["right"]) > 1e-4
