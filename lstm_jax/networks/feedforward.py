"""Layers of units without recurrence, every step by itself (Understanding LSTM, Section 4).

  s_j = sum_i w_ji y_i + b_j,   y_j = f(s_j)

The tutorial derives the error signals of such a net by hand (its equations 4 and 5): of an
output unit delta_k = (d_k - y_k) f'(s_k), of a hidden one delta_j = f'(s_j) sum_k w_kj delta_k,
and dE/dw_ji = -delta_j y_i. `error_signals` is that, `gradients.bptt` the same by JAX.
"""

from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.ops.activations import Activation, logistic
from lstm_jax.ops.fit import checked
from lstm_jax.ops.initializers import Number, uniform
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import linear
from lstm_jax.ops.sizes import expect_whole
from lstm_jax.types import Array, Key, Net


class LayerWeights(NamedTuple):
    """One layer.

    Attributes:
      weights: `(units, inputs, *lanes)`.
      bias: `(units, *lanes)`; None without.
    """

    weights: Array
    bias: Array | None


def feed_forward(
    *sizes: int,
    activation: Activation = logistic,
    output_activation: Activation | None = None,
    bias: bool = True,
    init_scale: Number | None = None,
) -> Net[tuple[LayerWeights, ...]]:
    """A net of layers, applied to every step by itself: an output layer, or a whole net.

    Args:
      sizes: inputs, units of each layer, the last of them outputs: `feed_forward(64, 9)` is
        one layer of 9 units that read 64.
      activation: f of hidden layers.
      output_activation: f of the last layer; None for the same.
      bias: whether units have a bias.
      init_scale: weights and biases are drawn uniformly from `[-init_scale, init_scale]`; None
        for 1 / sqrt(inputs of the layer). May be traced.

    Returns:
      A net whose params are a tuple of `LayerWeights`.

    Raises:
      ValueError: fewer than two sizes, or one below 1.

    Example:
      >>> net = feed_forward(2, 3, 1)
      >>> net.apply(net.init(jax.random.key(0)), jnp.ones((5, 2)), jnp.array(5)).shape
      (5, 1)
    """
    for size in sizes:
        expect_whole(sizes=size)
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes: expected inputs and outputs, each at least 1, got {sizes}")
    last = activation if output_activation is None else output_activation

    def init(key: Key) -> tuple[LayerWeights, ...]:
        keys = jax.random.split(key, len(sizes) - 1)
        return tuple(
            _draw(k, units, inputs, init_scale, bias)
            for k, (inputs, units) in zip(keys, pairwise(sizes), strict=True)
        )

    def apply(
        params: tuple[LayerWeights, ...], inputs: Array, length: Array, key: Key | None = None, /
    ) -> Array:
        return jax.vmap(lambda x: activations(params, x, activation, last)[-1])(inputs)

    return checked(Net(init, apply, sizes[0], sizes[-1]))


def _draw(key: Key, units: int, inputs: int, init_scale: Number | None, bias: bool) -> LayerWeights:
    scale = inputs**-0.5 if init_scale is None else init_scale
    for_weights, for_bias = jax.random.split(key)
    return LayerWeights(
        uniform(for_weights, (units, inputs), scale),
        uniform(for_bias, (units,), scale) if bias else None,
    )


def activations(
    params: tuple[LayerWeights, ...], x: Array, activation: Activation, last: Activation
) -> list[Array]:
    """Activations of one step, layer by layer: `(units, *lanes)` each, the outputs at the end."""
    found = []
    for number, layer in enumerate(params, start=1):
        net = linear(layer.weights, x)
        if layer.bias is not None:
            net = net + along_lanes(layer.bias, net)
        x = (last if number == len(params) else activation)(net)
        found.append(x)
    return found


def error_signals(
    params: tuple[LayerWeights, ...], x: Array, target: Array
) -> tuple[LayerWeights, ...]:
    """The gradient of 1/2 sum (d - y)^2 of a net of logistic units, derived by hand.

    Equations 4 and 5 of the tutorial, with f' = y (1 - y); one step without lanes.

    Args:
      params: of `feed_forward` with logistic units.
      x: `(inputs,)`.
      target: `(outputs,)`, d.

    Returns:
      dE/dw, shaped like the parameters.

    Example:
      >>> net = feed_forward(2, 3, 1)
      >>> params = net.init(jax.random.key(0))
      >>> [g.weights.shape for g in error_signals(params, jnp.ones(2), jnp.ones(1))]
      [(3, 2), (1, 3)]
    """
    ys = activations(params, x, logistic, logistic)
    delta = (target - ys[-1]) * ys[-1] * (1 - ys[-1])
    grads = []
    for layer, below in reversed(list(zip(params, [x, *ys[:-1]], strict=True))):
        grads.append(LayerWeights(-jnp.outer(delta, below), None if layer.bias is None else -delta))
        delta = linear(layer.weights.T, delta) * below * (1 - below)
    return tuple(reversed(grads))
