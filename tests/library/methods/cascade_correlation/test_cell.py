"""The cascade as a cell: against the twin, and the contract of cells."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.cascade import cascade, self_recurrent_units
from lstm_jax.networks.unroll import unroll
from tests.library.methods.cascade_correlation.tiny import (
    SYMBOLS,
    UNITS,
    net_of,
    sequence,
    units_list,
)
from tests.reference import cascade_correlation as twin
from tests.support.bridge import assert_close, lane, side_by_side

CELL = cascade(SYMBOLS, UNITS)


def weights(seed: int = 0, there: int = UNITS):
    return net_of(np.random.default_rng(seed), there).cell


run = jax.jit(lambda params, inputs: unroll(CELL, params, inputs)[1])


def test_units_are_those_of_a_plain_loop(x64):
    params, given = weights(), sequence(vectors=True)
    units = units_list(net_of(np.random.default_rng(0)), UNITS)
    values = run(params, given.inputs)
    for i in range(4):
        expected = twin.hidden(units, given.inputs[..., i])[:, 1 + SYMBOLS :]
        np.testing.assert_allclose(values[..., i], expected, rtol=1e-12)
        forgetful = [np.append(unit[:-1], 0.0) for unit in units]
        other = twin.hidden(forgetful, given.inputs[..., i])[:, 1 + SYMBOLS :]
        assert np.max(np.abs(other - expected)) > 0.01  # control


def test_symbols_are_one_hot_vectors(x64):
    symbols = sequence().inputs
    vectors = jnp.moveaxis(jax.nn.one_hot(symbols, SYMBOLS), -1, 1)
    assert_close(run(weights(), symbols), run(weights(), vectors), 1e-14)
    with pytest.raises(AssertionError):
        assert_close(run(weights(), symbols), run(weights(), vectors[::-1]), 1e-3)


def test_units_that_are_not_there_are_zero_and_change_nothing():
    inputs = sequence().inputs
    for there in range(UNITS):
        values = run(weights(there=there), inputs)
        assert not np.any(values[:, there:])
        np.testing.assert_array_equal(values[:, :there], run(weights(), inputs)[:, :there])
    assert np.all(run(weights(), inputs) != 0)  # control


def test_nobody_receives_younger_units():
    params, inputs = weights(), sequence().inputs
    loud = params._replace(from_units=params.from_units + 9 * np.triu(np.ones((UNITS, UNITS))))
    assert_close(run(loud, inputs), run(params, inputs), 1e-6)
    older = params._replace(from_units=params.from_units + np.tri(UNITS, k=-1))
    assert np.max(np.abs(run(older, inputs) - run(params, inputs))) > 0.01  # control


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_lanes_are_a_loop_and_so_is_vmap(shared, x64):
    several = [weights(0 if shared else i) for i in range(4)]
    inputs = sequence().inputs
    together = run(several[0] if shared else side_by_side(*several), inputs)
    axes = None if shared else -1
    mapped = jax.vmap(lambda p, x: unroll(CELL, p, x)[1], (axes, -1), -1)
    assert_close(mapped(several[0] if shared else side_by_side(*several), inputs), together, 1e-14)
    for i, params in enumerate(several):
        assert_close(lane(together, i), run(params, lane(inputs, i)), 1e-14)
    with pytest.raises(AssertionError):
        assert_close(lane(together, 0), run(several[1], lane(inputs, 1)), 1e-6)


def test_units_alone_are_a_cascade_without_its_connections(x64):
    params = weights()
    alike = params._replace(from_units=jnp.zeros((UNITS, UNITS)))
    inputs = sequence(vectors=True).inputs
    net = jnp.einsum("ui,tin->tun", params.from_inputs, inputs) + params.bias[None, :, None]
    values = unroll(self_recurrent_units(UNITS), params.from_itself, net)[1]
    assert_close(values, run(alike, inputs), 1e-14)
    with pytest.raises(AssertionError):
        assert_close(values, run(params, inputs), 1e-3)


def test_precision_is_that_of_the_weights():
    with jax.enable_x64(True):
        double, inputs = weights(), sequence().inputs
        single = jax.tree.map(lambda leaf: leaf.astype(np.float32), double)
        assert run(single, inputs).dtype == np.float32
        assert_close(run(single, inputs), run(double, inputs), 1e-5)


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0), (-1, 2)])
def test_a_cascade_of_nothing_is_refused(sizes):
    with pytest.raises(ValueError, match="inputs >= 1 and units >= 1"):
        cascade(*sizes)
