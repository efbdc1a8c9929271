"""Back-propagation through time: the whole way back, or through a window of steps.

bptt      the full gradient, by reverse mode through the net
windowed  the sequence cut into windows, between which no error flows; on-line, the present
          error through the last steps, at every step

`bptt` is the gradient of the error with respect to every weight at every step (Werbos 1988;
Williams and Zipser 1992). It takes any net, a `Cell` or a `Net`, and a loss of one step or of
the whole sequence. Memory grows with the padded length. On-line it would have to keep the
whole past; `windowed(n)` keeps n steps of it.

Example:
  >>> from lstm_jax.cells.simple import fully_recurrent
  >>> from lstm_jax.losses import squared_error
  >>> net, x, d = fully_recurrent(1, 3, 1), jnp.ones((9, 1)), jnp.zeros((9, 1))
  >>> sequence = Sequence(x, d, d, jnp.ones(9, bool), jnp.array(9))
  >>> bptt(net, squared_error)(net.init(jax.random.key(0)), sequence).grads.from_context.shape
  (3, 3)
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.gradients.forward_mode import check_step, error_of_step
from lstm_jax.losses import error_signal, expect_loss_of_steps
from lstm_jax.networks.unroll import as_net, initial_state, predict
from lstm_jax.ops.fit import check_key, fitted
from lstm_jax.ops.lanes import masked_loop, tree_where
from lstm_jax.ops.linear import is_symbol
from lstm_jax.ops.no_derivative import no_derivative
from lstm_jax.types import (
    Array,
    Cell,
    GradientFn,
    GradientRule,
    Key,
    Loss,
    LossAndGrads,
    Net,
    OnlineGradient,
    Params,
    Sequence,
    SequenceLoss,
    State,
)


def _whole(net: Cell | Net, loss: Loss | SequenceLoss) -> GradientFn:
    net = as_net(net)

    def gradient(params: Params, sequence: Sequence, key: Key | None = None, /) -> LossAndGrads:
        sequence = fitted(net, params, sequence)
        check_key("the net", key, sequence.length.shape)
        outputs, pull = jax.vjp(
            lambda params: predict(net, params, sequence, key, taught=True), params
        )
        errors, signal = error_signal(loss, outputs, sequence)
        return LossAndGrads(no_derivative(errors), outputs, *pull(signal))

    return gradient


bptt = GradientRule("bptt", sequence=_whole)


def windowed(window: int, *, symbols: bool = False) -> GradientRule:
    """BPTT cut into windows: the state goes on from one to the next, no error comes back.

    Over a sequence, windows lie side by side from the first step on. One of the whole length
    is `bptt`, one of a single step is one-step training: the last state is a mere input.
    Memory is that of `bptt`.

    On-line (Williams and Peng 1990), at every step its error goes back through the last
    `window` steps, the present one being the first of them; memory is the window's. With
    weights held still and a window at least as long as the past it is the exact gradient,
    step by step that of `rtrl.online`.

    Decision: where weights change on the way, error flows back through the states as
    they were and the weights as they are now.

    Args:
      window: number of steps, at least 1.
      symbols: whether the inputs are integer symbols, which the memory of the on-line form
        must know before it has seen any.

    Raises:
      ValueError: a window of less than 1 step; by `update`, inputs of the other kind.

    Example:
      >>> from lstm_jax.cells.simple import fully_recurrent
      >>> from lstm_jax.losses import squared_error
      >>> net = fully_recurrent(inputs=1, units=3, outputs=1)
      >>> params = net.init(jax.random.key(0))
      >>> rule = windowed(10).online(net, squared_error)
      >>> memory = rule.init(params)
      >>> memory, found = rule.update(params, memory, jnp.ones(1), jnp.ones(1), True)
    """
    if window < 1:
        raise ValueError(f"expected a window of at least 1 step, got {window}")
    name = f"windowed({window})"

    def sequence(net: Cell, loss: Loss) -> GradientFn:
        _expect_cell(name, net)
        return _whole(_truncated_at_windows(net, window), loss)

    def online(net: Cell, loss: Loss) -> OnlineGradient:
        _expect_cell(name, net)
        expect_loss_of_steps(name, loss)
        return _online(net, loss, window, symbols)

    return GradientRule(name, sequence, online)


class Clocked(NamedTuple):
    """A state that knows the time: `clock` `(*lanes)` int32 steps so far."""

    clock: Array
    state: State


def _truncated_at_windows(net: Cell, window: int) -> Cell:
    """The same net, through whose state no error flows from a window to the one before."""

    def initial_state(lanes: tuple[int, ...] = (), dtype=None) -> Clocked:
        return Clocked(jnp.zeros(lanes, jnp.int32), net.initial_state(lanes, dtype))

    def step(params: Params, now: Clocked, x: Array) -> tuple[Clocked, Array]:
        begins = now.clock % window == 0
        state = tree_where(begins, lax.stop_gradient(now.state), now.state)
        state, y = net.step(params, state, x)
        return Clocked(now.clock + 1, state), y

    return Cell(net.init, initial_state, step, net.inputs, net.outputs)


class History(NamedTuple):
    """What on-line BPTT keeps of the past.

    Attributes:
      state: the net's.
      known: `()` int32, how many of the steps below there have been.
      states: with the window in front, the states before the last steps, newest first.
      inputs: `(window, inputs, *lanes)`, or `(window, *lanes)` symbols, what they read.
    """

    state: State
    known: Array
    states: Any
    inputs: Array


def _online(net: Cell, loss: Loss, window: int, symbols: bool) -> OnlineGradient:
    def init(params: Params, lanes: tuple[int, ...] = (), key: Key | None = None) -> History:
        state = initial_state(net, params, lanes)
        states = jax.tree.map(lambda s: jnp.zeros((window, *s.shape), s.dtype), state)
        units = () if symbols else (net.inputs,)
        dtype = jnp.int32 if symbols else jnp.result_type(*jax.tree.leaves(params))
        inputs = jnp.zeros((window, *units, *lanes), dtype)
        return History(state, jnp.zeros((), jnp.int32), states, inputs)

    def update(params: Params, memory: History, x: Array, target: Array, mask: Array | bool):
        check_step(net, params, x, target)
        _expect_kind(x, symbols)
        (now, by_state), (errors, output) = error_of_step(
            net, loss, params, memory.state, x, target, mask
        )
        steps = jnp.minimum(memory.known, window - 1)
        grads = _trace_back(net, params, memory, steps, now, by_state)
        found = LossAndGrads(no_derivative(errors), output, grads)
        return _remember(net, params, memory, x), found

    return OnlineGradient(init, update)


def _trace_back(net: Cell, params: Params, memory: History, steps: Array, grads, by_state):
    """Gradients with those of the last `steps` steps, from dE/ds behind the newest of them."""

    def back(carry, moment, _):
        grads, by_state = carry
        state, x = moment
        _, pull = jax.vjp(lambda params, state: net.step(params, state, x)[0], params, state)
        more, by_state = pull(by_state)
        return jax.tree.map(jnp.add, grads, more), by_state

    return masked_loop(back, (grads, by_state), (memory.states, memory.inputs), steps)[0]


def _remember(net: Cell, params: Params, memory: History, x: Array) -> History:
    """One step on; the oldest is forgotten."""

    def push(now, past):
        return jnp.concatenate([now[None].astype(past.dtype), past[:-1]])

    state, _ = net.step(params, memory.state, x)
    states = jax.tree.map(push, memory.state, memory.states)
    known = jnp.minimum(memory.known + 1, len(memory.inputs))
    return History(state, known, states, push(x, memory.inputs))


def _expect_cell(name: str, net: Cell | Net) -> None:
    if not isinstance(net, Cell):
        raise ValueError(
            f"{name} cuts a net between steps and needs a Cell, got a {type(net).__name__}; "
            "use bptt for nets that map whole sequences"
        )


def _expect_kind(x: Array, symbols: bool) -> None:
    if is_symbol(x) != symbols:
        raise ValueError(
            f"expected {'integer symbols' if symbols else 'real inputs'}, got {x.dtype}; "
            f"write windowed(window, symbols={not symbols})"
        )
