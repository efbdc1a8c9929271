"""What knows of lanes: choosing between trees lane by lane, and loops that lanes leave early."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.ops.linear import is_symbol
from lstm_jax.types import Array, Key


def lanes_of(inputs: Array) -> tuple[int, ...]:
    """The lanes of a sequence's inputs: `(time, units, *lanes)` or `(time, *lanes)` symbols."""
    return inputs.shape[1:] if is_symbol(inputs) else inputs.shape[2:]


def tree_where(condition: Array | bool, new: Any, old: Any) -> Any:
    """`new` where the condition `(*lanes)` holds, `old` where it does not; leaf by leaf.

    Example:
      >>> tree_where(jnp.array([True, False]), jnp.ones((3, 2)), jnp.zeros((3, 2)))[0].tolist()
      [1.0, 0.0]
    """

    def choose(n, o):
        more = max(jnp.ndim(n), jnp.ndim(o)) - jnp.ndim(condition)
        return jnp.where(jnp.expand_dims(condition, range(max(more, 0))), n, o)

    return jax.tree.map(choose, new, old)


def masked_loop(
    body: Callable[[Any, Any, Array], Any], carry: Any, inputs: Any, steps: Array
) -> Any:
    """The loop that keeps nothing: `carry = body(carry, x_t, alive)` for t below `steps`.

    It runs as long as the longest lane, not to the end of the padding.

    Args:
      body: gets the carry, the inputs of one step, and `(*lanes)` bool, whether the
        step lies below the lane's number of steps; it must leave other lanes alone.
      carry: where to begin.
      inputs: arrays with time in front.
      steps: `(*lanes)` number of steps.

    Example:
      >>> add = lambda total, x, alive: total + jnp.where(alive, x, 0)
      >>> masked_loop(add, jnp.zeros(2), jnp.ones((9, 2)), jnp.array([4, 2])).tolist()
      [4.0, 2.0]
    """

    def at(t, carry):
        x = jax.tree.map(lambda a: lax.dynamic_index_in_dim(a, t, keepdims=False), inputs)
        return body(carry, x, t < steps)

    return lax.fori_loop(0, jnp.max(steps), at, carry)


def in_turn(function: Callable[[Any], Any], tree: Any) -> Any:
    """`function` of every lane by itself, one after the other, from and to the last axis.

    Branches of a `lax.switch` and rounds of a loop are then taken by the lanes that need
    them; side by side all lanes would take all of them.

    Example:
      >>> in_turn(lambda lane: lane.sum(), jnp.array([[1, 2], [3, 4]])).tolist()
      [4, 6]
    """
    front = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), tree)
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), lax.map(function, front))


def at_step(values: Array, t: Array) -> Array:
    """`values[t]` lane by lane: `(time, ..., *lanes)` and `(*lanes)` to `(..., *lanes)`.

    A time outside of the values is taken to the nearest inside.

    Example:
      >>> at_step(jnp.array([[1, 2], [3, 4]]), jnp.array([1, 0])).tolist()
      [3, 2]
    """
    where = t.reshape((1,) * (values.ndim - t.ndim) + t.shape)
    return jnp.take_along_axis(values, where, axis=0, mode="clip")[0]


def along_lanes(values: Array, like: Array) -> Array:
    """`(units)` or `(units, *lanes)` with axes behind, so that it goes with `(units, *lanes)`."""
    return values.reshape(values.shape + (1,) * (like.ndim - values.ndim))


def over_keys(function: Callable[[Key], Any], key: Key) -> Any:
    """`function` of one key, of `(*lanes)` keys: `(..., *lanes)`.

    Example:
      >>> keys = jax.random.split(jax.random.key(0), (2, 3))
      >>> over_keys(lambda key: jax.random.uniform(key, (5,)), keys).shape
      (5, 2, 3)
    """
    for _ in range(key.ndim):
        function = jax.vmap(function, in_axes=-1, out_axes=-1)
    return function(key)


def split_keys(key: Key, number: int) -> list[Key]:
    """So many lists of `(*lanes)` keys from one."""
    return [over_keys(lambda k, i=i: jax.random.fold_in(k, i), key) for i in range(number)]
