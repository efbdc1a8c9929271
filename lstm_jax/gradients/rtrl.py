"""Real-time recurrent learning: the exact gradient, carried forward with the state.

Robinson and Fallside 1987; Williams and Zipser 1989; Understanding LSTM 2019, equations 15
to 19. `rtrl` gives the full gradient, that of `bptt`. The sensitivities p(t) = ds(t)/dw of the
state to every weight follow the state:

    p(t) = ds(t)/ds(t-1) p(t-1) + ds(t)/dnet(t) x sources(t),    p(0) = 0,

and the error of a step gives dE_t/dw = dE_t/ds(t-1) p(t-1), plus what the weights do in
that very step. No error goes back: memory does not grow with the sequence, but with the
product of state and weights; a step of a net of n units costs some n^4 multiplications.

The state is whatever the cell says it is, which for a fully recurrent net is the
tutorial's y. Weights that do not reach it, those of a `readout`, need no sensitivities.
Cells with `net_inputs` have them by net input, row by row; of others the sensitivities to
all parameters are had from their Jacobian, at a higher cost and with the same result.
The state must be made of arrays `(units, *lanes)` of one type; other cells are refused when
the memory is made.

Over a sequence weights are held still, and the changes of the steps add up (equation 13 of
the tutorial). On-line weights may change after every step: the sensitivities then mix those
to weights of different steps, which is the approximation of Williams and Zipser, good for
small rates. They know no end of a sequence: who keeps the memory from one sequence to the
next learns without resets.

Example:
  >>> from lstm_jax.cells.simple import fully_recurrent
  >>> from lstm_jax.losses import squared_error
  >>> from lstm_jax.types import Sequence
  >>> net, x, d = fully_recurrent(1, 3, 1), jnp.ones((9, 1)), jnp.zeros((9, 1))
  >>> params, sequence = net.init(jax.random.key(0)), Sequence(x, d, d, d[:, 0] == 0, jnp.array(9))
  >>> rtrl(net, squared_error)(params, sequence).grads.from_context.shape
  (3, 3)
  >>> rule = rtrl.online(net, squared_error)
  >>> memory = rule.init(params)
  >>> for x in (0.5, -0.5):
  ...     memory, found = rule.update(params, memory, jnp.array([x]), jnp.ones(1), True)
  ...     params = jax.tree.map(lambda w, g: w - 0.1 * g, params, found.grads)
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lstm_jax.gradients import forward_mode
from lstm_jax.ops.lanes import tree_where
from lstm_jax.ops.linear import MOST_UNROLLED, unrolled_sum
from lstm_jax.types import Array, Cell, Key, Loss, NetInputs, Params, State


class Sensitivities(NamedTuple):
    """What RTRL carries of the past.

    Attributes:
      state: the net's.
      by_weights: ds/dw, shaped like the weights that reach the state with the components of
        the state in front: `(components, rows, ..., *lanes)`.
    """

    state: State
    by_weights: Any


def _sensitivities(net: Cell, loss: Loss) -> forward_mode.ForwardRule:
    parts = net.net_inputs
    reaching = parts.rows if parts else lambda params: params

    def begin(params: Params, state: State, key: Key | None) -> Sensitivities:
        components = len(_vector(state)[0])
        rows = jax.eval_shape(reaching, params)
        none = jax.tree.map(lambda w: jnp.zeros((components, *w.shape), w.dtype), rows)
        return Sensitivities(state, none)

    def gradient(params: Params, found):
        direct, through = found
        (reached,) = jax.vjp(reaching, params)[1](through)
        return jax.tree.map(jnp.add, direct, reached)

    error, advance = partial(_error_now, net, loss), partial(_advance, net)
    return forward_mode.ForwardRule(begin, error, advance, gradient)


rtrl = forward_mode.forward_rule("rtrl", _sensitivities)


def _error_now(net, loss, params, memory: Sensitivities, x, target, mask):
    """The error of this step, what the weights do to it now, and what they did before."""
    (direct, by_state), (errors, output) = forward_mode.error_of_step(
        net, loss, params, memory.state, x, target, mask
    )
    row = _vector(by_state)[0][None]
    through = jax.tree.map(lambda p_tm1: _times(row, p_tm1)[0], memory.by_weights)
    return errors, output, (direct, through)


def _advance(net: Cell, params, memory: Sensitivities, x, alive) -> Sensitivities:
    """p(t) from p(t-1); lanes that are not alive stay."""
    s_tm1, rebuild = _vector(memory.state)
    carry = _jacobian(lambda s: _vector(net.step(params, rebuild(s), x)[0])[0], s_tm1)
    state, _ = net.step(params, memory.state, x)
    if net.net_inputs is None:
        p = jax.tree.map(lambda p_tm1: _times(carry, p_tm1), memory.by_weights)
        p = jax.tree.map(jnp.add, p, _by_params(net, params, memory.state, x))
        return tree_where(alive, Sensitivities(state, p), memory)
    p = _by_rows(net.net_inputs, params, memory, x, carry, alive)
    return Sensitivities(tree_where(alive, state, memory.state), p)


def _by_rows(parts: NetInputs, params, memory: Sensitivities, x, carry, alive):
    """p(t) where every weight acts through the net input of its row.

    That is ds(t)/ds(t-1) p(t-1) plus ds(t)/dnet(t) x sources(t); lanes that are not alive stay.
    """
    net = parts.net_input(parts.rows(params), memory.state, x)
    slopes = _jacobian(lambda net: _vector(parts.activate(net, memory.state))[0], net)
    alive = jnp.broadcast_to(alive, net.shape[1:])

    def add(p, slopes):
        rows = parts.add_outer(jax.tree.map(_merged, p), _merged(slopes), memory.state, x)
        return jax.tree.map(lambda r, leaf: r.reshape(leaf.shape), rows, p)

    def all_rows(carry, slopes, alive, p_tm1):
        p = jax.tree.map(lambda leaf: _times(carry, leaf), p_tm1)
        return tree_where(alive, add(p, slopes), p_tm1)

    def row_by_row(carry, slopes, alive, p_tm1):
        # a row needs no other: what is carried goes through the caches once, and changes in place
        def body(u, p):
            row, slope = (_row(leaf, u) for leaf in (p, slopes))
            new = add(jax.tree.map(lambda leaf: _times(carry, leaf), row), slope)
            new = tree_where(alive, new, row)
            return jax.tree.map(lambda a, r: lax.dynamic_update_slice_in_dim(a, r, u, 1), p, new)

        return lax.fori_loop(0, slopes.shape[1], body, p_tm1)

    given = carry, slopes, alive, memory.by_weights
    if not alive.ndim:  # nothing to vectorise over in a single row
        return all_rows(*given)
    return lax.platform_dependent(*given, cpu=row_by_row, default=all_rows)


def _row(tree, u):
    return jax.tree.map(lambda leaf: lax.dynamic_slice_in_dim(leaf, u, 1, 1), tree)


def _merged(values: Array) -> Array:
    """`(components, rows, ...)` to `(components * rows, ...)`."""
    components, rows, *rest = values.shape
    return values.reshape(components * rows, *rest)


def _by_params(net: Cell, params, state, x):
    """ds(t)/dw with s(t-1) held still, for all parameters: `(components, *parameter)`."""
    s_t, pull = jax.vjp(lambda params: _vector(net.step(params, state, x)[0])[0], params)
    return jax.vmap(lambda one: pull(one)[0])(_basis(s_t))


def _vector(state: State) -> tuple[Array, Callable[[Array], State]]:
    """A state as one array `(components, *lanes)`, and the way back."""
    leaves, tree = jax.tree.flatten(state)
    if len({(leaf.shape[1:], leaf.dtype) for leaf in leaves}) != 1:
        shapes = [(leaf.shape, str(leaf.dtype)) for leaf in leaves]
        raise ValueError(
            f"RTRL expects a state of arrays (units, *lanes) of one type, got {shapes}; "
            "put all that a step needs into such arrays, or use bptt"
        )
    cuts = np.cumsum([len(leaf) for leaf in leaves])[:-1]
    return jnp.concatenate(leaves), lambda s: tree.unflatten(jnp.split(s, cuts))


def _jacobian(function, at: Array) -> Array:
    """The derivative at a place, `(results, arguments, *lanes)`; lanes must not mix."""

    def column(one):
        return jax.jvp(function, (at,), (one,))[1]

    return jax.vmap(column, out_axes=1)(_basis(at))


def _basis(like: Array) -> Array:
    """Unit vectors `(units, units, *lanes)`, the same in every lane."""
    one = jnp.eye(len(like), dtype=like.dtype).reshape(-1, len(like), *[1] * (like.ndim - 1))
    return jnp.broadcast_to(one, (len(like), *like.shape))


def _times(matrix: Array, p: Array) -> Array:
    """Lane by lane `(results, components, *lanes)` times `(components, ..., *lanes)`."""
    lanes = matrix.shape[2:]
    matrix = matrix.reshape(matrix.shape[:2] + (1,) * (p.ndim - 1 - len(lanes)) + lanes)
    return lax.platform_dependent(matrix, p, cpu=_one_by_one, default=_at_once)


def _at_once(matrix: Array, p: Array) -> Array:
    return jnp.sum(matrix * p[None], axis=1)


def _one_by_one(matrix: Array, p: Array) -> Array:
    """Component after component: XLA's CPU backend adds up in registers, over lanes at once.

    Its sums over an axis in the middle, of more than a few terms, are 5 to 50 times slower.
    """
    if len(p) <= MOST_UNROLLED:
        return unrolled_sum(matrix, p)

    def add(k, total):
        column = lax.dynamic_index_in_dim(matrix, k, 1, keepdims=False)
        return total + column * lax.dynamic_index_in_dim(p, k, 0)

    none = jnp.zeros((len(matrix), *p.shape[1:]), p.dtype)
    return lax.fori_loop(0, len(p), add, none)
