"""The derivative with weights out of its loop, against that of the loop as it is."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.coupled import coupled_lstm
from lstm_jax.cells.gru import gru
from lstm_jax.cells.lstm import lstm
from lstm_jax.cells.rnn import rnn
from lstm_jax.conformance.findings import disturbed
from lstm_jax.networks.readout import readout
from lstm_jax.networks.unroll import unroll
from lstm_jax.networks.unroll_derivative import takes_weights_out
from lstm_jax.types import StepByNet
from tests.support.bridge import numbers, side_by_side
from tests.support.slow import slow

CELLS = {
    "LSTM": lstm(3, 2),
    "GRU": gru(3, 2),
    "GRU of the tutorial": gru(3, 2, variant="tutorial"),
    "RNN": rnn(3, 2),
    "coupled gates": coupled_lstm(3, 2),
    "with an output layer": readout(lstm(3, 2), 1),
}
RELATED = {"GRU of the tutorial", "coupled gates"}  # to others that are tried at once
every = pytest.mark.parametrize("name", CELLS)
STEPS = 7
LENGTHS = np.array([7, 3, 0, 5])


def as_it_is(cell):
    """The same cell, whose loop JAX differentiates."""
    assert isinstance(cell.step, StepByNet)
    return cell._replace(step=lambda *given: cell.step(*given))


@cache
def params_of(cell, seed=0):
    return numbers(jax.jit(cell.init)(jax.random.key(seed)))


def given(cell, lanes=(4,), seed=0):
    """Parameters, inputs, and states to begin with."""
    inputs = np.random.default_rng(seed).normal(size=(STEPS, 3, *lanes))
    state = disturbed(jax.random.key(seed), cell.initial_state(lanes))
    return params_of(cell, seed), inputs, numbers(state)


def error_of(cell, length, **how):
    """A number that all outputs and the last state go into, differently."""

    def error(params, inputs, state):
        last, y = unroll(cell, params, inputs, state, length, **how)
        leaves = [y, *jax.tree.leaves(last)]
        return sum(jnp.sum(jnp.sin(leaf + i)) for i, leaf in enumerate(leaves))

    return error


def close(found, expected, tolerance=1e-11):
    for a, b in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        np.testing.assert_allclose(
            a, b, rtol=tolerance, atol=tolerance * np.abs(b).max(initial=1e-3)
        )


@every
@pytest.mark.parametrize("length", [None, LENGTHS], ids=["whole", "lengths"])
def test_it_is_the_derivative_of_the_loop(name, length, x64):
    """By parameters, inputs and states; the value, too."""
    cell = CELLS[name]
    at = given(cell)
    slow, fast = (
        jax.jit(jax.value_and_grad(error_of(c, length), argnums=(0, 1, 2)))(*at)
        for c in (as_it_is(cell), cell)
    )
    close(fast, slow)
    with pytest.raises(AssertionError):  # control
        close(fast, jax.tree.map(lambda leaf: 1.0001 * np.asarray(leaf), slow))


def test_what_lies_behind_the_end_is_nothing(x64):
    cell = CELLS["LSTM"]
    params, inputs, state = given(cell)
    behind = np.arange(STEPS)[:, None, None] >= LENGTHS
    gradient = jax.jit(jax.grad(error_of(cell, LENGTHS), argnums=(0, 1, 2)))
    clean, spoilt = (
        gradient(params, np.where(behind, rubbish, inputs), state) for rubbish in (0.0, np.nan)
    )
    close(spoilt, clean, 0)
    assert np.all(np.where(behind, spoilt[1], 0) == 0)


@pytest.mark.parametrize("name", slow(CELLS, RELATED))
def test_forwards_twice_and_both(name, x64):
    """`jvp`, and the Hessian along a direction both ways round."""
    cell = CELLS[name]
    params, inputs, state = given(cell)
    way = given(cell, seed=5)[0]

    def both(cell):
        def error(p):
            return error_of(cell, LENGTHS)(p, inputs, state)

        slope = jax.jvp(error, (params,), (way,))[1]
        forward_over_reverse = jax.jvp(jax.grad(error), (params,), (way,))[1]
        reverse_over_forward = jax.grad(lambda p: jax.jvp(error, (p,), (way,))[1])(params)
        return slope, forward_over_reverse, reverse_over_forward

    fast, slow = jax.jit(lambda: both(cell))(), jax.jit(lambda: both(as_it_is(cell)))()
    close(fast, slow, 1e-9)
    close(fast[1], fast[2], 1e-9)


def test_symbols_and_one_sequence_alone(x64):
    cell = CELLS["LSTM"]
    params, _, state = given(cell, ())
    symbols = np.array([0, 2, 1, 1, 0, 2, 5])  # the last is none
    fast, slow = (
        jax.jit(jax.grad(error_of(c, None), argnums=(0, 2)))(params, symbols, state)
        for c in (cell, as_it_is(cell))
    )
    close(fast, slow)


@pytest.mark.parametrize("how", [{"remat": 3}, {"remat": "sqrt"}, {"unroll": 2}], ids=str)
def test_unrolled_and_computed_again_it_is_the_same(how, x64):
    cell = CELLS["GRU"]
    at = given(cell)
    wanted = jax.jit(jax.grad(error_of(cell, LENGTHS)))(*at)
    close(jax.jit(jax.grad(error_of(cell, LENGTHS, **how)))(*at), wanted)


def test_seeds_side_by_side_are_seeds_alone(x64):
    """Under `vmap` over whole nets."""
    cell = CELLS["LSTM"]
    several = [given(cell, seed=seed) for seed in range(3)]
    gradient = jax.jit(jax.grad(error_of(cell, LENGTHS)))
    together = jax.jit(jax.vmap(jax.grad(error_of(cell, LENGTHS))))(
        *jax.tree.map(lambda *a: np.stack(a), *several)
    )
    for i, one in enumerate(several):
        close(jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], together), gradient(*one))


def test_weights_of_a_lanes_own_stay_in_the_loop(x64):
    cell = CELLS["LSTM"]
    params = side_by_side(*[params_of(cell, seed) for seed in range(4)])
    shared, inputs, state = given(cell)
    wanted = jax.jit(jax.grad(error_of(as_it_is(cell), LENGTHS)))(params, inputs, state)
    found = jax.jit(jax.grad(error_of(cell, LENGTHS)))(params, inputs, state)
    close(found, wanted, 0)
    assert not takes_weights_out(cell, params, inputs)
    assert takes_weights_out(cell, shared, inputs)


def test_two_axes_of_lanes(x64):
    cell = CELLS["GRU"]
    at, length = given(cell, (2, 3)), np.array([[7, 0, 2], [3, 7, 5]])
    slow, fast = (
        jax.jit(jax.grad(error_of(c, length), argnums=(0, 1, 2)))(*at)
        for c in (as_it_is(cell), cell)
    )
    close(fast, slow)


def test_another_step_is_the_one_that_is_differentiated(x64):
    """Of a cell whose step was replaced, by one that cuts, say."""
    cell = CELLS["LSTM"]
    at = given(cell)
    held = cell._replace(step=lambda p, s, x: cell.step(p, jax.lax.stop_gradient(s), x))
    cut, whole = (jax.jit(jax.grad(error_of(c, None)))(*at) for c in (held, cell))
    with pytest.raises(AssertionError):
        close(cut, whole, 1e-3)
