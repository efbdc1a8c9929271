"""A cell run through time, with a derivative that takes the weights out of the loop.

Differentiated step by step, a loop adds up the gradient of its weights: it reads and writes a
whole matrix at every step. Where a cell tells its net inputs (`StepByNet`), the only thing that
must go along in the loop is the derivative of the state,

  d net(t) = d net(t) by weights and inputs  +  (d net(t) / d s(t-1)) d s(t-1)
  d s(t)   = the derivative of `activate` along d net(t) and d s(t-1),

and the first term is one product over all steps. Transposed, as reverse mode has it, the loop
yields the error signals of the net inputs, and the gradient of the weights is one product over
all steps and lanes behind it. What is kept are states and net inputs; what lies between is
computed again. Lanes stand in front inside, so that products sum over what lies side by side.

It is the same derivative, in both modes and differentiated again, up to rounding.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero

from lstm_jax.ops.lanes import lanes_of, tree_where
from lstm_jax.types import Array, Cell, Params, State, StepByNet


def takes_weights_out(cell: Cell, params: Params, inputs: Array) -> bool:
    """Whether a step is taken apart, and all lanes share its weights.

    Weights of a lane's own have a gradient a lane, which is no product.
    """
    if not isinstance(cell.step, StepByNet) or not len(inputs):
        return False
    shared = jax.eval_shape(cell.init, jax.random.key(0))
    return jax.tree.map(jnp.ndim, params) == jax.tree.map(jnp.ndim, shared)


def states_through_time(
    step: StepByNet,
    params: Params,
    inputs: Array,
    state: State,
    alive: Array | None = None,
    unroll: int = 1,
) -> State:
    """The states after every step, `(time, ..., *lanes)`.

    Args:
      step: of the cell.
      params: shared by all lanes.
      inputs: `(time, inputs, *lanes)`, or `(time, *lanes)` symbols; at least one step.
      state: to begin with.
      alive: `(time, *lanes)`, where a state may change; None for everywhere.
      unroll: steps written out in the body of the loop.
    """
    lanes = lanes_of(inputs)
    scan = partial(lax.scan, unroll=unroll)

    @jax.custom_jvp
    def states(params: Params, inputs: Array, state: State, alive: Array | None) -> State:
        def body(state: State, at: tuple[Array, Array | None]) -> tuple[State, State]:
            state = _after(step, step.net(params, state, at[0]), state, at[1])
            return state, state

        return scan(body, state, (inputs, alive))[1]

    @partial(states.defjvp, symbolic_zeros=True)
    def derivative(primals, tangents):
        params, d_params = primals[0], _filled(tangents[0], primals[0])
        d_inputs = None if isinstance(tangents[1], SymbolicZero) else tangents[1]
        d_state = _lanes_at(0, _filled(tangents[2], primals[2]), lanes)
        state = _lanes_at(0, primals[2], lanes)
        inputs, d_inputs, alive = _lanes_at(1, (primals[1], d_inputs, primals[3]), lanes)
        net_of = jax.vmap(step.net, in_axes=(None, 0, 0))
        after = jax.vmap(lambda *given: _after(step, *given))

        def forwards(state: State, at: tuple[Array, Array | None]) -> tuple[State, Any]:
            net = net_of(params, state, at[0])
            state = after(net, state, at[1])
            return state, (state, net)

        found, nets = scan(forwards, state, (inputs, alive))[1]
        before = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b[:-1]]), state, found)

        def by_others(params: Params, inputs: Array = inputs) -> Array:
            """The net inputs of all steps as those of so many lanes."""
            sources = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), (before, inputs))
            return net_of(params, *sources).reshape(nets.shape)

        if d_inputs is None:
            given = _along(by_others, (params,), (d_params,))
        else:
            given = _along(by_others, (params, inputs), (d_params, d_inputs))

        # without the policy JAX would keep what it can compute again from what is kept anyway
        @partial(jax.checkpoint, policy=jax.checkpoint_policies.nothing_saveable, prevent_cse=False)
        def body(d_state: State, at: Any) -> tuple[State, State]:
            before, x, net, alive, given = at
            d_net = given + _along(lambda state: net_of(params, state, x), (before,), (d_state,))
            d_state = _along(lambda *of: after(*of, alive), (net, before), (d_net, d_state))
            return d_state, d_state

        d_found = scan(body, d_state, (before, inputs, nets, alive, given))[1]
        return _lanes_last(found, lanes), _lanes_last(d_found, lanes)

    return states(params, inputs, state, alive)


def _lanes_at(axis: int, tree: Any, lanes: tuple[int, ...]) -> Any:
    """Arrays `(..., *lanes)` with all lanes as one axis further in front."""

    def moved(leaf: Array) -> Array:
        others = leaf.shape[: leaf.ndim - len(lanes)]
        return jnp.moveaxis(leaf.reshape(*others, math.prod(lanes)), -1, axis)

    return jax.tree.map(moved, tree)


def _lanes_last(tree: Any, lanes: tuple[int, ...]) -> Any:
    """Arrays `(time, all lanes, ...)` as they were."""

    def moved(leaf: Array) -> Array:
        return jnp.moveaxis(leaf, 1, -1).reshape(len(leaf), *leaf.shape[2:], *lanes)

    return jax.tree.map(moved, tree)


def _after(step: StepByNet, net: Array, state: State, alive: Array | None) -> State:
    """The state after a step; as it was where it is not alive."""
    found = step.activate(net, state)
    return found if alive is None else tree_where(alive, found, state)


def _along(function: Callable[..., Any], primals: tuple, tangents: tuple) -> Any:
    """The derivative of a function along a direction."""
    return jax.jvp(function, primals, tangents)[1]


def _filled(tangent: Any, primal: Any) -> Any:
    """A tangent with arrays of zeros for what does not move."""
    still = lambda leaf: isinstance(leaf, SymbolicZero)  # noqa: E731
    return jax.tree.map(
        lambda t, p: jnp.zeros_like(p) if still(t) else t, tangent, primal, is_leaf=still
    )
