"""All gradient rules on one small net, in one compiled program; and any sequence for it."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.cells.memory_block import Initialization, memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import (
    bptt,
    by_definition,
    forward_traces,
    parallel_scan,
    rtrl,
    windowed,
)
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.types import Cell, Sequence
from tests.support.bridge import KEY, side_by_side

RULES = {
    rule.name: rule
    for rule in (bptt, windowed(3), rtrl, by_definition, parallel_scan, forward_traces)
}
ONLINE = {name: rule for name, rule in RULES.items() if rule.online}
INPUTS, OUTPUTS, STEPS, LANES = 2, 1, 6, 3
NET = readout(
    memory_block(Topology(INPUTS, (1, 1), forget_gates=True), Initialization(scale=1.0)), OUTPUTS
)


@lru_cache
def all_rules(net: Cell = NET, names: tuple[str, ...] = tuple(RULES)):
    """`(params, sequence) -> {rule: LossAndGrads}`, compiled once for all tests."""
    rules = {name: RULES[name](net, squared_error) for name in names}
    return jax.jit(lambda params, sequence: {n: r(params, sequence) for n, r in rules.items()})


def weights(lanes: int | None = None):
    """Weights of one net, or of one in every lane."""
    keys = jax.random.split(KEY, lanes or 1)
    drawn = [jax.tree.map(np.asarray, NET.init(key)) for key in keys]
    return side_by_side(*drawn) if lanes else drawn[0]


def sequence(length: int = STEPS, at: str = "steps", seed: int = 0, symbols: bool = False):
    """One sequence without lanes; its error signals are at every step but the second."""
    random = np.random.default_rng(seed)
    time = 1 if at == "end" else STEPS
    inputs = random.uniform(-1, 1, (STEPS, INPUTS)).astype(np.float32)
    if symbols:
        inputs = random.integers(INPUTS, size=STEPS).astype(np.int32)
    targets = random.uniform(0, 1, (time, OUTPUTS)).astype(np.float32)
    mask = np.arange(time) != 1
    if at == "steps":
        mask &= np.arange(time) < length
    return Sequence(inputs, targets, targets, mask, np.int32(length), at)


def in_lanes(*lengths: int, at: str = "steps") -> Sequence:
    """A sequence of every length beside one another."""
    return side_by_side(*(sequence(length, at, seed) for seed, length in enumerate(lengths)))


def is_zero(tree) -> bool:
    """Whether every number is exactly 0 (a NaN is not)."""
    return all(bool(jnp.all(leaf == 0)) for leaf in jax.tree.leaves(tree))
