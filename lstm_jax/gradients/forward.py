"""Gradients carried forward: what the rules that keep no sequence have in common.

Such a rule carries a memory of fixed size along, from which the gradient of the present
error can be had at any step. `offline` sums it over a sequence, with weights held still;
`stepwise` hands it out at every step, after which weights may change.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.types import Array, Cell, Learn, Learned, Loss, Params, Sequence, State, Stepwise
from lstm_jax.wiring import at_step, fold, start


class Forward(NamedTuple):
    """One step of a rule; parameters come with the lanes of the sequence.

    Attributes:
      begin: `(params, state) -> memory`, before the first step.
      error: `(params, memory, x, target, mask) -> (errors, output, parts)` of this step;
        `parts` is a pytree that adds up over the steps.
      advance: `(params, memory, x, alive) -> memory` after this step; lanes that are not
        alive stay as they were.
      gradient: `(params, parts) -> gradient`, shaped like the parameters.
    """

    begin: Callable[[Params, State], Any]
    error: Callable[[Params, Any, Array, Array, Array], tuple[Array, Array, Any]]
    advance: Callable[[Params, Any, Array, Array | bool], Any]
    gradient: Callable[[Params, Any], Params]


def offline(net: Cell, rule: Forward) -> Learn:
    """The gradient summed over a sequence; memory independent of the length.

    Where the only target is at the end of the sequence, the memory is carried to the
    step before the last, and only that last step is differentiated.
    """

    def learn(params: Params, sequence: Sequence) -> Learned:
        own, collect = own_weights(params, sequence.length.shape)
        memory = rule.begin(own, start(net, own, sequence.inputs))
        at_end = len(sequence.targets) != len(sequence.inputs)
        whole = _error_at_end if at_end else _errors_at_every_step
        errors, outputs, parts = whole(rule, own, memory, sequence)
        return Learned(errors, outputs, collect(rule.gradient(own, parts)))

    return learn


def stepwise(net: Cell, rule: Forward) -> Stepwise:
    """The gradient of each step's own error, as a pair of functions."""

    def init(params: Params, lanes: tuple[int, ...] = ()):
        own, _ = own_weights(params, lanes)
        return rule.begin(own, net.start(lanes, jnp.result_type(*jax.tree.leaves(params))))

    def update(params: Params, memory, x: Array, target: Array, mask: Array):
        own, collect = own_weights(params, target.shape[1:])
        errors, output, parts = rule.error(own, memory, x, target, mask)
        learned = Learned(errors, output, collect(rule.gradient(own, parts)))
        return rule.advance(own, memory, x, True), learned

    return Stepwise(init, update)


def error_of_step(
    net: Cell, loss: Loss, params: Params, state: State, x: Array, target: Array, mask: Array
):
    """The error of one step and how it depends on the weights and on the state before it.

    Returns:
      `(by_params, by_state), (errors, output)`, errors `(*lanes)`, 0 where the mask is
      false; derivatives of the sum over the lanes.
    """

    def error(params, state):
        _, output = net.step(params, state, x)
        errors = jnp.where(mask, loss(output, target), 0)
        return errors.sum(), (errors, output)

    return jax.grad(error, argnums=(0, 1), has_aux=True)(params, state)


def own_weights(params: Params, lanes: tuple[int, ...]) -> tuple[Params, Callable]:
    """Parameters with lanes, and how to bring gradients back to the shape of `params`.

    What is carried forward differs from lane to lane, also where lanes share their weights.
    Weights are a lane's own if every array ends in the lanes and there are weights, not
    biases alone, before them. Only parameters none of which is a vector could be mistaken,
    and only if the lanes are as many as their last axis.
    """
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(params)]
    units = [shape[: len(shape) - len(lanes)] for shape in shapes]
    fit = all(before and before + lanes == s for before, s in zip(units, shapes, strict=True))
    if not lanes or (fit and max(map(len, units)) >= 2):
        return params, lambda grads: grads
    axes = tuple(range(-len(lanes), 0))

    def own(leaf):
        return jnp.broadcast_to(leaf.reshape(leaf.shape + (1,) * len(lanes)), leaf.shape + lanes)

    return jax.tree.map(own, params), lambda grads: jax.tree.map(lambda g: g.sum(axes), grads)


def _error_at_end(rule: Forward, params, memory, sequence: Sequence):
    def body(memory, x, alive):
        return rule.advance(params, memory, x, alive)

    last = sequence.length - 1
    memory = fold(body, memory, sequence.inputs, last)
    x = at_step(sequence.inputs, last)
    errors, output, parts = rule.error(params, memory, x, sequence.targets[0], sequence.mask[0])
    return errors, output[None], parts


def _errors_at_every_step(rule: Forward, params, memory, sequence: Sequence):
    def body(carry, step, alive):
        memory, total, outputs = carry
        t, x, target, mask = step
        errors, output, parts = rule.error(params, memory, x, target, mask & alive)
        outputs = lax.dynamic_update_index_in_dim(outputs, output, t, 0)
        total = jax.tree.map(jnp.add, total, (errors, parts))
        return rule.advance(params, memory, x, alive), total, outputs

    moments = (sequence.inputs, sequence.targets, sequence.mask)
    first = jax.tree.map(lambda leaf: leaf[0], moments)
    errors, output, parts = jax.eval_shape(rule.error, params, memory, *first)
    outputs = jnp.zeros((len(sequence.inputs), *output.shape), output.dtype)
    total = jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), (errors, parts))
    steps = (jnp.arange(len(sequence.inputs)), *moments)
    carry = (memory, total, outputs)
    _, (errors, parts), outputs = fold(body, carry, steps, sequence.length)
    return errors, outputs, parts
