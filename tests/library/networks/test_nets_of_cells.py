"""Stacks, both directions, layers, dropout, layer norm: contracts, and what each is made of."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_jax.cells.gru import gru
from lstm_jax.cells.lstm import lstm
from lstm_jax.cells.simple import elman
from lstm_jax.conformance import check_cell, check_net
from lstm_jax.gradients import bptt, by_definition, parallel_scan
from lstm_jax.losses import squared_error
from lstm_jax.networks.bidirectional import Both, bidirectional, reverse, unroll_both
from lstm_jax.networks.dropout import dropout
from lstm_jax.networks.layer_norm import layer_norm
from lstm_jax.networks.layers import init_layers, layers, net_of_layers, run_layers
from lstm_jax.networks.sequential import sequential
from lstm_jax.networks.stack import stack
from lstm_jax.networks.unroll import unroll
from tests.library.contracts.problems import gap, grads_by, three
from tests.support.bridge import KEY, numbers

NOISE = np.random.default_rng(0)

NETS = {
    "bidirectional": lambda: bidirectional(elman(2, 2), elman(2, 1)),
    "dropout": lambda: dropout(2, 0.5),
    "variational dropout": lambda: dropout(2, 0.5, one_mask=True),
    "layer norm": lambda: layer_norm(3),
    "sequence of nets": lambda: sequential(elman(2, 2), dropout(2, 0.5), elman(2, 2)),
    "layers": lambda: net_of_layers(layers(lambda n: elman(n, 2), 2, 2, both_directions=True)),
}


@pytest.mark.parametrize("name", NETS)
def test_it_keeps_its_contract(name):
    check_net(NETS[name](), steps=3)


@pytest.mark.parametrize(
    "cell",
    [stack(lstm(2, 2), elman(2, 2), gru(2, 2)), stack(lstm(2, 2), gru(2, 2), residual=True)],
    ids=["plain", "residual"],
)
def test_a_stack_is_a_cell(cell):
    check_cell(cell)


def test_a_stack_is_one_cell_after_another(x64):
    lower, upper = lstm(2, 3), gru(3, 3)
    whole = stack(lower, upper)

    @jax.jit
    def outputs(x):
        params = whole.init(KEY)
        _, below = unroll(lower, params[0], x)
        _, above = unroll(upper, params[1], below)
        stacks = whole, stack(lower, upper, residual=True)
        return below, above, *(unroll(cell, params, x)[1] for cell in stacks)

    below, above, found, added = map(np.asarray, outputs(NOISE.normal(size=(5, 2))))
    np.testing.assert_allclose(found, above, rtol=1e-12)
    np.testing.assert_allclose(added, above + below, rtol=1e-12)


def test_a_stack_takes_the_cut_but_not_the_forms_that_need_a_diagonal(x64):
    cell = stack(lstm(2, 2), lstm(2, 2))
    with pytest.raises(ValueError, match="declared not diagonal; use by_definition"):
        parallel_scan(cell, squared_error)
    rules = {"cut": by_definition, "full": bptt}
    found = grads_by(rules, cell, jax.jit(cell.init)(KEY), three(cell))
    assert gap(found["cut"], found["full"]) > 1e-4
    parallel_scan(stack(lstm(2, 2)), squared_error)


reversed_by = jax.jit(lambda values, length: (reverse(values, length), reverse(values)))


@given(st.sampled_from([1, 2, 6]), st.data())  # every number is a program
def test_reversal_goes_by_the_lengths(steps, data):
    lengths = data.draw(st.lists(st.integers(0, steps), min_size=3, max_size=3))
    values = np.arange(float(steps * 2 * len(lengths))).reshape(steps, 2, len(lengths))
    found, whole = map(np.asarray, reversed_by(values, np.array(lengths)))
    for lane, n in enumerate(lengths):
        np.testing.assert_array_equal(found[:n, :, lane], values[:n, :, lane][::-1])
        np.testing.assert_array_equal(found[n:, :, lane], values[n:, :, lane])
    np.testing.assert_array_equal(whole, values[::-1])


def test_both_directions_begin_where_they_are_told(x64):
    one, other = lstm(2, 2), gru(2, 3)
    lengths = (5, 3)

    @jax.jit
    def run(x):
        params = Both(one.init(KEY), other.init(KEY))
        together = unroll_both(one, other, params, x, length=jnp.array(lengths))
        lanes = [x[:n, :, i] for i, n in enumerate(lengths)]
        ahead = [unroll(one, params.forwards, alone) for alone in lanes]
        back = [unroll(other, params.backwards, alone[::-1]) for alone in lanes]
        return together, ahead, back

    (states, y), *alone = numbers(run(NOISE.normal(size=(5, 2, 2))))
    for i, n, (after, ahead), (before, back) in zip((0, 1), lengths, *alone, strict=True):
        expected = np.concatenate([ahead, back[::-1]], axis=1)
        np.testing.assert_allclose(y[:n, :, i], expected, rtol=1e-12)
        np.testing.assert_allclose(states.forwards.h[:, i], after.h, rtol=1e-12)
        np.testing.assert_allclose(states.backwards.h[:, i], before.h, rtol=1e-12)
    assert not y[3:, :, 1].any()


def test_layers_go_on_from_their_states(x64):
    cells = layers(lambda n: lstm(n, 3, proj_size=2), 2, 2)

    @jax.jit
    def run(x):
        params = init_layers(cells, KEY)
        states, first = run_layers(cells, params, x[:4])
        _, second = run_layers(cells, params, x[4:], states)
        return run_layers(cells, params, x)[1], first, second

    whole, *parts = run(NOISE.normal(size=(6, 2)))
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12)


def test_dropout_is_one_mask_a_step_or_one_a_sequence():
    x, length = np.ones((50, 40, 2), np.float32), np.array([50, 50])

    @jax.jit
    def applied(x):
        each, once = dropout(40, 0.25), dropout(40, 0.25, one_mask=True)
        keys = jax.random.split(KEY, 2)
        ways = ((each, keys), (once, keys), (each, None))
        return [net.apply((), x, length, key) for net, key in ways]

    each, once, still = map(np.asarray, applied(x))
    assert set(np.unique(each)) == {0, np.float32(1 / 0.75)}
    assert 0.7 < float((each > 0).mean()) < 0.8
    assert bool((once == once[:1]).all()) and not bool((each == each[:1]).all())
    assert not bool((once[..., 0] == once[..., 1]).all())  # every lane has its own
    np.testing.assert_array_equal(still, x)


def test_dropout_of_layers_stands_between_them():
    cells = layers(lambda n: elman(n, 2), 2, 3)
    assert not net_of_layers(cells).draws and net_of_layers(cells, dropout=0.1).draws
    assert len(net_of_layers(cells, dropout=0.1).init(KEY)) == 5


def test_layer_norm_has_mean_0_and_variance_1():
    net, x = layer_norm(5), np.float32(3 + 2 * NOISE.normal(size=(4, 5, 2)))
    y = np.asarray(jax.jit(lambda x: net.apply(net.init(KEY), x, jnp.array([4, 4])))(x))
    np.testing.assert_allclose(y.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(y.std(axis=1), 1, atol=1e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: stack(), "stack: expected at least one cell"),
        (lambda: stack(lstm(2, 3), lstm(2, 3)), "expected cell 2 with 3 inputs"),
        (lambda: stack(lstm(2, 3), lstm(3, 2), residual=True), "as many outputs as inputs"),
        (lambda: bidirectional(lstm(2, 3), lstm(3, 3)), "same number of inputs, got 2 and 3"),
        (lambda: sequential(), "expected at least one net"),
        (lambda: sequential(lstm(2, 3), dropout(2, 0.5)), "expected net 2 with 3 inputs"),
        (lambda: dropout(2, 1.0), "rate: expected 0 <= rate < 1, got 1.0"),
        (lambda: dropout(0, 0.5), "units: expected at least 1"),
        (lambda: layer_norm(0), "units: expected at least 1"),
        (lambda: layers(lambda n: lstm(n, 2), 2, 0), "number: expected at least 1 layer"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as refused:
        make()
    assert "\n" not in str(refused.value)
