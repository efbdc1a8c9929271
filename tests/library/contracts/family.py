"""Cells of the family, written from the docstrings of `types` alone.

lstm       torch's convention: gates i, f, g, o, and two biases
gru        torch's convention; h is the carousel, what the net inputs read is a copy of it
peephole   gates that look at the carousel: at a copy of it, or (wrongly) at itself
stack      one cell on top of another, as one
leaky      a hidden state that leaks, named a carousel though its units mix
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.ops.lanes import along_lanes
from lstm_jax.ops.linear import add_outer, linear
from lstm_jax.types import Array, Carousel, Cell, NetInputs

sigmoid, tanh = jax.nn.sigmoid, jnp.tanh


class TorchParams(NamedTuple):
    """`(gates * units, inputs)`, `(gates * units, units)`, and two biases."""

    weight_ih: Array
    weight_hh: Array
    bias_ih: Array
    bias_hh: Array


def draw(key, *shapes, scale=0.5):
    keys = jax.random.split(key, len(shapes))
    return [
        scale * jax.random.uniform(k, s, minval=-1, maxval=1)
        for k, s in zip(keys, shapes, strict=True)
    ]


def torch_params(gates, inputs, units):
    rows = gates * units
    return lambda key: TorchParams(
        *draw(key, (rows, inputs), (rows, units), (rows,), (rows,), scale=units**-0.5)
    )


def zero_state(state, *units):
    return lambda lanes=(), dtype=None: state(*(jnp.zeros((u, *lanes), dtype) for u in units))


def of_net_inputs(parts, read):
    """The step that `net_inputs` describes."""

    def step(params, state, x):
        state = parts.activate(parts.net_input(parts.rows(params), state, x), state)
        return state, read(params, state, x)

    return step


def block_rows(units, *blocks):
    return tuple(tuple(range(b * units, (b + 1) * units)) for b in blocks)


class LSTMState(NamedTuple):
    c: Array
    h: Array


def lstm(inputs: int, units: int) -> Cell:
    def net_input(rows, state, x):
        net = linear(rows.weight_ih, x) + linear(rows.weight_hh, state.h)
        return net + along_lanes(rows.bias_ih + rows.bias_hh, net)

    def activate(net, state):
        i, f, g, o = jnp.split(net, 4)
        c = sigmoid(f) * state.c + sigmoid(i) * tanh(g)
        return LSTMState(c, sigmoid(o) * tanh(c))

    def outer(traces, e, state, x):
        return TorchParams(
            add_outer(traces.weight_ih, e, x),
            add_outer(traces.weight_hh, e, state.h),
            traces.bias_ih + e,
            traces.bias_hh + e,
        )

    parts = NetInputs(
        lambda params: params, net_input, activate, outer, block_rows(units, 2, 0, 1), False
    )
    read = lambda params, state, x: state.h  # noqa: E731
    return Cell(
        torch_params(4, inputs, units),
        zero_state(LSTMState, units, units),
        of_net_inputs(parts, read),
        inputs,
        units,
        Carousel.of_fields("c", diagonal=True),
        parts,
        read,
    )


class GRUState(NamedTuple):
    h: Array
    received: Array  # the copy that the net inputs read


def gru(inputs: int, units: int) -> Cell:
    """The new gate's two halves are net inputs of their own: torch's r multiplies only one."""
    n = units

    def rows(params):
        ih, hh, b_ih, b_hh = params
        none = [jnp.zeros_like(leaf[:n]) for leaf in params]
        return TorchParams(
            jnp.concatenate([ih, none[0]]),
            jnp.concatenate([hh[: 2 * n], none[1], hh[2 * n :]]),
            jnp.concatenate([b_ih, none[2]]),
            jnp.concatenate([b_hh[: 2 * n], none[3], b_hh[2 * n :]]),
        )

    def net_input(rows, state, x):
        net = linear(rows.weight_ih, x) + linear(rows.weight_hh, state.received)
        return net + along_lanes(rows.bias_ih + rows.bias_hh, net)

    def activate(net, state):
        r, z, of_x, of_h = jnp.split(net, 4)
        z = sigmoid(z)
        h = (1 - z) * tanh(of_x + sigmoid(r) * of_h) + z * state.h
        return GRUState(h, h)

    def outer(traces, e, state, x):
        return TorchParams(
            add_outer(traces.weight_ih, e, x),
            add_outer(traces.weight_hh, e, state.received),
            traces.bias_ih + e,
            traces.bias_hh + e,
        )

    parts = NetInputs(rows, net_input, activate, outer, block_rows(n, 0, 1, 2, 3), False)
    read = lambda params, state, x: state.h  # noqa: E731
    return Cell(
        torch_params(3, inputs, n),
        zero_state(GRUState, n, n),
        of_net_inputs(parts, read),
        inputs,
        n,
        Carousel.of_fields("h", diagonal=True),
        parts,
        read,
    )


class PeepholeParams(NamedTuple):
    """Rows i, f, g, o of the weights; `peep` `(3, units)` is what i, f and o see of c."""

    from_inputs: Array
    from_hidden: Array
    bias: Array
    peep: Array


class PeepholeRows(NamedTuple):
    from_inputs: Array
    from_hidden: Array
    from_seen: Array
    bias: Array


class PeepholeState(NamedTuple):
    c: Array
    seen: Array  # the copy that i and f look at
    h: Array


def peephole(inputs: int, units: int, *, copies: bool = True) -> Cell:
    """Gers and Schmidhuber 2000: i and f see c(t-1), o sees c(t).

    What o sees of c(t) is no product with a source of this step, so the weight itself is a
    net input: a row whose only source is the bias. Without `copies` i and f look at the
    carousel itself, which net inputs must not.
    """
    n = units

    def rows(params):
        def diagonal(p):
            return jnp.eye(n, dtype=p.dtype).reshape(n, n, *[1] * (p.ndim - 1)) * p[:, None]

        none = jnp.zeros_like(params.from_hidden[:n])
        more = jnp.zeros_like(params.from_inputs[:n])
        of_i, of_f, of_o = params.peep
        return PeepholeRows(
            jnp.concatenate([params.from_inputs, more]),
            jnp.concatenate([params.from_hidden, none]),
            jnp.concatenate([diagonal(of_i), diagonal(of_f), none, none, none]),
            jnp.concatenate([params.bias, of_o]),
        )

    def seen(state):
        return state.seen if copies else state.c

    def net_input(rows, state, x):
        net = linear(rows.from_inputs, x) + linear(rows.from_hidden, state.h)
        return net + linear(rows.from_seen, seen(state)) + along_lanes(rows.bias, net)

    def activate(net, state):
        i, f, g, o, of_o = jnp.split(net, 5)
        c = sigmoid(f) * state.c + sigmoid(i) * tanh(g)
        return PeepholeState(c, c, sigmoid(o + of_o * c) * tanh(c))

    def outer(traces, e, state, x):
        return PeepholeRows(
            add_outer(traces.from_inputs, e, x),
            add_outer(traces.from_hidden, e, state.h),
            add_outer(traces.from_seen, e, seen(state)),
            traces.bias + e,
        )

    parts = NetInputs(rows, net_input, activate, outer, block_rows(n, 0, 1, 2), False)
    read = lambda params, state, x: state.h  # noqa: E731
    return Cell(
        lambda key: PeepholeParams(
            *draw(key, (4 * n, inputs), (4 * n, n), (4 * n,), (3, n), scale=0.8)
        ),
        zero_state(PeepholeState, n, n, n),
        of_net_inputs(parts, read),
        inputs,
        n,
        Carousel.of_fields("c", diagonal=True),
        parts,
        read,
    )


def stack(lower: Cell, upper: Cell) -> Cell:
    """Two cells as one: a nested state, a carousel put together from two, not diagonal."""
    assert lower.carousel and upper.carousel and lower.outputs == upper.inputs
    split_lower, split_upper = lower.carousel.split, upper.carousel.split

    def init(key):
        return tuple(
            cell.init(k) for cell, k in zip((lower, upper), jax.random.split(key), strict=True)
        )

    def step(params, state, x):
        below, y = lower.step(params[0], state[0], x)
        above, y = upper.step(params[1], state[1], y)
        return (below, above), y

    def split(state):
        (below, rebuild_below), (above, rebuild_above) = (
            split_lower(state[0]),
            split_upper(state[1]),
        )
        return (below, above), lambda part: (rebuild_below(part[0]), rebuild_above(part[1]))

    return Cell(
        init,
        lambda lanes=(), dtype=None: (
            lower.initial_state(lanes, dtype),
            upper.initial_state(lanes, dtype),
        ),
        step,
        lower.inputs,
        upper.outputs,
        Carousel(split, diagonal=False),
    )


class LeakyParams(NamedTuple):
    from_inputs: Array
    from_hidden: Array


class LeakyState(NamedTuple):
    h: Array


def leaky(inputs: int, units: int, *, leak: float = 0.3, diagonal: bool = False) -> Cell:
    """h(t) = (1 - a) h(t-1) + a tanh(W x(t) + U h(t-1)): the carousel is the whole state."""

    def step(params, state, x):
        net = linear(params.from_inputs, x) + linear(params.from_hidden, state.h)
        h = (1 - leak) * state.h + leak * tanh(net)
        return LeakyState(h), h

    return Cell(
        lambda key: LeakyParams(*draw(key, (units, inputs), (units, units), scale=1.0)),
        zero_state(LeakyState, units),
        step,
        inputs,
        units,
        Carousel.of_fields("h", diagonal=diagonal),
        read=lambda params, state, x: state.h,
    )
