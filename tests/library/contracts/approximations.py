"""Approximations of RTRL on the forward engine: SnAp, RFLO, eligibility propagation.

All carry an influence J(t) = ds(t)/dw, J(t) = D(t) J(t-1) + I(t), and differ in which part of
D and of J they keep; the error is taken at the present state, by `Cell.read`. They are
written for one lane and lifted.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from lstm_jax.gradients.forward_mode import ForwardRule, forward_rule
from lstm_jax.gradients.truncated import cut
from lstm_jax.losses import masked_error
from lstm_jax.ops.lanes import tree_where
from lstm_jax.types import Cell, GradientRule


class Influence(NamedTuple):
    state: Any
    by_params: Any  # shaped like the parameters, the components of the state in front


def lifted(function, lanes: int):
    for _ in range(lanes):
        function = jax.vmap(function, in_axes=-1, out_axes=-1)
    return function


def flat(state):
    return ravel_pytree(state)[0]


def jacobians(carry: Cell, cell: Cell, params, state, x):
    """D(t) of the one cell and I(t) of the other."""
    s, rebuild = ravel_pytree(state)
    by_state = jax.jacfwd(lambda s: flat(carry.step(params, rebuild(s), x)[0]))(s)
    return by_state, jax.jacrev(lambda p: flat(cell.step(p, state, x)[0]))(params)


def influence(
    cell: Cell,
    loss,
    *,
    carry: Cell | None = None,
    reach: Any = None,
    feedback: Callable | None = None,
) -> ForwardRule:
    """What is kept: D of the net `carry`, J where `reach` is true; signals go by `feedback`."""
    if cell.read is None:
        raise ValueError("expected a cell with read, which tells the outputs from the state")
    read = cell.read

    def begin(params, state):
        size = len(flat(state))
        return Influence(state, jax.tree.map(lambda w: jnp.zeros((size, *w.shape)), params))

    def advance(params, memory, x):
        by_state, now = jacobians(carry or cell, cell, params, memory.state, x)
        after = jax.tree.map(lambda j, i: jnp.tensordot(by_state, j, 1) + i, memory.by_params, now)
        if reach is not None:
            after = jax.tree.map(lambda j, there: jnp.where(there, j, 0), after, reach)
        return Influence(cell.step(params, memory.state, x)[0], after)

    def error(params, memory, x, target, mask):
        after = advance(params, memory, x)
        y, pull = jax.vjp(lambda p, s: read(p, s, x), params, after.state)
        errors, signal = masked_error(loss, y, target, mask)
        direct, by_state = pull(signal)
        learning = feedback(signal) if feedback else flat(by_state)
        through = jax.tree.map(lambda j: jnp.tensordot(learning, j, 1), after.by_params)
        return errors, y, jax.tree.map(jnp.add, direct, through)

    def in_lanes(state):
        return jax.tree.leaves(state)[0].ndim - 1

    def errors_of(params, memory, x, target, mask):
        mask = jnp.broadcast_to(mask, target.shape[1:])
        return lifted(error, in_lanes(memory.state))(params, memory, x, target, mask)

    def advanced(params, memory, x, alive):
        return tree_where(alive, lifted(advance, in_lanes(memory.state))(params, memory, x), memory)

    return ForwardRule(
        lambda params, state, key: lifted(begin, in_lanes(state))(params, state),
        errors_of,
        advanced,
        lambda params, parts: parts,
    )


def reach(cell: Cell, steps: int):
    """Which parameters reach which components of the state within so many steps: bools."""
    with jax.ensure_compile_time_eval():
        draw = np.random.default_rng(0)
        like = jax.eval_shape(cell.init, jax.random.key(0)), cell.initial_state()
        params, state = jax.tree.map(lambda a: jnp.asarray(draw.normal(size=a.shape)), like)
        x = jnp.asarray(draw.normal(size=cell.inputs))
        by_state, now = jax.tree.map(
            lambda j: np.asarray(j) != 0, jacobians(cell, cell, params, state, x)
        )
    reached = now
    for _ in range(steps - 1):
        further = jax.tree.map(lambda j: np.tensordot(by_state, j, 1) > 0, reached)
        reached = jax.tree.map(np.logical_or, now, further)
    return reached


def snap(steps: int) -> GradientRule:
    """Menick et al. 2020: an influence is kept where it arrives within so many steps."""
    return forward_rule(
        f"snap({steps})", lambda cell, loss: influence(cell, loss, reach=reach(cell, steps))
    )


def _eprop(cell: Cell, loss) -> ForwardRule:
    """Bellec et al. 2020: influences travel along the cell's own state, not between units."""
    return influence(cell, loss, carry=cut(cell))


eprop = forward_rule("eprop", _eprop)


def rflo(leak: float, feedback: Callable | None) -> GradientRule:
    """Murray 2019: influences leak and nothing else; the error comes by fixed weights."""

    def make(cell: Cell, loss) -> ForwardRule:
        def step(params, state, x):
            after, y = cell.step(params, state, x)
            decayed = jax.tree.map(lambda s: (1 - leak) * s, state)
            rest = jax.lax.stop_gradient(jax.tree.map(jnp.subtract, after, decayed))
            return jax.tree.map(jnp.add, decayed, rest), y

        return influence(cell, loss, carry=cell._replace(step=step), feedback=feedback)

    return forward_rule("rflo", make)


def random_feedback(units: int, outputs: int, seed: int = 0):
    weights = np.random.default_rng(seed).normal(size=(units, outputs))
    return lambda signal: jnp.asarray(weights, signal.dtype) @ signal
