"""Rules that draw: noise on the weights around any rule, and UORO on the forward engine."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from lstm_jax.gradients.forward_mode import ForwardRule, error_of_step, forward_rule, own_weights
from lstm_jax.ops.lanes import tree_where
from lstm_jax.types import GradientRule


def over_lanes(function, key):
    """`function(key, ...)` of one lane, in the lanes of the key."""
    for _ in range(key.ndim):
        function = jax.vmap(function, in_axes=-1, out_axes=-1)
    return function


def next_key(key):
    """Key data `(2,)` of the key after this one."""
    return jax.random.key_data(jax.random.fold_in(key, 0))


def gaussian(key, like):
    leaves, tree = jax.tree.flatten(like)
    keys = jax.random.split(key, len(leaves))
    drawn = [jax.random.normal(k, a.shape, a.dtype) for k, a in zip(keys, leaves, strict=True)]
    return tree.unflatten(drawn)


def weight_noise(rule: GradientRule, scale: float) -> GradientRule:
    """The gradient of any rule at weights disturbed anew for every sequence."""

    def sequence(net, loss):
        gradient = rule.sequence(net, loss)

        def noisy(params, sequence, key):
            own, collect = own_weights(params, key.shape)
            noise = over_lanes(gaussian, key)(key, own)
            disturbed = jax.tree.map(lambda w, n: w + scale * n, own, noise)
            found = gradient(disturbed, sequence, key)
            return found._replace(grads=collect(found.grads))

        return noisy

    return GradientRule(f"weight_noise({rule.name})", sequence=sequence, draws=True)


class Uoro(NamedTuple):
    """The sensitivities as one product `to_state x by_weights`, right on average."""

    key: Any  # `(2, *lanes)` key data, another one every step
    state: Any
    to_state: Any
    by_weights: Any


def signs(key, like):
    leaves, tree = jax.tree.flatten(like)
    keys = jax.random.split(key, len(leaves))
    return tree.unflatten(
        [jax.random.rademacher(k, a.shape, a.dtype) for k, a in zip(keys, leaves, strict=True)]
    )


def in_front(lanes, like):
    """`(*lanes)` with axes of size 1 before them, so that they go with `(..., *lanes)`."""
    return lanes.reshape((1,) * (like.ndim - lanes.ndim) + lanes.shape)


def norm(tree, ndim):
    """The norm of a tree lane by lane, `(*lanes)`."""
    leaves = [jnp.sum(a**2, axis=tuple(range(a.ndim - ndim))) for a in jax.tree.leaves(tree)]
    return jnp.sqrt(sum(leaves))


def uoro_parts(net, loss) -> ForwardRule:
    """Tallec and Ollivier 2017."""

    def begin(params, state, key):
        none = jax.tree.map(jnp.zeros_like, (state, params))
        return Uoro(jnp.moveaxis(jax.random.key_data(key), -1, 0), state, *none)

    def error(params, memory, x, target, mask):
        (direct, by_state), (errors, output) = error_of_step(
            net, loss, params, memory.state, x, target, mask
        )
        products = jax.tree.map(lambda a, b: jnp.sum(a * b, axis=0), by_state, memory.to_state)
        along = sum(jax.tree.leaves(products))
        through = jax.tree.map(lambda w: in_front(along, w) * w, memory.by_weights)
        return errors, output, jax.tree.map(jnp.add, direct, through)

    def advance(params, memory, x, alive):
        key = jax.random.wrap_key_data(jnp.moveaxis(memory.key, 0, -1), impl="threefry2x32")
        nu = over_lanes(signs, key)(
            over_lanes(lambda k: jax.random.fold_in(k, 1), key)(key), memory.state
        )
        state, to_state = jax.jvp(
            lambda s: net.step(params, s, x)[0], (memory.state,), (memory.to_state,)
        )
        _, pull = jax.vjp(lambda p: net.step(p, memory.state, x)[0], params)
        (by_weights,) = pull(nu)
        ndim, tiny = key.ndim, 1e-7
        balance = lambda top, bottom: jnp.sqrt(  # noqa: E731
            (norm(top, ndim) + tiny) / (norm(bottom, ndim) + tiny)
        )
        rho0, rho1 = balance(memory.by_weights, to_state), balance(by_weights, nu)
        after = Uoro(
            over_lanes(next_key, key)(key),
            state,
            jax.tree.map(lambda s, n: in_front(rho0, s) * s + in_front(rho1, n) * n, to_state, nu),
            jax.tree.map(
                lambda w, n: w / in_front(rho0, w) + n / in_front(rho1, n),
                memory.by_weights,
                by_weights,
            ),
        )
        return tree_where(alive, after, memory)

    return ForwardRule(begin, error, advance, lambda params, parts: parts)


uoro = forward_rule("uoro", uoro_parts, draws=True)
