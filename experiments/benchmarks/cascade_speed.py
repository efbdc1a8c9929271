"""Candidates of recurrent cascade-correlation timed beside loops; see `rival_speed`."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmarks import plain_loops_cascade
from experiments.benchmarks.engine import SEED, say
from experiments.benchmarks.plain_loops_cascade import Cascade, Strings
from experiments.benchmarks.stopwatch import fastest
from experiments.paper.lstm_rows import reber_set_pairs
from experiments.paper.row import Row
from lstm_jax.methods.cascade_correlation import (
    PhaseSchedule,
    cascade_correlation,
    cascade_net,
)
from lstm_jax.methods.cascade_correlation.epoch import CANDIDATES
from lstm_jax.methods.cascade_correlation.pool import draw_pool
from lstm_jax.tasks import set_pairs
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.judging import most_active
from lstm_jax.training.records import MOST_SEQUENCES
from lstm_jax.training.stopping import both_sets_right
from lstm_jax.training.trial import Trial, TrialState, make_trial
from lstm_jax.types import Key, Sequence

NEVER = 2**30


class Candidates(NamedTuple):
    """Cascade-correlation where candidates learn and go on learning.

    Attributes:
      trial: as `make_trial` has it.
      begin: `key -> TrialState` without lanes.
      training: the set of strings, on the last axis.
    """

    trial: Trial
    begin: Callable[[Key], TrialState]
    training: Sequence


def candidates(row: Row, most: int | None = None) -> Candidates:
    """The trial of a row with half of its units, in the candidates' phase for good.

    Args:
      row: of cascade-correlation.
      most: the most hidden units there can be; by default the row's.
    """
    pairs = reber_set_pairs(row.training.pairs)
    one = [jax.tree.map(lambda leaf: leaf[:1], strings) for strings in pairs]
    task = set_pairs(one[0], one[1], inputs=row.net.inputs)
    schedule = PhaseSchedule(epsilon=1.0, patience=NEVER, change=0.03, limit=NEVER)
    strings = task.training_size
    config = TrialConfig(
        net=cascade_net(row.net.inputs, task.outputs, most or row.units),
        task=task,
        learner=cascade_correlation(candidates=schedule),
        judge=most_active,
        stop=both_sets_right(strings, strings),
        max_sequences=MOST_SEQUENCES,
        test_sequences=0,
        batch=strings,
    )
    trial = make_trial(lambda _: config)
    assert task.training_set is not None
    in_order = partial(task.training_set, jax.random.key(SEED))
    training = jax.vmap(in_order, out_axes=-1)(jnp.arange(strings))
    return Candidates(trial, lambda key: _halfway(trial.init(key, None), key), training)


def _halfway(state: TrialState, key: Key) -> TrialState:
    """With half of the units there can be, of any weights, and candidates for the next one."""
    params, memory = state.learner
    most, inputs = params.cell.from_inputs.shape
    half = most // 2
    for_units, for_pool = jax.random.split(key)

    def draw(key: Key, rows: int):
        return draw_pool(key, rows, inputs, most, half)

    def there(rows):
        return jnp.where(jnp.arange(most).reshape(-1, *[1] * (rows.ndim - 1)) < half, rows, 0)

    cell = jax.tree.map(there, draw(for_units, most))
    before = jnp.tri(most, k=-1, dtype=cell.from_units.dtype)
    cell = cell._replace(from_units=cell.from_units * before)
    memory = memory._replace(
        candidates=draw(for_pool, len(memory.candidates.bias)),
        progress=memory.progress._replace(quit=jnp.full_like(memory.progress.quit, NEVER)),
        units=memory.units + half,
        learning=jnp.full_like(memory.learning, CANDIDATES),
    )
    learner = state.learner._replace(params=params._replace(cell=cell), memory=memory)
    return state._replace(learner=learner)


def time_candidates(row: Row, lanes: int, seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """An epoch of the candidates; by loops string by string, and all strings as one array."""
    made = candidates(row)
    keys = jax.random.split(jax.random.key(SEED), lanes)
    begin = jax.jit(jax.vmap(made.begin, out_axes=-1))
    advance = jax.jit(made.trial.advance, donate_argnums=0)
    say(f"row {row.name}, {lanes} lanes in turn")
    steps = float(made.training.length.sum())  # of an epoch
    sample = fastest(lambda: begin(keys), advance, seconds)
    ours, found = {**sample.per_step(lanes, steps), "steps": steps}, {}
    one = plain_cascade(jax.jit(made.begin)(keys[0]))
    for name, groups in {
        "NumPy": string_by_string(made.training),
        "NumPy, strings at once": [all_strings(made.training)],
    }.items():
        say(f"row {row.name}, {name}")
        found[name] = _time_epochs(one, groups, seconds).per_step(1, steps)
    return ours, found


def _time_epochs(begun: Cascade, groups: list[Strings], seconds: float):
    def run(net: Cascade, epochs: int) -> None:
        for _ in range(epochs):
            net = plain_loops_cascade.candidates(net, groups)

    return fastest(lambda: begun, run, seconds)


def plain_cascade(state: TrialState) -> Cascade:
    """The same net as the loops have it; without lanes."""
    params, memory = state.learner
    number = int(memory.units)
    cell = [_unit(params.cell, u, u) for u in range(number)]
    pool = np.stack(
        [_unit(memory.candidates, u, number) for u in range(len(memory.candidates.bias))]
    )
    top = table((params.bias, params.from_inputs, params.from_cell[:, :number]))
    return Cascade(cell, top, pool, np.zeros_like(pool), np.zeros_like(pool))


def _unit(rows: Any, u: int, older: int) -> np.ndarray:
    """Bias, inputs, older units, itself."""
    parts = rows.bias[u, None], rows.from_inputs[u], rows.from_units[u, :older]
    return np.concatenate([*parts, rows.from_itself[u, None]], dtype=float)


def all_strings(many: Sequence) -> Strings:
    """A set of strings, side by side on the last axis, padded."""
    symbols = np.moveaxis(np.eye(many.targets.shape[1])[np.asarray(many.inputs)], -1, 0)
    sources = np.concatenate([np.ones_like(symbols[:1]), symbols])
    targets = np.moveaxis(np.asarray(many.targets, float), 1, 0)
    return Strings(sources, targets, np.asarray(many.mask))


def string_by_string(many: Sequence) -> list[Strings]:
    """Every string by itself, without padding."""
    padded = all_strings(many)
    told = padded.mask.sum(axis=0)

    def one(i: int) -> Strings:
        return Strings(*(leaf[..., : told[i], i : i + 1] for leaf in padded))

    return [one(i) for i in range(len(told))]


def table(leaves: Any) -> np.ndarray:
    """Arrays of a layer side by side, a row for each unit; those that are there."""
    there = [np.asarray(leaf, float) for leaf in leaves if leaf is not None]
    columns = [leaf.reshape(len(there[0]), -1) for leaf in there]
    return np.concatenate(columns, axis=1)
