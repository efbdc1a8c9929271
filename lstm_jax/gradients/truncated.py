"""The truncated gradient of 1997: what it is, and without a loop back through time.

Errors arriving at net inputs change the incoming weights but travel no further back in
time: in a derivative the recurrent activations y(t-1) are constants. The only path
through time is the carousel, s(t-1) -> s(t) (appendix A.1 of the paper)::

  cut            the net with that one path left: `stop_gradient` on all else
  by_definition  reverse mode through the scan over the cut net: the gradient as it is
                 defined, the slow form that the others must equal
  parallel_scan  the same without a backward loop: the adjoint of the carousel is a linear
                 recurrence, everything else happens at all times at once

The paper's own algorithm, traces carried forward, is `truncated_traces.forward_traces`.

`parallel_scan` is for devices that do all times at once: on a GPU twice as fast as
`forward_traces` with up to ten thousand trials in lanes; its memory grows with the length. On
a CPU, with trials in lanes, `by_definition` is several times faster and `forward_traces`
faster still. With F the step under the cut, E_t the error at t, and D_t = ds(t)/ds(t-1)
(diagonal): lambda(t) = dE/ds(t) from steps after t = dE_{t+1}/ds(t) + D_{t+1} lambda(t+1),
and dE/dw = sum_t (dE_t/dw + lambda(t) ds(t)/dw), each term local in time.

Example:
  >>> from lstm_jax.cells.memory_block import memory_block
  >>> from lstm_jax.cells.topology import Topology
  >>> from lstm_jax.losses import squared_error
  >>> net, x, d = memory_block(Topology(1, blocks=(1,))), jnp.ones((9, 1)), jnp.zeros((9, 1))
  >>> params, sequence = net.init(jax.random.key(0)), Sequence(x, d, d, d[:, 0] == 0, jnp.array(9))
  >>> slow = by_definition(net, squared_error)(params, sequence).grads
  >>> fast = parallel_scan(net, squared_error)(params, sequence).grads
  >>> bool(jnp.allclose(slow.from_inputs, fast.from_inputs, atol=1e-6))
  True
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.gradients.bptt import bptt
from lstm_jax.losses import error_signal
from lstm_jax.networks.unroll import at_targets, record
from lstm_jax.ops.fit import fitted
from lstm_jax.ops.no_derivative import no_derivative
from lstm_jax.types import (
    Array,
    Cell,
    GradientFn,
    GradientRule,
    Key,
    Loss,
    LossAndGrads,
    Params,
    Sequence,
    SequenceLoss,
    State,
)


def cut(net: Cell) -> Cell:
    """The same net, through whose state error flows back only along the carousel."""

    def step(params: Params, state: State, x: Array):
        part, rebuild = split(net, state)
        return net.step(params, rebuild(part), x)

    return net._replace(step=step)


def split(net: Cell, state: State):
    """The carousel of a state, and how to put a state together around one; the rest is constant."""
    rest = lax.stop_gradient(state)
    if net.carousel is None:
        return (), lambda part: rest
    return net.carousel.split(state)[0], net.carousel.split(rest)[1]


def expect_cell(rule: str, net: Any) -> None:
    """ValueError for what has no step to cut."""
    if not isinstance(net, Cell):
        raise ValueError(f"{rule} needs a Cell, got a {type(net).__name__}; use bptt")


def expect_diagonal(rule: str, net: Cell) -> None:
    """ValueError for a net whose carousel is not one number after another, each by itself."""
    expect_cell(rule, net)
    if net.carousel is not None and not net.carousel.diagonal:
        raise ValueError(
            f"{rule} needs a carousel whose components do not mix from step to step "
            "(Carousel(diagonal=True)), got one that is declared not diagonal; use "
            "by_definition"
        )


def _by_definition(net: Cell, loss: Loss | SequenceLoss) -> GradientFn:
    expect_cell("by_definition", net)
    return bptt(cut(net), loss)


by_definition = GradientRule("by_definition", sequence=_by_definition)


def _parallel_scan(net: Cell, loss: Loss | SequenceLoss) -> GradientFn:
    expect_diagonal("parallel_scan", net)
    net = cut(net)

    def gradient(params: Params, sequence: Sequence, key: Key | None = None, /) -> LossAndGrads:
        sequence = fitted(net, params, sequence)
        inputs, length = sequence.inputs, sequence.length
        states = record(net, params, inputs, lambda params, state, x: state, length)

        def one(params, carousel, state, x):
            state, y = net.step(params, split(net, state)[1](carousel), x)
            return split(net, state)[0], y

        def steps(params, carousel):
            return jax.vmap(one, in_axes=(None, 0, 0, 0))(params, carousel, states, inputs)

        carousel = jax.vmap(lambda state: split(net, state)[0])(states)
        (_, outputs), pull = jax.vjp(steps, params, carousel)
        outputs, pull_back = jax.vjp(lambda outputs: at_targets(outputs, sequence), outputs)
        errors, signal = error_signal(loss, outputs, sequence)
        (signal,) = pull_back(signal)
        _, from_errors = pull((jax.tree.map(jnp.zeros_like, carousel), signal))
        _, decay = pull((jax.tree.map(jnp.ones_like, carousel), jnp.zeros_like(signal)))
        adjoint = jax.tree.map(_reversed_recurrence, decay, from_errors)
        grads, _ = pull((adjoint, signal))
        return LossAndGrads(no_derivative(errors), outputs, grads)

    return gradient


parallel_scan = GradientRule("parallel_scan", sequence=_parallel_scan)


def _reversed_recurrence(decay: Array, source: Array) -> Array:
    """lambda(t) = source(t+1) + decay(t+1) lambda(t+1), lambda(last) = 0; time in front."""

    def combine(later: Any, earlier: Any):
        (d1, s1), (d2, s2) = later, earlier
        return d1 * d2, s2 + d2 * s1

    _, adjoint = lax.associative_scan(combine, (decay, source), reverse=True)
    return jnp.concatenate([adjoint[1:], jnp.zeros_like(adjoint[:1])])
