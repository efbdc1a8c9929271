"""A cell run through time, with a derivative that takes the weights out of the loop.

Differentiated step by step, a loop adds up the gradient of its weights: it reads and writes a
whole matrix at every step. Where a cell tells its net inputs (`StepByNet`), the only thing that
must go along in the loop is the derivative of the state,

  d net(t) = d net(t) by weights and inputs  +  (d net(t) / d s(t-1)) d s(t-1)
  d s(t)   = the derivative of `activate` along d net(t) and d s(t-1),

and the first term is one product over all steps. Transposed, as reverse mode has it, the loop
yields the error signals of the net inputs, and the gradient of the weights is one product over
all steps and lanes behind it. What is kept are states and net inputs; what lies between is
computed again. Lanes stand in front inside, and weights are prepared once (`StepByNet.prepared`),
so that products sum over what lies side by side.

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

from lstm_jax.ops.fit import drawn_shapes
from lstm_jax.ops.lanes import lanes_of, tree_where
from lstm_jax.ops.linear import is_symbol
from lstm_jax.types import Array, Cell, Params, State, StepByNet


def takes_weights_out(cell: Cell, params: Params, inputs: Array) -> bool:
    """Whether a step is taken apart, and all lanes share its weights.

    Weights of a lane's own have a gradient a lane, which is no product.
    """
    if not isinstance(cell.step, StepByNet) or not len(inputs):
        return False
    shared = drawn_shapes(cell)
    return shared is not None and jax.tree.map(jnp.ndim, params) == jax.tree.map(jnp.ndim, shared)


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
    lanes, looked_at = lanes_of(inputs), _looked_at(step, params, state, inputs[0])
    states = _states(step, looked_at, partial(lax.scan, unroll=unroll))
    in_front = _lanes_at(1, inputs, lanes), _lanes_at(0, state, lanes), _lanes_at(1, alive, lanes)
    last, found = states(params, *in_front)
    last, shown = _lanes_last(0, last, lanes), iter(_lanes_last(1, found, lanes))
    leaves, structure = jax.tree.flatten(last)
    return last, structure.unflatten(
        next(shown) if is_seen else jnp.zeros((len(inputs), *leaf.shape), leaf.dtype)
        for leaf, is_seen in zip(leaves, looked_at, strict=True)
    )


def _states(step: StepByNet, looked_at: list[bool], scan: Callable[..., Any]):
    """`(params, inputs, state, alive) -> (last state, fields looked at through time)`.

    All lanes are one axis in front, behind the time. With its derivative.
    """
    net_by, after = jax.vmap(step.net, (None, 0, 0)), jax.vmap(partial(_after, step))

    def prepared(params: Params, inputs: Array) -> Callable[[State, Array], Array]:
        if step.prepared is None or is_symbol(inputs):
            return partial(net_by, params)
        return jax.vmap(step.prepared(params))

    def seen(state: State) -> list[Array]:
        return [*compress(jax.tree.leaves(state), looked_at)]

    @jax.custom_jvp
    def states(params: Params, inputs: Array, state: State, alive: Array | None) -> Any:
        net_of = prepared(params, inputs)

        def body(state: State, at: tuple[Array, Array | None]) -> tuple[State, list[Array]]:
            state = after(net_of(state, at[0]), state, at[1])
            return state, seen(state)

        return scan(body, state, (inputs, alive))

    @partial(states.defjvp, symbolic_zeros=True)
    def derivative(primals, tangents):
        params, inputs, state, alive = primals
        d_params, d_state = (_filled(tangents[i], primals[i]) for i in (0, 2))
        net_of = prepared(params, inputs)

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

        given = _along(lambda p: at_all_steps(prepared(p, inputs), inputs), (params,), (d_params,))
        if not isinstance(tangents[1], SymbolicZero):
            by_inputs = partial(at_all_steps, partial(net_by, params))
            given += _along(by_inputs, (inputs,), (tangents[1],))

        # without the policy JAX would keep what it can compute again from what is kept anyway
        @partial(jax.checkpoint, policy=jax.checkpoint_policies.nothing_saveable, prevent_cse=False)
        def body(d_state: State, at: Any) -> tuple[State, list[Array]]:
            before, x, net, alive, given = at
            d_net = given + _along(lambda state: net_by(params, state, x), (before,), (d_state,))
            d_state = _along(
                lambda net, state: after(net, state, alive), (net, before), (d_net, d_state)
            )
            return d_state, seen(d_state)

        moved = scan(body, d_state, (before, inputs, nets, alive, given))
        return (last, seen(found)), moved

    return states


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
