"""Nets over grids: the contract, nested loops in NumPy, padding, and a small task each."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from lstm_jax.conformance import check_net
from lstm_jax.networks.feedforward import feed_forward
from lstm_jax.networks.grid_sweep import every_direction, grid_lstm, multidimensional
from lstm_jax.networks.sequential import sequential
from lstm_jax.ops.activations import identity
from tests.reference import grids
from tests.support.bridge import KEY, numbers
from tests.support.slow import slow

NETS = {
    "one direction": (multidimensional((2, 2), 1, 2, directions=((1, 1),)), 4),
    "two directions": (multidimensional((2, 2), 1, 1, directions=((1, 1), (-1, -1))), 4),
    "grid over time": (grid_lstm((3,), 2, 2), 3),
    "grid, tied, without memory": (
        grid_lstm((2, 2), 1, 1, layers=2, tied=True, depth_memory=False, bias=False),
        4,
    ),
}


RELATED = {"one direction", "grid, tied, without memory"}  # to others that are tried at once


@pytest.mark.parametrize("name", slow(NETS, RELATED))
def test_it_keeps_its_contract(name):
    net, steps = NETS[name]
    check_net(net, steps=steps)


@cache
def swept(shape):
    """A net, its parameters, and the outputs compiled once for all lengths."""
    net = multidimensional(shape, 2, 3)
    return numbers(net.init(KEY)), jax.jit(net.apply)


@pytest.mark.parametrize("shape", [(3, 4), (2, 1, 3), (5,)])
@pytest.mark.parametrize("living", [None, 4])
def test_a_sweep_is_nested_loops(shape, living, x64):
    points = int(np.prod(shape))
    weights, outputs = swept(shape)
    x = np.random.default_rng(0).normal(size=(points, 2))
    length = points if living is None else living
    spoiled = np.where(np.arange(points)[:, None] < length, x, np.nan)
    found = outputs(weights, spoiled, np.int32(length))
    alive = (np.arange(points) < length).reshape(shape)
    grid = x.reshape(*shape, 2)
    expected = [
        grids.multidimensional(*p, grid, alive, way)
        for p, way in zip(weights, every_direction(len(shape)), strict=True)
    ]
    expected = np.concatenate(expected, axis=-1).reshape(points, -1)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)
    assert float(np.abs(found - np.roll(expected, 1, axis=1)).max()) > 1e-3  # control


def test_a_grid_over_time_is_nested_loops(x64):
    net = grid_lstm((5,), 2, 3, layers=2)
    other = grid_lstm((5,), 2, 3, layers=2, tanh_of_product=False)

    @jax.jit
    def run(x):
        params = net.init(KEY)
        return params, *(n.apply(params, x, jnp.int32(5)) for n in (net, other))

    x = np.random.default_rng(0).normal(size=(5, 2))
    params, found, otherwise = numbers(run(x))
    layers = [[(t.weights, t.bias) for t in layer] for layer in params.layers]
    expected = grids.grid_over_time(params.proj_h, params.proj_m, layers, x)
    np.testing.assert_allclose(found, expected, rtol=1e-10)
    assert np.abs(otherwise - found).max() > 1e-3


def learned(net, draw, steps: int, rate: float = 0.02) -> list[float]:
    """Shares of labels that are right, of the last point, before and after fresh batches."""
    optimizer = optax.adam(rate)

    def logits(params, x):
        return net.apply(params, x, jnp.full(x.shape[2:], len(x), jnp.int32))[-1, 0]

    def error(params, x, label):
        return optax.sigmoid_binary_cross_entropy(logits(params, x), label).mean()

    def step(carry, key):
        params, state = carry
        grads = jax.grad(error)(params, *draw(key))
        with jax.numpy_dtype_promotion("standard"):
            updates, state = optimizer.update(grads, state)
        return (optax.apply_updates(params, updates), state), None

    @jax.jit
    def run(key):
        params = net.init(key)
        with jax.numpy_dtype_promotion("standard"):
            state = optimizer.init(params)
        keys = jax.random.split(key, steps)
        (trained, _), _ = lax.scan(step, (params, state), keys)
        x, label = draw(jax.random.key(99))
        return [jnp.mean((logits(p, x) > 0) == (label > 0.5)) for p in (params, trained)]

    return [*map(float, run(KEY))]


def parity(key):
    """Bits `(4, 1, 64)` and whether their number is odd."""
    bits = jax.random.bernoulli(key, 0.5, (4, 1, 64))
    return bits.astype(jnp.float32), (jnp.sum(bits, axis=(0, 1)) % 2).astype(jnp.float32)


def corners(key):
    """Pictures `(9, 1, 64)`, and whether first and last pixel are alike: they are far apart."""
    bright = jax.random.bernoulli(key, 0.5, (9, 1, 64))
    return jnp.where(bright, 1.0, -1.0), (bright[0, 0] == bright[8, 0]).astype(jnp.float32)


def test_a_grid_learns_parity():
    net = sequential(
        grid_lstm((4,), 1, 8, layers=2), feed_forward(8, 1, output_activation=identity)
    )
    before, after = learned(net, parity, 800, 0.05)
    assert before < 0.8 and after > 0.95  # control: it did not know it


def test_a_multidimensional_net_learns_what_corners_have_to_do_with_each_other():
    sweep = multidimensional((3, 3), 1, 8, directions=((1, 1),))
    net = sequential(sweep, feed_forward(8, 1, output_activation=identity))
    before, after = learned(net, corners, 400)
    assert before < 0.8 and after > 0.95  # control


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: multidimensional((0, 2), 1, 2), "shape: expected sizes of at least 1"),
        (lambda: multidimensional((2, 2), 1, 2, directions=((1,),)), "expected 2 signs"),
        (lambda: grid_lstm((2,), 1, 2, layers=0), "layers: expected at least 1, got 0"),
        (
            lambda: grid_lstm((2,), 1, 2).apply(
                jax.jit(grid_lstm((2,), 1, 2).init)(KEY), np.ones((3, 1)), np.int32(3)
            ),
            "inputs: expected 2 steps",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as refused:
        make()
    assert "\n" not in str(refused.value)
