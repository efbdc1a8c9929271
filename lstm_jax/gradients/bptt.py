"""Back-propagation through time: the whole way back, or through a window of steps.

bptt      the full gradient, by reverse mode through the scan
windowed  the sequence cut into windows, between which no error flows
stepwise  on-line: the present error through the last steps, at every step
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.gradients.forward import error_of_step
from lstm_jax.losses import sequence_error
from lstm_jax.types import (
    Array,
    Cell,
    Learn,
    Learned,
    Loss,
    Params,
    Rule,
    Sequence,
    State,
    StepRule,
    Stepwise,
)
from lstm_jax.weigh import is_symbol
from lstm_jax.wiring import at_targets, fold, freeze, unroll


def bptt(net: Cell, loss: Loss) -> Learn:
    """The gradient of the error with respect to every weight at every step.

    Werbos 1988; Williams and Zipser 1992. Memory grows with the padded length.

    Args:
      net: a cell whose outputs stand beside the targets.
      loss: error of one step.

    Returns:
      `(params, sequence) -> Learned`. Where lanes share their parameters the gradient
      is the sum over the lanes.
    """

    def learn(params: Params, sequence: Sequence) -> Learned:
        def error(params):
            _, outputs = unroll(net, params, sequence.inputs)
            outputs = at_targets(outputs, sequence)
            errors = sequence_error(loss, outputs, sequence)
            return errors.sum(), (errors, outputs)

        grads, (errors, outputs) = jax.grad(error, has_aux=True)(params)
        return Learned(errors, outputs, grads)

    return learn


def windowed(window: int) -> Rule:
    """BPTT cut into windows: the state goes on from one to the next, no error comes back.

    Windows lie side by side from the first step on. One of the whole length is `bptt`,
    one of a single step is one-step training: the last state is a mere input. Memory is
    that of `bptt`; a memory of the window alone is what `stepwise` has.

    Args:
      window: number of steps, at least 1.

    Raises:
      ValueError: a window of less than 1 step.

    Example:
      >>> from lstm_jax.cells.simple import fully_recurrent
      >>> from lstm_jax.losses import squared_error
      >>> learn = windowed(10)(fully_recurrent(inputs=1, units=3, outputs=1), squared_error)
    """
    _expect_steps(window)
    return lambda net, loss: bptt(_walled(net, window), loss)


class Clocked(NamedTuple):
    """A state that knows the time: `clock` `()` int32 steps so far."""

    clock: Array
    state: State


def _walled(net: Cell, window: int) -> Cell:
    """The same net, through whose state no error flows from a window to the one before."""

    def start(lanes: tuple[int, ...] = (), dtype=None) -> Clocked:
        return Clocked(jnp.zeros((), jnp.int32), net.start(lanes, dtype))

    def step(params: Params, now: Clocked, x: Array) -> tuple[Clocked, Array]:
        begins = now.clock % window == 0
        state = freeze(begins, lax.stop_gradient(now.state), now.state)
        state, y = net.step(params, state, x)
        return Clocked(now.clock + 1, state), y

    return net._replace(start=start, step=step, carousel=(), net_inputs=None)


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


def stepwise(window: int, *, symbols: bool = False) -> StepRule:
    """On-line BPTT: at every step the gradient of its error through the last `window` steps.

    Williams and Peng 1990. The present step is the first of the window; memory is the
    window's. With weights held still and a window at least as long as the past it is the
    exact gradient, step by step that of `rtrl.stepwise`; a window of 1 is one-step training.

    Decision: where weights change on the way, error flows back through the states as
    they were and the weights as they are now.

    Args:
      window: number of steps, at least 1.
      symbols: whether the inputs are integer symbols, which the memory must know before
        it has seen any.

    Raises:
      ValueError: a window of less than 1 step; by `update`, inputs of the other kind.

    Example:
      >>> from lstm_jax.cells.simple import fully_recurrent
      >>> from lstm_jax.losses import squared_error
      >>> net = fully_recurrent(inputs=1, units=3, outputs=1)
      >>> params = net.init(jax.random.key(0))
      >>> rule = stepwise(10)(net, squared_error)
      >>> memory = rule.init(params)
      >>> memory, learned = rule.update(params, memory, jnp.ones(1), jnp.ones(1), True)
    """
    _expect_steps(window)

    def rule(net: Cell, loss: Loss) -> Stepwise:
        def init(params: Params, lanes: tuple[int, ...] = ()) -> History:
            dtype = jnp.result_type(*jax.tree.leaves(params))
            state = net.start(lanes, dtype)
            states = jax.tree.map(lambda s: jnp.zeros((window, *s.shape), s.dtype), state)
            units = () if symbols else (net.inputs,)
            inputs = jnp.zeros((window, *units, *lanes), jnp.int32 if symbols else dtype)
            return History(state, jnp.zeros((), jnp.int32), states, inputs)

        def update(params: Params, memory: History, x: Array, target: Array, mask: Array):
            _expect_kind(x, symbols)
            (now, by_state), (errors, output) = error_of_step(
                net, loss, params, memory.state, x, target, mask
            )
            steps = jnp.minimum(memory.known, window - 1)
            grads = _trace_back(net, params, memory, steps, now, by_state)
            return _remember(net, params, memory, x), Learned(errors, output, grads)

        return Stepwise(init, update)

    return rule


def _trace_back(net: Cell, params: Params, memory: History, steps: Array, grads, by_state):
    """Gradients with those of the last `steps` steps, from dE/ds behind the newest of them."""

    def back(carry, moment, _):
        grads, by_state = carry
        state, x = moment
        _, pull = jax.vjp(lambda params, state: net.step(params, state, x)[0], params, state)
        more, by_state = pull(by_state)
        return jax.tree.map(jnp.add, grads, more), by_state

    return fold(back, (grads, by_state), (memory.states, memory.inputs), steps)[0]


def _remember(net: Cell, params: Params, memory: History, x: Array) -> History:
    """One step on; the oldest is forgotten."""

    def push(now, past):
        return jnp.concatenate([now[None].astype(past.dtype), past[:-1]])

    state, _ = net.step(params, memory.state, x)
    states = jax.tree.map(push, memory.state, memory.states)
    known = jnp.minimum(memory.known + 1, len(memory.inputs))
    return History(state, known, states, push(x, memory.inputs))


def _expect_steps(window: int) -> None:
    if window < 1:
        raise ValueError(f"expected a window of at least 1 step, got {window}")


def _expect_kind(x: Array, symbols: bool) -> None:
    if is_symbol(x) != symbols:
        raise ValueError(
            f"expected {'integer symbols' if symbols else 'real inputs'}, got {x.dtype}; "
            f"write stepwise(window, symbols={not symbols})"
        )
