"""A cell run through time, with a derivative that takes the weights out of the loop.

Differentiated step by step, a loop adds up the gradient of its weights: it reads and writes a
whole matrix at every step. Where a cell tells its net inputs (`StepByNet`), the only thing that
must go along in the loop is the derivative of the state,

  d net(t) = d net(t) by weights and inputs  +  (d net(t) / d s(t-1)) d s(t-1)
  d s(t)   = the derivative of `activate` along d net(t) and d s(t-1),

and the first term is one product over all steps. Transposed, as reverse mode has it, the loop
yields the error signals of the net inputs, and the gradient of the weights is a product over all
of them behind it; in chunks of a few steps, while they are in the processor's cache. What is kept
are states and net inputs; what lies between is computed again.

It is the same derivative, in both modes and differentiated again, up to rounding.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from lstm_jax.ops.lanes import tree_where
from lstm_jax.types import Array, Cell, Params, State, StepByNet

CHUNK = 16  # steps of one product; 4 to 32 make no difference
# what is computed again grows with the lanes, what is not added up in the loop with the sources
SOURCES_A_LANE = 6


def takes_weights_out(cell: Cell, params: Params, inputs: Array, state: State) -> bool:
    """Whether a step is taken apart, all lanes share its weights, and it is worth while.

    Weights of a lane's own have a gradient a lane, which is no product.
    """
    if not isinstance(cell.step, StepByNet) or not len(inputs):
        return False
    shared = jax.eval_shape(cell.init, jax.random.key(0))
    if jax.tree.map(jnp.ndim, params) != jax.tree.map(jnp.ndim, shared):
        return False
    net = jax.eval_shape(cell.step.net, params, state, inputs[0])
    return sum(leaf.size for leaf in jax.tree.leaves(params)) >= SOURCES_A_LANE * net.size


def states_through_time(
    step: StepByNet,
    params: Params,
    inputs: Array,
    state: State,
    alive: Array | None = None,
    unroll: int = 1,
) -> State:
    """The states after every step, `(time, ...)`.

    Args:
      step: of the cell.
      params: shared by all lanes.
      inputs: `(time, inputs, *lanes)`, or `(time, *lanes)` symbols; at least one step.
      state: to begin with.
      alive: `(time, *lanes)`, where a state may change; None for everywhere.
      unroll: steps written out in the body of the loop.
    """
    scan = partial(lax.scan, unroll=unroll)

    def after(net: Array, state: State, alive: Array | None) -> State:
        found = step.activate(net, state)
        return found if alive is None else tree_where(alive, found, state)

    def run(
        params: Params, inputs: Array, state: State, alive: Array | None
    ) -> tuple[State, Array]:
        def body(state: State, at: tuple[Array, Array | None]) -> tuple[State, Any]:
            net = step.net(params, state, at[0])
            state = after(net, state, at[1])
            return state, (state, net)

        return scan(body, state, (inputs, alive))[1]

    @jax.custom_jvp
    def states(params: Params, inputs: Array, state: State, alive: Array | None) -> State:
        return run(params, inputs, state, alive)[0]

    @partial(states.defjvp, symbolic_zeros=True)
    def derivative(primals, tangents):
        params, inputs, state, alive = primals
        found, nets = run(*primals)
        before = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b[:-1]]), state, found)
        d_params, d_state = (_filled(tangents[i], primals[i]) for i in (0, 2))
        d_inputs = None if isinstance(tangents[1], SymbolicZero) else tangents[1]

        def d_net_by_others(before: State, x: Array, dx: Array | None) -> Array:
            """Of one step, by all but the state."""
            if dx is None:
                return jax.jvp(lambda p: step.net(p, before, x), (params,), (d_params,))[1]
            return jax.jvp(lambda p, x: step.net(p, before, x), (params, x), (d_params, dx))[1]

        # without the policy JAX would keep what it can compute again from what is kept anyway
        @partial(jax.checkpoint, policy=jax.checkpoint_policies.nothing_saveable, prevent_cse=False)
        def body(d_state: State, at: Any) -> tuple[State, State]:
            before, x, net, alive, given = at
            by_state = jax.jvp(lambda state: step.net(params, state, x), (before,), (d_state,))[1]
            d_state = jax.jvp(
                lambda net, state: after(net, state, alive),
                (net, before),
                (given + by_state, d_state),
            )[1]
            return d_state, d_state

        def chunk(d_state: State, steps: Any) -> tuple[State, State]:
            before, x, net, alive, dx = steps
            given = jax.vmap(d_net_by_others)(before, x, dx)
            return scan(body, d_state, (before, x, net, alive, given))

        # one sequence alone lies in memory as the product wants it
        every = CHUNK if nets[0].size > nets.shape[1] else None
        steps = before, inputs, nets, alive, d_inputs
        return found, in_chunks(chunk, d_state, steps, every)[1]

    return states(params, inputs, state, alive)


def in_chunks(
    run: Callable[[State, Any], tuple[State, Any]], state: State, steps: Any, every: int | None
) -> tuple[State, Any]:
    """`run(state, steps) -> (state, outputs)`, for so many steps at a time in a loop."""
    number = len(jax.tree.leaves(steps)[0])
    if every is None or every >= number:
        return run(state, steps)
    whole = number - number % every
    chunks = jax.tree.map(lambda a: a[:whole].reshape(-1, every, *a.shape[1:]), steps)
    state, y = lax.scan(run, state, chunks)
    y = jax.tree.map(lambda a: a.reshape(whole, *a.shape[2:]), y)
    if whole == number:
        return state, y
    state, last = run(state, jax.tree.map(lambda a: a[whole:], steps))
    return state, jax.tree.map(lambda a, b: jnp.concatenate([a, b]), y, last)


def _filled(tangent: Any, primal: Any) -> Any:
    """A tangent with arrays of zeros for what does not move."""
    still = lambda leaf: isinstance(leaf, SymbolicZero)  # noqa: E731
    return jax.tree.map(
        lambda t, p: jnp.zeros_like(p) if still(t) else t, tangent, primal, is_leaf=still
    )
