"""Peepholes: the contract, and what each choice lets through under the cut."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.lstm import lstm
from lstm_jax.cells.peephole import PeepholeParams, peephole_lstm
from lstm_jax.cells.torch_layout import TorchParams
from lstm_jax.conformance import check_cell
from lstm_jax.gradients import bptt, by_definition, forward_traces, parallel_scan, rtrl
from lstm_jax.losses import squared_error
from lstm_jax.networks.unroll import unroll
from tests.library.contracts.problems import gap, grads_by, three
from tests.support.bridge import KEY, numbers

CHOICES = ("kept", "cut", "all_cut")


def cell_of(choice):
    return peephole_lstm(2, 2, peephole_error=choice, init_scale=0.8)


@pytest.mark.parametrize("choice", ["kept", "cut"])
def test_it_keeps_its_contract(choice):
    check_cell(cell_of(choice))


def test_the_rule_of_2002_is_no_true_gradient_and_the_check_says_so():
    with pytest.raises(ValueError, match=r"gradients: .* look for stop_gradient"):
        check_cell(cell_of("all_cut"))


def test_every_choice_is_another_gradient_and_every_form_has_it(x64):
    params, sequence = jax.jit(cell_of("kept").init)(KEY), three(cell_of("kept"))
    by_choice = {}
    for choice in CHOICES:
        rules = {"definition": by_definition, "scan": parallel_scan, "bptt": bptt, "rtrl": rtrl}
        if choice != "kept":
            rules["traces"] = forward_traces
        found = grads_by(rules, cell_of(choice), params, sequence)
        for form in set(found) & {"scan", "traces"}:
            assert gap(found[form], found["definition"]) < 1e-10
        assert gap(found["rtrl"], found["bptt"]) < 1e-10
        by_choice[choice] = found
    kept, cut, all_cut = (by_choice[choice] for choice in CHOICES)
    assert gap(kept["bptt"], cut["bptt"]) < 1e-12  # the full gradient is one
    for one, other in ((kept, cut), (cut, all_cut), (kept, all_cut)):
        assert gap(one["definition"], other["definition"]) > 1e-4


def test_traces_refuse_a_state_read_through_the_carousel():
    with pytest.raises(ValueError, match="without net_inputs; use by_definition") as refused:
        forward_traces(cell_of("kept"), squared_error)
    assert "\n" not in str(refused.value)


def test_without_peepholes_it_is_an_lstm(x64):
    cell = cell_of("cut")

    @jax.jit
    def outputs(x):
        params = cell.init(KEY)
        none = params._replace(peepholes=jnp.zeros_like(params.peepholes))
        biases = none.bias, jnp.zeros_like(none.bias)
        modern = TorchParams(none.from_inputs, none.from_hidden, *biases)
        which = ((lstm(2, 2), modern), (cell, none), (cell, params))
        return [unroll(*one, x)[1] for one in which]

    x = np.random.default_rng(0).normal(size=(5, 2))
    expected, without, with_them = map(np.asarray, outputs(x))
    np.testing.assert_allclose(without, expected, rtol=1e-12)
    assert np.abs(with_them - expected).max() > 1e-3  # control


def test_biases_begin_as_given():
    cell = peephole_lstm(2, 2, input_bias=-1.0, forget_bias=(1.0, 2.0), output_bias=-2.0)
    params: PeepholeParams = numbers(jax.jit(cell.init)(KEY))
    assert params.bias[[0, 1, 2, 3, 6, 7]].tolist() == [-1, -1, 1, 2, -2, -2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: peephole_lstm(2, 0), "hidden: expected at least 1, got 0"),
        (lambda: peephole_lstm(2, 2, forget_bias=(1.0,)).init(KEY), "forget_bias: expected"),
        (lambda: peephole_lstm(2, 2, peephole_error="no"), "one of"),  # pyright: ignore
    ],
)
def test_what_is_none_is_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as refused:
        make()
    assert "\n" not in str(refused.value)
