"""Loops over time that keep less: the same numbers, in less memory."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.lstm import lstm
from lstm_jax.networks.bidirectional import Both, bidirectional
from lstm_jax.networks.unroll import net_of, unroll
from tests.support.bridge import KEY

CELL = lstm(2, 3)
LENGTH = jnp.array([23, 0, 1, 10])


def gradient(steps, **how):
    """Outputs and gradient of their squares, through a loop of that kind."""

    def error(params, inputs):
        y = unroll(CELL, params, inputs, length=LENGTH, **how)[1]
        return jnp.sum(y**2), y

    inputs = jax.random.normal(KEY, (steps, 2, 4))
    return jax.jit(jax.grad(error, has_aux=True)), (CELL.init(KEY), inputs)


@pytest.mark.parametrize(
    "how",
    [
        {"remat": "sqrt"},
        {"remat": 1},
        {"remat": 7},
        {"remat": 99},
        {"unroll": 4},
        {"remat": 5, "unroll": 2},
    ],
    ids=str,
)
def test_outputs_and_gradients_are_the_same(how, x64):
    plain, given = gradient(23)
    other, _ = gradient(23, **how)
    for a, b in zip(jax.tree.leaves(plain(*given)), jax.tree.leaves(other(*given)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def memory(steps, **how):
    """Bytes that the compiled gradient needs beside what goes in and out."""
    function, given = gradient(steps, **how)
    analysis = function.lower(*given).compile().memory_analysis()
    assert analysis is not None
    return analysis.temp_size_in_bytes


def test_less_is_kept():
    """Of 1024 steps 2 x 32 states; beside them the outputs, which are all wanted."""
    kept = memory(1024), memory(1024, remat="sqrt")
    assert kept[1] < 0.55 * kept[0]
    assert memory(1024, unroll=2) > 0.9 * kept[0]  # control


def test_a_net_takes_the_same_choices():
    inputs, params = jax.random.normal(KEY, (23, 2, 4)), CELL.init(KEY)
    nets = net_of(CELL), net_of(CELL, remat=4), bidirectional(CELL, CELL, remat=4)
    one, other = (net.apply(params, inputs, LENGTH, None) for net in nets[:2])
    both = nets[2].apply(Both(params, params), inputs, LENGTH, None)
    assert (one == other).all() and (both[:, :3] == one).all()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"remat": 0}, r'remat: expected "sqrt", a number of steps from 1 on, or None, got 0'),
        ({"remat": "log"}, "got 'log'"),
        ({"unroll": 0}, "unroll: expected at least 1 step, got 0"),
    ],
)
def test_nonsense_is_refused(how, says):
    with pytest.raises(ValueError, match=says):
        partial(unroll, CELL, CELL.init(KEY), jnp.ones((23, 2, 4)))(**how)
