"""The truncated gradient by the paper's own algorithm: traces carried forward.

Hochreiter and Schmidhuber 1997, appendix A.1: for every weight that feeds a component of the
carousel its derivative ds/dw follows the state,

    ds(t)/dw = D_t ds(t-1)/dw + (ds(t)/dnet(t)) source(t),

with D_t = 1 in the constant error carousel. Memory does not grow with the length of the
sequence; between two steps of `forward_traces.online` weights may change.

Where the only target is at the end of the sequence, traces run to the step before the last,
and only that last step is differentiated. It takes cells with `net_inputs` whose carousel
is one array, diagonal, and not read by the net inputs; others are refused.

Example:
  >>> from lstm_jax.cells.memory_block import memory_block
  >>> from lstm_jax.cells.topology import Topology
  >>> from lstm_jax.losses import squared_error
  >>> from lstm_jax.networks.readout import readout
  >>> net = readout(memory_block(Topology(inputs=1, blocks=(1,))), outputs=1)
  >>> params = net.init(jax.random.key(0))
  >>> rule = forward_traces.online(net, squared_error)
  >>> traces = rule.init(params)
  >>> for x in (0.5, -0.5):
  ...     traces, found = rule.update(params, traces, jnp.array([x]), jnp.ones(1), True)
  ...     params = jax.tree.map(lambda w, g: w - 0.1 * g, params, found.grads)
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.interpreters.partial_eval import dce_jaxpr

from lstm_jax.gradients import forward_mode
from lstm_jax.gradients.truncated import cut, expect_cell, expect_diagonal, split
from lstm_jax.ops.lanes import tree_where
from lstm_jax.types import Array, Cell, Key, Loss, NetInputs, Params, State


class Traces(NamedTuple):
    """What the rule carries of the past.

    Attributes:
      state: the net's.
      rows: ds/dw for the weights that feed each component of the carousel: shaped like
        the weights with `kinds x components` rows. That is all its memory.
    """

    state: State
    rows: Any


def _traces(net: Cell, loss: Loss) -> forward_mode.ForwardRule:
    parts = _net_inputs(net)

    def gradient(params: Params, found):
        direct, through = found
        return jax.tree.map(jnp.add, direct, _to_params(parts, params, through))

    error, advance = partial(_error_now, net, loss), partial(_advance, net)
    return forward_mode.ForwardRule(partial(_no_traces, net), error, advance, gradient)


forward_traces = forward_mode.forward_rule("forward_traces", _traces)


def _error_now(net, loss, params, traces: Traces, x, target, mask):
    """The error of this step, its direct gradient, and its gradient through the traces."""
    (direct, by_state), (errors, output) = forward_mode.error_of_step(
        cut(net), loss, params, traces.state, x, target, mask
    )
    (adjoint,) = jax.tree.leaves(split(net, by_state)[0])
    kinds = len(_parts(net).carousel_rows)
    fed = jnp.tile(adjoint, (kinds,) + (1,) * (adjoint.ndim - 1))
    through = jax.tree.map(lambda rows: _by_row(fed, rows) * rows, traces.rows)
    return errors, output, (direct, through)


def _advance(net: Cell, params: Params, traces: Traces, x: Array, alive: Array | bool) -> Traces:
    """ds(t)/dw = D_t ds(t-1)/dw + (ds(t)/dnet) y(t-1); lanes that are not alive stay."""
    parts, state = _parts(net), traces.state
    net_input = parts.net_input(parts.rows(params), state, x)

    def carousel_of(net_input, state):
        (carousel,) = jax.tree.leaves(split(net, parts.activate(net_input, state))[0])
        return carousel

    # each component receives one net input of each kind, so a tangent of ones on the rows
    # of a kind gives the whole (diagonal) derivative with respect to that kind
    def derivative(rows):
        ones = np.zeros(net_input.shape, net_input.dtype)
        ones[np.array(rows)] = 1
        return jax.jvp(lambda n: carousel_of(n, state), (net_input,), (ones,))[1]

    eligibility = jnp.concatenate([derivative(rows) for rows in parts.carousel_rows])
    eligibility = tree_where(alive, eligibility, jnp.zeros_like(eligibility))
    rows = traces.rows
    if not parts.constant_error:
        rows = _decayed(net, lambda s: carousel_of(net_input, s), state, rows, alive)
    rows = parts.add_outer(rows, eligibility, state, x)
    return Traces(tree_where(alive, parts.activate(net_input, state), state), rows)


def _decayed(net, carousel_of, state, rows, alive):
    """D_t ds(t-1)/dw; nothing decays in lanes that are not alive."""
    carousel, rebuild = split(net, state)
    ones = jax.tree.map(jnp.ones_like, carousel)
    decay = jax.jvp(lambda c: carousel_of(rebuild(c)), (carousel,), (ones,))[1]
    decay = tree_where(alive, decay, jnp.ones_like(decay))
    kinds = len(_parts(net).carousel_rows)
    decay = jnp.tile(decay, (kinds,) + (1,) * (decay.ndim - 1))
    return jax.tree.map(lambda r: r * _by_row(decay, r), rows)


def _parts(net: Cell) -> NetInputs:
    assert net.net_inputs is not None  # _net_inputs saw to it
    return net.net_inputs


def _net_inputs(net: Cell) -> NetInputs:
    """The step taken apart, of a net that traces are right for."""
    expect_cell("forward_traces", net)
    needs = "forward_traces needs a cell with net_inputs and a carousel, got one without "
    if net.carousel is None:  # by which alone anything is truncated
        raise ValueError(f"{needs}a carousel; use bptt or rtrl")
    if net.net_inputs is None:
        raise ValueError(f"{needs}net_inputs; use by_definition")
    expect_diagonal("forward_traces", net)
    return net.net_inputs


def reads_carousel(net: Cell, params: Params, state: State) -> bool:
    """Whether the net inputs read the carousel itself, by which they would feed it twice.

    Seen in the computation, not in numbers: whatever they are. The input is a symbol, or real
    for cells that take no symbols.
    """
    parts, (carousel, rebuild) = _net_inputs(net), split(net, state)
    first, *_ = jax.tree.leaves(state)
    symbol = jnp.zeros(first.shape[1:], jnp.int32)
    real = jnp.zeros((net.inputs, *first.shape[1:]), first.dtype)

    def depends(x: Array) -> bool:
        def net_input(carousel):
            return parts.net_input(parts.rows(params), rebuild(carousel), x)

        jaxpr = jax.make_jaxpr(net_input)(carousel).jaxpr
        return any(dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))[1])

    try:
        return depends(symbol)
    except (TypeError, ValueError):
        return depends(real)


def _rows_of(parts: NetInputs, params: Params):
    """The weights of every row that feeds the carousel, once for each component it feeds."""
    rows = np.array(parts.carousel_rows).reshape(-1)
    return jax.tree.map(lambda leaf: leaf[rows], parts.rows(params))


def _no_traces(net: Cell, params: Params, state: State, key: Key | None) -> Traces:
    parts, leaves = _parts(net), jax.tree.leaves(split(net, state)[0])
    if len(leaves) != 1:
        raise ValueError(
            f"forward_traces needs a carousel of one array, got {len(leaves)}; use by_definition"
        )
    if reads_carousel(net, params, state):
        raise ValueError(
            "forward_traces needs net inputs that do not read the carousel, which they feed; let "
            "them read a copy of it in another field of the state, or use by_definition"
        )
    rows = jax.eval_shape(lambda p: _rows_of(parts, p), params)
    return Traces(state, jax.tree.map(lambda r: jnp.zeros(r.shape, r.dtype), rows))


def _to_params(parts: NetInputs, params: Params, rows) -> Params:
    """Traces summed into the weights they belong to: the transpose of `_rows_of`."""
    return jax.vjp(lambda p: _rows_of(parts, p), params)[1](rows)[0]


def _by_row(values: Array, like: Array) -> Array:
    """`(rows, *lanes)` with axes put in so that it multiplies `(rows, ..., *lanes)`."""
    between = like.ndim - values.ndim
    return values.reshape(values.shape[:1] + (1,) * between + values.shape[1:])
