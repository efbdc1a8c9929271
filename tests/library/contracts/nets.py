"""Nets that map whole sequences, written from the docstring of `Net` alone.

What lies behind the end never matters: reversal, attention and encoding go by the length.
"""

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.networks.unroll import unroll
from lstm_jax.ops.fit import living_inputs, living_steps
from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import linear
from lstm_jax.types import Array, Cell, Net

from .family import draw

tanh = jnp.tanh


def layer(weights, y):
    """An affine map of `(units, *lanes)`, or of a sequence of them under `jax.vmap`."""
    net = linear(weights["w"], y)
    return net + along_lanes(weights["b"], net)


def each_step(weights, ys):
    return jax.vmap(lambda y: layer(weights, y))(ys)


def affine(key, outputs, inputs):
    w, b = draw(key, (outputs, inputs), (outputs,), scale=inputs**-0.5)
    return {"w": w, "b": b}


def feed_forward(inputs: int, hidden: int, outputs: int) -> Net:
    """Every step by itself: no state at all."""

    def init(key):
        k1, k2 = jax.random.split(key)
        return affine(k1, hidden, inputs), affine(k2, outputs, hidden)

    def apply(params, inputs, length, key=None):
        return each_step(params[1], tanh(each_step(params[0], inputs)))

    return Net(init, apply, inputs, outputs)


def dropout(inputs: int, hidden: int, outputs: int, rate: float = 0.5) -> Net:
    """The same with hidden units left out at random, one set a sequence, while it learns."""
    net = feed_forward(inputs, hidden, outputs)

    def apply(params, inputs, length, key=None):
        y = tanh(each_step(params[0], inputs))
        if key is not None:
            y = y * kept(key, hidden, rate)[None]
        return each_step(params[1], y)

    return net._replace(apply=apply, draws=True)


def kept(key, units: int, rate: float):
    """`(units, *lanes)`, 0 or 1 / (1 - rate), from `(*lanes)` keys."""
    bernoulli = lambda k: jax.random.bernoulli(k, 1 - rate, (units,)).astype(float) / (1 - rate)  # noqa: E731
    for _ in range(key.ndim):
        bernoulli = jax.vmap(bernoulli, in_axes=-1, out_axes=-1)
    return bernoulli(key)


def reverse(values: Array, length: Array) -> Array:
    """`(time, units, *lanes)` with the living steps turned around and the others left."""
    time = jnp.arange(len(values), dtype=length.dtype).reshape(-1, *[1] * (values.ndim - 1))
    ends = jnp.broadcast_to(length, values.shape[2:])[None, None]
    at = jnp.where(time < ends, ends - 1 - time, time)
    return jnp.take_along_axis(values, jnp.broadcast_to(at, values.shape), axis=0)


def bidirectional(forward: Cell, backward: Cell, outputs: int) -> Net:
    """Two cells, one of which reads the sequence from its end."""

    def init(key):
        k1, k2, k3 = jax.random.split(key, 3)
        units = forward.outputs + backward.outputs
        return forward.init(k1), backward.init(k2), affine(k3, outputs, units)

    def apply(params, inputs, length, key=None):
        ahead = unroll(forward, params[0], inputs, length=length)[1]
        back = unroll(backward, params[1], reverse(inputs, length), length=length)[1]
        return each_step(params[2], jnp.concatenate([ahead, reverse(back, length)], axis=1))

    return Net(init, apply, forward.inputs, outputs)


def multidimensional(columns: int, units: int, outputs: int) -> Net:
    """A sweep over an image, row by row: every pixel receives those above it and to its left."""

    def init(key):
        k1, k2, k3, k4 = jax.random.split(key, 4)
        pixel, above, left = (
            affine(k1, units, 1),
            affine(k2, units, units),
            affine(k3, units, units),
        )
        return pixel, above, left, affine(k4, outputs, units)

    def apply(params, inputs, length, key=None):
        pixel, above, left, output = params
        image = living_inputs(inputs, length)
        image = image.reshape(-1, columns, *image.shape[1:])
        beside = jnp.zeros((units, *inputs.shape[2:]), inputs.dtype)

        def cell(left_of, given):
            x, up = given
            h = tanh(layer(pixel, x) + layer(above, up) + layer(left, left_of))
            return h, h

        def row(row_above, pixels):
            _, hs = lax.scan(cell, beside, (pixels, row_above))
            return hs, hs

        nothing = jnp.broadcast_to(beside[None], (columns, *beside.shape))
        _, hs = lax.scan(row, nothing, image)
        return each_step(output, hs.reshape(-1, *hs.shape[2:]))

    return Net(init, apply, 1, outputs)


def grid(inputs: int, units: int, layers: int, outputs: int) -> Net:
    """A grid of time and depth: each block sends one vector along either, both updated alike."""

    def init(key):
        into, along, deep, out = jax.random.split(key, 4)
        both = [affine(k, units, 2 * units) for k in jax.random.split(along, layers)]
        up = [affine(k, units, 2 * units) for k in jax.random.split(deep, layers)]
        return affine(into, units, inputs), both, up, affine(out, outputs, units)

    def apply(params, inputs, length, key=None):
        into, along, deep, out = params

        def step(in_time, x):
            depth, after = tanh(layer(into, x)), []
            for h, of_time, of_depth in zip(in_time, along, deep, strict=True):
                received = jnp.concatenate([h, depth])
                after.append(tanh(layer(of_time, received)))
                depth = depth + tanh(layer(of_depth, received))
            return after, layer(out, depth)

        none = [jnp.zeros((units, *inputs.shape[2:]), inputs.dtype) for _ in range(layers)]
        return lax.scan(step, none, living_inputs(inputs, length))[1]

    return Net(init, apply, inputs, outputs)


def attention(inputs: int, units: int, outputs: int) -> Net:
    """Every step looks at all living inputs, whatever their order."""

    def init(key):
        kq, kk, kv, ko = jax.random.split(key, 4)
        query, of_key, value = (affine(k, units, inputs) for k in (kq, kk, kv))
        return query, of_key, value, affine(ko, outputs, units)

    def apply(params, inputs, length, key=None):
        inputs = living_inputs(inputs, length)
        query, of_key, value = (each_step(weights, inputs) for weights in params[:3])
        scores = jnp.einsum("tu...,su...->ts...", query, of_key) / units**0.5
        alive = living_steps(len(inputs), jnp.asarray(length))
        weights = jax.nn.softmax(jnp.where(alive[None], scores, -jnp.inf), axis=1)
        return each_step(params[3], jnp.einsum("ts...,su...->tu...", weights, value))

    return Net(init, apply, inputs, outputs)


def encoder_decoder(encoder: Cell, decoder: Cell, outputs: int, target_time: int) -> Net:
    """One cell reads, another writes a sequence of a time of its own, fed with what it wrote."""

    def init(key):
        k1, k2, k3, k4 = jax.random.split(key, 4)
        bridge = affine(k4, decoder.inputs - outputs, encoder.outputs)
        return encoder.init(k1), decoder.init(k2), affine(k3, outputs, decoder.outputs), bridge

    def apply(params, inputs, length, key=None):
        lanes = inputs.shape[2:]
        _, ys = unroll(encoder, params[0], reverse(inputs, length), length=length)
        # turned around, the last living step stands where its number says: at length - 1
        at = jnp.broadcast_to(length - 1, lanes)[None, None]
        code = jnp.take_along_axis(ys, jnp.broadcast_to(at, (1, *ys.shape[1:])), axis=0)[0]
        context = layer(params[3], code)

        def step(carry, _):
            state, y = carry
            state, h = decoder.step(params[1], state, jnp.concatenate([context, y]))
            y = layer(params[2], h)
            return (state, y), y

        begin = decoder.initial_state(lanes, inputs.dtype)
        first = jnp.zeros((outputs, *lanes), inputs.dtype)
        return lax.scan(step, (begin, first), None, length=target_time)[1]

    return Net(init, apply, encoder.inputs, outputs)
