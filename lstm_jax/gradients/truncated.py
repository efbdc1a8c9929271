"""The truncated gradient of 1997, computed in three ways.

Errors arriving at net inputs change the incoming weights but travel no further back in
time: in a derivative the recurrent activations y(t-1) are constants. The only path
through time is the carousel, s(t-1) -> s(t) (appendix A.1 of the paper).

  definition     what the cut means: `stop_gradient` on the recurrent activations,
                 then reverse mode through the scan
  time_parallel  the same without a backward loop: the adjoint of the carousel is a
                 linear recurrence, everything else happens at all times at once
  online         the paper's own algorithm: traces carried forward, memory that does
                 not grow with the length of the sequence; `stepwise` is its pair of
                 functions, which can change weights at every step
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from lstm_jax.gradients import forward
from lstm_jax.gradients.bptt import bptt
from lstm_jax.losses import sequence_error
from lstm_jax.types import (
    Array,
    Cell,
    Learn,
    Learned,
    Loss,
    NetInputs,
    Params,
    Sequence,
    State,
    Stepwise,
)
from lstm_jax.wiring import at_targets, freeze, watch


def cut(net: Cell) -> Cell:
    """The same net, through whose state error flows back only along the carousel."""

    def step(params: Params, state: State, x: Array):
        carousel, rebuild = _split(net, state)
        return net.step(params, rebuild(carousel), x)

    return net._replace(step=step)


def definition(net: Cell, loss: Loss) -> Learn:
    """The truncated gradient as it is defined; the slow form that the others must equal."""
    return bptt(cut(net), loss)


def time_parallel(net: Cell, loss: Loss) -> Learn:
    """The truncated gradient without a backward loop; memory grows with the length.

    For devices that do all times at once: on a GPU twice as fast as `online` with up to ten
    thousand trials in lanes. On a CPU, with trials in lanes, `definition` is several times
    faster and `online` faster still.

    With F the step under the cut, E_t the error at t, and D_t = ds(t)/ds(t-1) (diagonal):
    lambda(t) = dE/ds(t) from steps after t = dE_{t+1}/ds(t) + D_{t+1} lambda(t+1), and
    dE/dw = sum_t (dE_t/dw + lambda(t) ds(t)/dw), each term local in time.
    """
    net = cut(net)

    def learn(params: Params, sequence: Sequence) -> Learned:
        states = watch(net, params, sequence.inputs, lambda params, state, x: state)
        carousel_tm1, rebuild = _split(net, states)

        def steps(params, carousel_tm1):
            step = jax.vmap(net.step, in_axes=(None, 0, 0))
            states, outputs = step(params, rebuild(carousel_tm1), sequence.inputs)
            outputs = at_targets(outputs, sequence)
            errors = sequence_error(loss, outputs, sequence)
            return (_split(net, states)[0], errors.sum()), (errors, outputs)

        (carousel, _), pull, (errors, outputs) = jax.vjp(steps, params, carousel_tm1, has_aux=True)
        one, none = jnp.ones(()).astype(errors.dtype), jax.tree.map(jnp.zeros_like, carousel)
        _, from_errors = pull((none, one))
        _, decay = pull((jax.tree.map(jnp.ones_like, carousel), one * 0))
        adjoint = jax.tree.map(_reversed_recurrence, decay, from_errors)
        grads, _ = pull((adjoint, one))
        return Learned(errors, outputs, grads)

    return learn


class Traces(NamedTuple):
    """State of the on-line form.

    Attributes:
      state: the net's.
      rows: ds/dw for the weights that feed each component of the carousel: shaped like
        the weights with `kinds x components` rows. That is all its memory.
    """

    state: State
    rows: Any


def stepwise(net: Cell, loss: Loss) -> Stepwise:
    """Appendix A.1 as a pair of functions, local in space and time.

    Example:
      >>> from lstm_jax.cells.memory_block import memory_block
      >>> from lstm_jax.topology import Topology
      >>> from lstm_jax.losses import squared_error
      >>> from lstm_jax.wiring import readout
      >>> net = readout(memory_block(Topology(inputs=1, blocks=(1,))), outputs=1)
      >>> params = net.init(jax.random.key(0))
      >>> rule = stepwise(net, squared_error)
      >>> traces = rule.init(params)
      >>> for x in (0.5, -0.5):
      ...     traces, learned = rule.update(params, traces, jnp.array([x]), jnp.ones(1), True)
      ...     params = jax.tree.map(lambda w, g: w - 0.1 * g, params, learned.grads)
    """
    return forward.stepwise(net, _traces(net, loss))


def online(net: Cell, loss: Loss) -> Learn:
    """The truncated gradient by forward traces; memory independent of the length.

    Where the only target is at the end of the sequence, traces run to the step before
    the last, and only that last step is differentiated.
    """
    return forward.offline(net, _traces(net, loss))


def _traces(net: Cell, loss: Loss) -> forward.Forward:
    parts = _net_inputs(net)

    def gradient(params: Params, found):
        direct, through = found
        return jax.tree.map(jnp.add, direct, _to_params(parts, params, through))

    error, advance = partial(_error_now, net, loss), partial(_advance, net)
    return forward.Forward(partial(_no_traces, parts), error, advance, gradient)


def _error_now(net, loss, params, traces: Traces, x, target, mask):
    """The error of this step, its direct gradient, and its gradient through the traces."""
    (direct, by_state), (errors, output) = forward.error_of_step(
        cut(net), loss, params, traces.state, x, target, mask
    )
    (adjoint,) = jax.tree.leaves(_split(net, by_state)[0])
    kinds = len(_net_inputs(net).feeds)
    fed = jnp.tile(adjoint, (kinds,) + (1,) * (adjoint.ndim - 1))
    through = jax.tree.map(lambda rows: _by_row(fed, rows) * rows, traces.rows)
    return errors, output, (direct, through)


def _advance(net: Cell, params: Params, traces: Traces, x: Array, alive: Array | bool) -> Traces:
    """ds(t)/dw = D_t ds(t-1)/dw + (ds(t)/dnet) y(t-1); lanes that are not alive stay."""
    parts, state = _net_inputs(net), traces.state
    net_input = parts.combine(parts.weights(params), state, x)

    def carousel_of(net_input, state):
        (carousel,) = jax.tree.leaves(_split(net, parts.fire(net_input, state))[0])
        return carousel

    # each component hears one net input of each kind, so a tangent of ones on the rows
    # of a kind gives the whole (diagonal) derivative with respect to that kind
    def derivative(rows):
        ones = np.zeros(net_input.shape, net_input.dtype)
        ones[rows] = 1
        return jax.jvp(lambda n: carousel_of(n, state), (net_input,), (ones,))[1]

    eligibility = jnp.concatenate([derivative(rows) for rows in parts.feeds])
    eligibility = jnp.where(alive, eligibility, 0)
    rows = traces.rows
    if not parts.constant:
        rows = _decayed(net, lambda s: carousel_of(net_input, s), state, rows, alive)
    rows = parts.accumulate(rows, eligibility, state, x)
    return Traces(freeze(alive, parts.fire(net_input, state), state), rows)


def _decayed(net, carousel_of, state, rows, alive):
    """D_t ds(t-1)/dw; nothing decays in lanes that are not alive."""
    carousel, rebuild = _split(net, state)
    ones = jax.tree.map(jnp.ones_like, carousel)
    decay = jax.jvp(lambda c: carousel_of(rebuild(c)), (carousel,), (ones,))[1]
    decay = jnp.where(alive, decay, 1)
    kinds = len(_net_inputs(net).feeds)
    decay = jnp.tile(decay, (kinds,) + (1,) * (decay.ndim - 1))
    return jax.tree.map(lambda r: r * _by_row(decay, r), rows)


def _split(net: Cell, state: State):
    """The carousel of a state, and how to put a state together around one; the rest is constant."""
    carousel = {name: getattr(state, name) for name in net.carousel}
    rest = lax.stop_gradient(state)
    return carousel, lambda carousel: rest._replace(**carousel)


def _reversed_recurrence(decay: Array, source: Array) -> Array:
    """lambda(t) = source(t+1) + decay(t+1) lambda(t+1), lambda(last) = 0; time in front."""

    def combine(later, earlier):
        (d1, s1), (d2, s2) = later, earlier
        return d1 * d2, s2 + d2 * s1

    _, adjoint = lax.associative_scan(combine, (decay, source), reverse=True)
    return jnp.concatenate([adjoint[1:], jnp.zeros_like(adjoint[:1])])


def _net_inputs(net: Cell) -> NetInputs:
    if net.net_inputs is None or len(net.carousel) != 1:
        raise ValueError(
            "the on-line form needs a cell with net_inputs and one field of carousel, got "
            f"carousel={net.carousel}; use truncated.time_parallel or truncated.definition"
        )
    return net.net_inputs


def _rows_of(parts: NetInputs, params: Params):
    """The weights of every row that feeds the carousel, once for each component it feeds."""
    return jax.tree.map(lambda leaf: leaf[parts.feeds.reshape(-1)], parts.weights(params))


def _no_traces(parts: NetInputs, params: Params, state: State) -> Traces:
    rows = jax.eval_shape(lambda p: _rows_of(parts, p), params)
    return Traces(state, jax.tree.map(lambda r: jnp.zeros(r.shape, r.dtype), rows))


def _to_params(parts: NetInputs, params: Params, rows) -> Params:
    """Traces summed into the weights they belong to: the transpose of `_rows_of`."""
    return jax.vjp(lambda p: _rows_of(parts, p), params)[1](rows)[0]


def _by_row(values: Array, like: Array) -> Array:
    """`(rows, *lanes)` with axes put in so that it multiplies `(rows, ..., *lanes)`."""
    between = like.ndim - values.ndim
    return values.reshape(values.shape[:1] + (1,) * between + values.shape[1:])
