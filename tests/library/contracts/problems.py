"""Sequences in lanes to try cells, rules and learners on, and how to compare trees."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.losses import squared_error
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Cell, Sequence

LENGTHS = (4, 2, 3)


def three(cell: Cell, seed: int = 3, lengths: tuple[int, ...] = LENGTHS) -> Sequence:
    """Sequences of several lengths in lanes, with an error signal at some of the steps."""
    draw = np.random.default_rng(seed)
    lanes, steps = len(lengths), max(lengths)
    inputs = jnp.asarray(draw.normal(size=(steps, cell.inputs, lanes)), float)
    targets = jnp.asarray(draw.normal(size=(steps, cell.outputs, lanes)), float)
    mask = jnp.asarray(np.arange(steps)[:, None] % 2 == 1) & jnp.ones((steps, lanes), bool)
    return Sequence(inputs, targets, targets, mask, jnp.asarray(lengths, jnp.int32))


def one(sequence: Sequence, lane: int) -> Sequence:
    """One lane of a sequence."""
    return jax.tree.map(lambda leaf: leaf[..., lane], sequence)


def grads_by(rules: dict, cell: Cell, params, sequence: Sequence) -> dict:
    """The gradient by every rule, in one compiled program."""
    made = {name: rule(cell, squared_error) for name, rule in rules.items()}
    return jax.jit(lambda p, s: {name: g(p, s).grads for name, g in made.items()})(params, sequence)


def by_loop(cell: Cell, params, sequence: Sequence, between=lambda state: state):
    """The gradient of the summed error by JAX through a plain loop, lane after lane.

    `between(state)` is what a step receives of the state before it.
    """

    def error(params):
        total = 0.0
        for lane, length in enumerate(np.asarray(sequence.length)):
            alone, state = one(sequence, lane), cell.initial_state()
            for t in range(int(length)):
                state, y = cell.step(params, between(state), alone.inputs[t])
                total += jnp.where(alone.mask[t], squared_error(y, alone.targets[t]), 0)
        return total

    return jax.jit(jax.grad(error))(params)


def gap(found, expected) -> float:
    """The largest difference of two trees, relative to the largest entry."""
    found, expected = (
        np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])
        for tree in (found, expected)
    )
    return float(np.max(np.abs(found - expected)) / np.max(np.abs(expected)))


def run(config, ticks: int, lanes: int = 2, seed: int = 0, settings=None):
    """The state of a block of trials after so many ticks."""
    keys = jax.random.split(jax.random.key(seed, impl="threefry2x32"), lanes)
    return run_with(config if callable(config) else lambda _: config, ticks, keys, settings)


def run_with(build, ticks: int, keys, settings=None):
    """The same with given keys; a single key is a trial without lanes."""
    return _program(build, keys.ndim)(keys, settings, ticks)


@lru_cache(maxsize=8)
def _program(build, lanes: int):
    """Compiled once for all that is asked of one configuration."""
    trial = make_trial(build)
    init = jax.vmap(trial.init, in_axes=(0, -1), out_axes=-1) if lanes else trial.init
    return jax.jit(lambda keys, settings, n: trial.advance(init(keys, settings), n))
