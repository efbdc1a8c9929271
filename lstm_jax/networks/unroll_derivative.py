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
from itertools import compress
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jax.interpreters.partial_eval import dce_jaxpr

from lstm_jax.ops.lanes import lanes_of, tree_where
from lstm_jax.ops.linear import is_symbol
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
) -> tuple[State, State]:
    """The state after the last step; and after every step what outputs are read from.

    The second is `(time, ..., *lanes)`, in the structure of a state; fields that `step.read` does
    not look at are zeros: nobody keeps them, and no error comes back to them.

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
    looked_at = _looked_at(step, params, state, inputs[0])

    def seen(state: State) -> list[Array]:
        return [*compress(jax.tree.leaves(state), looked_at)]

    def side_by_side(params: Params) -> tuple[Callable[..., Array], Callable[..., State]]:
        """Net inputs, and states after a step, with lanes in front."""
        if step.prepared is None or is_symbol(inputs):
            net = partial(step.net, params)
        else:
            net = step.prepared(params)
        return jax.vmap(net), jax.vmap(partial(_after, step))

    @jax.custom_jvp
    def states(params: Params, inputs: Array, state: State, alive: Array | None) -> Any:
        state = _lanes_at(0, state, lanes)
        inputs, alive = _lanes_at(1, (inputs, alive), lanes)
        net_of, after = side_by_side(params)

        def body(state: State, at: tuple[Array, Array | None]) -> tuple[State, list[Array]]:
            state = after(net_of(state, at[0]), state, at[1])
            return state, seen(state)

        last, found = scan(body, state, (inputs, alive))
        return _lanes_last(0, last, lanes), _lanes_last(1, found, lanes)

    @partial(states.defjvp, symbolic_zeros=True)
    def derivative(primals, tangents):
        params, d_params = primals[0], _filled(tangents[0], primals[0])
        d_inputs = None if isinstance(tangents[1], SymbolicZero) else tangents[1]
        d_state = _lanes_at(0, _filled(tangents[2], primals[2]), lanes)
        state = _lanes_at(0, primals[2], lanes)
        inputs, d_inputs, alive = _lanes_at(1, (primals[1], d_inputs, primals[3]), lanes)
        net_by = jax.vmap(step.net, in_axes=(None, 0, 0))
        net_of, after = side_by_side(params)

        def forwards(state: State, at: tuple[Array, Array | None]) -> tuple[State, Any]:
            net = net_of(state, at[0])
            state = after(net, state, at[1])
            return state, (state, net)

        last, (found, nets) = scan(forwards, state, (inputs, alive))
        before = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b[:-1]]), state, found)

        def at_all_steps(net_of: Callable[..., Array], inputs: Array) -> Array:
            """The net inputs of all steps as those of so many lanes."""
            sources = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), (before, inputs))
            return net_of(*sources).reshape(nets.shape)

        given = _along(
            lambda params: at_all_steps(side_by_side(params)[0], inputs), (params,), (d_params,)
        )
        if d_inputs is not None:
            net_of = partial(net_by, params)
            given += _along(partial(at_all_steps, net_of), (inputs,), (d_inputs,))

        # without the policy JAX would keep what it can compute again from what is kept anyway
        @partial(jax.checkpoint, policy=jax.checkpoint_policies.nothing_saveable, prevent_cse=False)
        def body(d_state: State, at: Any) -> tuple[State, list[Array]]:
            before, x, net, alive, given = at
            d_net = given + _along(lambda state: net_by(params, state, x), (before,), (d_state,))
            d_state = _along(lambda *of: after(*of, alive), (net, before), (d_net, d_state))
            return d_state, seen(d_state)

        d_last, d_found = scan(body, d_state, (before, inputs, nets, alive, given))
        primal = _lanes_last(0, last, lanes), _lanes_last(1, seen(found), lanes)
        return primal, (_lanes_last(0, d_last, lanes), _lanes_last(1, d_found, lanes))

    last, found = states(params, inputs, state, alive)
    leaves, structure = jax.tree.flatten(last)
    shown, steps = iter(found), len(inputs)
    return last, structure.unflatten(
        next(shown) if is_seen else jnp.zeros((steps, *leaf.shape), leaf.dtype)
        for leaf, is_seen in zip(leaves, looked_at, strict=True)
    )


def _looked_at(step: StepByNet, params: Params, state: State, x: Array) -> list[bool]:
    """Which fields of a state outputs are read from."""
    jaxpr = jax.make_jaxpr(step.read)(params, state, x).jaxpr
    _, used = dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    first = len(jax.tree.leaves(params))
    return used[first : first + len(jax.tree.leaves(state))]


def _lanes_at(axis: int, tree: Any, lanes: tuple[int, ...]) -> Any:
    """Arrays `(..., *lanes)` with all lanes as one axis further in front."""

    def moved(leaf: Array) -> Array:
        others = leaf.shape[: leaf.ndim - len(lanes)]
        return jnp.moveaxis(leaf.reshape(*others, math.prod(lanes)), -1, axis)

    return jax.tree.map(moved, tree)


def _lanes_last(axis: int, tree: Any, lanes: tuple[int, ...]) -> Any:
    """Arrays `(all lanes, ...)` or `(time, all lanes, ...)`, by their axis, as they were."""

    def moved(leaf: Array) -> Array:
        others = leaf.shape[:axis] + leaf.shape[axis + 1 :]
        return jnp.moveaxis(leaf, axis, -1).reshape(*others, *lanes)

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
