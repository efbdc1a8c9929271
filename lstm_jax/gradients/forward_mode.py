"""Gradients carried forward: the engine of the rules that keep no sequence.

Such a rule carries a memory of fixed size along, from which the gradient of the present
error can be had at any step. `over_sequence` sums it over a sequence, with weights held
still; `online` hands it out at every step, after which weights may change.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from lstm_jax.losses import expect_loss_of_steps, masked_error
from lstm_jax.networks.unroll import initial_state
from lstm_jax.ops.fit import (
    check_fit,
    check_float_types,
    check_inputs,
    check_key,
    check_params,
    living_input,
    living_length,
    normalised_step,
)
from lstm_jax.ops.lanes import at_step, masked_loop
from lstm_jax.ops.no_derivative import no_derivative
from lstm_jax.types import (
    Array,
    Cell,
    GradientFn,
    GradientRule,
    Key,
    Loss,
    LossAndGrads,
    Memory,
    OnlineGradient,
    Params,
    Sequence,
    State,
)


class ForwardRule(NamedTuple):
    """One step of a rule; parameters come with the lanes of the sequence.

    Attributes:
      begin: `(params, state, key) -> memory`, before the first step; the key, `(*lanes)`
        typed keys or None, is for rules that draw, and lives on in their memory.
      error: `(params, memory, x, target, mask) -> (errors, output, parts)` of this step;
        `parts` is a pytree that adds up over the steps.
      advance: `(params, memory, x, alive) -> memory` after this step; lanes that are not
        alive stay as they were.
      gradient: `(params, parts) -> gradient`, shaped like the parameters.
    """

    begin: Callable[[Params, State, Key | None], Memory]
    error: Callable[[Params, Memory, Array, Array, Array | bool], tuple[Array, Array, Any]]
    advance: Callable[[Params, Memory, Array, Array | bool], Memory]
    gradient: Callable[[Params, Any], Params]


def forward_rule(
    name: str, make: Callable[[Cell, Loss], ForwardRule], *, draws: bool = False
) -> GradientRule:
    """Both faces of a rule, from what it does in one step.

    Args:
      name: as the field calls it.
      make: `(cell, loss) -> ForwardRule`; refuses cells that it cannot serve.
      draws: whether it is random; it is then refused without a key for every lane.
    """
    expect_key = partial(check_key, name, needed=draws)

    def checked(net: Cell, loss: Loss) -> ForwardRule:
        if not isinstance(net, Cell):
            raise ValueError(
                f"{name} goes through a net step by step and needs a Cell, got a "
                f"{type(net).__name__}; use bptt for nets that map whole sequences"
            )
        expect_loss_of_steps(name, loss)
        return make(net, loss)

    return GradientRule(
        name,
        sequence=lambda net, loss: over_sequence(net, checked(net, loss), expect_key),
        online=lambda net, loss: online(net, checked(net, loss), expect_key),
        draws=draws,
    )


ExpectKey = Callable[[Key | None, tuple[int, ...]], None]


def over_sequence(net: Cell, rule: ForwardRule, expect_key: ExpectKey) -> GradientFn:
    """The gradient summed over a sequence; memory independent of the length.

    Where the only target is at the end of the sequence, the memory is carried to the
    step before the last, and only that last step is differentiated.
    """

    def gradient(params: Params, sequence: Sequence, key: Key | None = None, /) -> LossAndGrads:
        check_fit(net, params, sequence)
        if sequence.targets_at == "own":
            raise ValueError(
                "targets_at: expected 'steps' or 'end' of a rule that goes step by step, got "
                "'own'; use bptt"
            )
        lanes = jnp.shape(sequence.length)
        sequence = sequence.replace(length=living_length(sequence))
        expect_key(key, lanes)
        own, collect = own_weights(params, lanes)
        memory = rule.begin(own, initial_state(net, own, lanes), key)
        whole = _error_at_end if sequence.targets_at == "end" else _errors_at_every_step
        errors, outputs, parts = whole(rule, own, memory, sequence)
        return LossAndGrads(no_derivative(errors), outputs, collect(rule.gradient(own, parts)))

    return gradient


def online(net: Cell, rule: ForwardRule, expect_key: ExpectKey) -> OnlineGradient:
    """The gradient of each step's own error, as a pair of functions."""

    def init(params: Params, lanes: tuple[int, ...] = (), key: Key | None = None) -> Memory:
        expect_key(key, lanes)
        check_params(net, params, lanes)
        own, _ = own_weights(params, lanes)
        return rule.begin(own, initial_state(net, own, lanes), key)

    def update(params: Params, memory: Memory, x: Array, target: Array, mask: Array | bool):
        check_step(net, params, x, target)
        own, collect = own_weights(params, target.shape[1:])
        errors, output, parts = rule.error(own, memory, x, target, mask)
        found = LossAndGrads(no_derivative(errors), output, collect(rule.gradient(own, parts)))
        return rule.advance(own, memory, x, True), found

    return OnlineGradient(init, update)


def check_step(net: Cell, params: Params, x: Array, target: Array) -> None:
    """ValueError if the input and the target of one step do not fit a net."""
    if target.shape[:1] != (net.outputs,):
        raise ValueError(
            f"target: expected shape ({net.outputs}, *lanes), one number an output, got "
            f"{target.shape}"
        )
    check_inputs(net.inputs, x[None], target.shape[1:])
    check_float_types(params=params, inputs=x, targets=target)


def error_of_step(
    net: Cell, loss: Loss, params: Params, state: State, x: Array, target: Array, mask
):
    """The error of one step and how it depends on the weights and on the state before it.

    Returns:
      `(by_params, by_state), (errors, output)`, errors `(*lanes)`, 0 where the mask is
      false; derivatives of the sum over the lanes.
    """
    output, pull = jax.vjp(lambda params, state: net.step(params, state, x)[1], params, state)
    errors, signal = masked_error(loss, output, target, mask)
    return pull(signal), (errors, output)


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


def _error_at_end(rule: ForwardRule, params, memory, sequence: Sequence):
    def body(memory, x, alive):
        return rule.advance(params, memory, living_input(x, alive), alive)

    last = sequence.length - 1
    memory = masked_loop(body, memory, sequence.inputs, last)
    x = at_step(sequence.inputs, last)
    step = normalised_step(x, sequence.targets[0], sequence.mask[0], last >= 0)
    errors, output, parts = rule.error(params, memory, *step)
    return errors, output[None], parts


def _errors_at_every_step(rule: ForwardRule, params, memory, sequence: Sequence):
    def body(carry, step, alive):
        memory, total, outputs = carry
        t, x, target, mask = step
        # shorter lanes wait for the longest and must not read what is behind their end
        x, target, mask = normalised_step(x, target, mask, alive)
        errors, output, parts = rule.error(params, memory, x, target, mask)
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
    _, (errors, parts), outputs = masked_loop(body, carry, steps, sequence.length)
    return errors, outputs, parts
