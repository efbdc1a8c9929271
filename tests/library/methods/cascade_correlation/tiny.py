"""Four strings that take memory, and how to say the same to the library and to the twin.

A string begins with x or y; one or two a follow, and then the first symbol again.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.cells.cascade import CascadeParams
from lstm_jax.methods.cascade_correlation import (
    PhaseSchedule,
    cascade_correlation,
    cascade_net,
)
from lstm_jax.methods.cascade_correlation.pool import draw_pool
from lstm_jax.networks.readout import Readout
from lstm_jax.tasks import set_pairs
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.judging import most_active
from lstm_jax.training.stopping import both_sets_right
from lstm_jax.training.trial import TrialState, make_trial
from lstm_jax.types import Sequence
from tests.reference import cascade_correlation as twin
from tests.support.bridge import KEY, lane, real

STRINGS = ("xaax", "yaay", "xax", "yay")
SYMBOLS, STEPS, UNITS, POOL, CAP = 3, 6, 3, 3, 1400


def units_of(random: np.random.Generator, *shape: int) -> CascadeParams:
    """Any weights of `(units, hidden units)`."""
    units, older = shape
    shapes = (units, SYMBOLS), (units, older), (units,), (units,)
    return CascadeParams(*(real(random.normal(size=shape)) for shape in shapes))


def net_of(random: np.random.Generator, there: int = UNITS) -> Readout:
    """Any net that has so many of its hidden units."""
    cell = jax.tree.map(lambda w: real(w * _grid(there, w)), units_of(random, UNITS, UNITS))
    into = [real(random.normal(size=shape)) for shape in ((3, UNITS), (3, SYMBOLS), (3,))]
    return Readout(cell, into[0] * (np.arange(UNITS) < there), *into[1:])


def _grid(there: int, weights: np.ndarray) -> np.ndarray:
    """1 for units that are there, receiving others that are older."""
    if weights.shape == (UNITS, UNITS):
        return np.tri(UNITS, k=-1) * (np.arange(UNITS) < there)[:, None]
    return (np.arange(UNITS) < there).reshape(-1, *[1] * (weights.ndim - 1))


def legal(before: str) -> str:
    """What may follow the beginning of a string."""
    return {1: "a", 2: "a" + before[0], 3: before[0]}[len(before)]


def rows(symbols: list[str]) -> np.ndarray:
    """A row for each step, 1 for every one of its symbols."""
    return np.array([[float(s in step) for s in "axy"] for step in symbols])


def strings(contradict: bool = False) -> list[twin.String]:
    """As the twin reads them. To contradict is to call everything else legal."""
    made = []
    for text in STRINGS:
        goals = rows([legal(text[: t + 1]) for t in range(len(text) - 1)])
        made.append((rows(list(text[:-1])), rows(list(text[1:])), np.abs(contradict - goals)))
    return made


def sequence(contradict: bool = False, steps: int = STEPS, vectors: bool = False) -> Sequence:
    """As the library reads them, on the last axis; what is past the end is nonsense."""
    many = []
    for text, (inputs, targets, goals) in zip(STRINGS, strings(contradict), strict=True):
        last = len(text) - 1
        symbols = np.full(steps, 1, np.int32)
        symbols[: last + 1] = ["axy".index(s) for s in text]
        one_hot = np.full((steps, SYMBOLS), 0.3)
        one_hot[:last] = inputs
        padded = [np.full((steps, SYMBOLS), 0.7) for _ in range(2)]
        padded[0][:last], padded[1][:last] = targets, goals
        mask = np.arange(steps) < last
        read = real(one_hot) if vectors else symbols
        many.append(Sequence(read, *map(real, padded), mask, np.int32(last + 1)))
    return jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=-1), *many)


class Settings(NamedTuple):
    """What lanes differ in."""

    contradict: Any  # whether no test can be passed
    climb: Any  # epsilon of the candidates
    mu: Any


LANES = Settings(
    np.array([False, True, False, False]),
    np.array([1.0, 0.02, 50.0, np.inf]),
    np.array([2.0, 2.0, 1.75, 2.0]),
)
SOLVED, FAILS_TESTS, CLIMBS_FAST, DIVERGES = range(4)


def schedules(settings: Settings) -> tuple[PhaseSchedule, PhaseSchedule]:
    outputs = PhaseSchedule(epsilon=0.35, decay=1e-4, limit=40)
    return outputs, PhaseSchedule(epsilon=settings.climb, mu=settings.mu, change=0.03, limit=60)


def paired(*sets: Sequence) -> Sequence:
    """Sets in front of one another."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *sets)


def build(settings: Settings) -> TrialConfig:
    outputs, candidates = schedules(settings)
    with jax.ensure_compile_time_eval():
        training = paired(sequence(), sequence())
        tests = paired(sequence(), sequence(contradict=True))
    return TrialConfig(
        net=cascade_net(SYMBOLS, SYMBOLS, UNITS),
        task=set_pairs(
            training, tests, jnp.asarray(settings.contradict).astype(int), inputs=SYMBOLS
        ),
        learner=cascade_correlation(pool=POOL, outputs=outputs, candidates=candidates),
        judge=most_active,
        stop=both_sets_right(4, 4),
        max_sequences=CAP,
        test_sequences=0,
        batch=4,
    )


TRIAL = make_trial(build)


@lru_cache
def compiled() -> tuple[Callable, Callable]:
    """Beginning in any order of lanes, and advancing: once for all, in double precision."""

    def begin(order):
        settings = jax.tree.map(lambda numbers: jnp.asarray(numbers)[order], LANES)
        return jax.vmap(TRIAL.init, out_axes=-1)(jax.random.split(KEY, 4)[order], settings)

    return jax.jit(begin), jax.jit(TRIAL.advance)


def begun(*order: int) -> TrialState:
    """The four lanes in some order, before the first tick."""
    with jax.enable_x64(True):
        return compiled()[0](np.array(order))


def advanced(state: TrialState, ticks: int) -> TrialState:
    """Four lanes further on."""
    with jax.enable_x64(True):
        return compiled()[1](state, ticks)


@lru_cache
def played(ticks: int) -> tuple[TrialState, list[TrialState]]:
    """The lanes before the first tick, and after every one."""
    states = [begun(*range(4))]
    for _ in range(ticks):
        states.append(advanced(states[-1], 1))
    first, *after = jax.tree.map(np.asarray, states)
    return first, after


# ---------------------------------------------------------------- to the twin


def unit_vector(weights: CascadeParams, row: int, units: int) -> np.ndarray:
    """Bias, inputs, so many older units, itself."""
    into = weights.from_inputs[row], weights.from_units[row, :units]
    return np.concatenate([weights.bias[row, None], *into, weights.from_itself[row, None]])


def pool_vectors(pool: CascadeParams, units: int) -> np.ndarray:
    """The candidates for a net of so many units."""
    return np.stack([unit_vector(pool, row, units) for row in range(len(pool.bias))])


def output_matrix(params, units: int) -> np.ndarray:
    """Bias, inputs, so many units."""
    return np.concatenate(
        [params.bias[:, None], params.from_inputs, params.from_cell[:, :units]], axis=1
    )


def units_list(params: Readout, units: int) -> list[np.ndarray]:
    """The hidden units, each receiving those before it."""
    return [unit_vector(params.cell, u, u) for u in range(units)]


def twin_of(own: TrialState, i: int) -> twin.Trial:
    """The twin's trial that begins as lane i does."""

    def pool(units: int) -> np.ndarray:
        with jax.enable_x64(True):
            key = jax.random.fold_in(
                jax.random.wrap_key_data(own.key, impl="threefry2x32"), 1 + units
            )
            drawn = draw_pool(key, POOL, SYMBOLS, UNITS, units)
        return pool_vectors(jax.tree.map(np.asarray, drawn), units)

    outputs, candidates = (twin.Regime(*map(float, r)) for r in schedules(lane(LANES, i)))
    return twin.Trial(
        strings(), strings(bool(LANES.contradict[i])), output_matrix(own.params, 0),
        pool, outputs, candidates, UNITS, CAP,
    )  # fmt: skip
