"""Candidates of recurrent cascade-correlation timed beside loops; see `timing_rivals`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments import loops_cascade
from experiments.loops_cascade import Cascade, Strings
from experiments.paper import reber_set_pairs
from experiments.rows import Row
from experiments.stopwatch import fastest
from experiments.timing import SEED, say
from lstm_jax.cascade_correlation import (
    CascadeExperiment,
    CascadeState,
    Regime,
    at_lane,
    make_cascade_trial,
    stack_sets,
)
from lstm_jax.cascade_correlation.pool import draw_pool
from lstm_jax.cascade_correlation.trial import CANDIDATES
from lstm_jax.training import Trial
from lstm_jax.types import Key, Sequence

NEVER = 2**30


class Candidates(NamedTuple):
    """Cascade-correlation where candidates learn and go on learning.

    Attributes:
      trial: as `make_cascade_trial` has it.
      begin: `key -> CascadeState` without lanes.
      training: the set of strings.
    """

    trial: Trial
    begin: Callable[[Key], CascadeState]
    training: Sequence


def candidates(row: Row, most: int | None = None) -> Candidates:
    """The trial of a row with half of its units, in the candidates' phase for good.

    Args:
      row: of cascade-correlation.
      most: the most hidden units there can be; by default the row's.
    """
    assert row.rival
    pair = [jax.tree.map(lambda leaf: leaf[0], strings) for strings in reber_set_pairs(row.pairs)]
    training, test = (at_lane(strings, 0) for strings in stack_sets([(pair[0], pair[1])]))
    experiment = CascadeExperiment(
        training,
        test,
        inputs=row.inputs,
        units=most or row.rival.units,
        candidates=Regime(epsilon=1.0, patience=NEVER, change=0.03, limit=NEVER),
        cap=NEVER,
    )
    trial = make_cascade_trial(lambda _: experiment)

    def begin(key: Key) -> CascadeState:
        return _halfway(experiment, trial.init(key, None), key)

    return Candidates(trial, begin, training)


def _halfway(experiment: CascadeExperiment, state: CascadeState, key: Key) -> CascadeState:
    """With half of the units there can be, of any weights, and candidates for the next one."""
    most, half = experiment.units, experiment.units // 2
    for_units, for_pool = jax.random.split(key)

    def draw(key: Key, rows: int):
        return draw_pool(key, rows, experiment.inputs, most, half)

    def there(rows):
        return jnp.where(jnp.arange(most).reshape(-1, *[1] * (rows.ndim - 1)) < half, rows, 0)

    cell = jax.tree.map(there, draw(for_units, most))
    cell = cell._replace(from_units=cell.from_units * jnp.tri(most, k=-1))
    return state._replace(
        params=state.params._replace(cell=cell),
        candidates=draw(for_pool, experiment.pool),
        progress=state.progress._replace(quit=jnp.full_like(state.progress.quit, NEVER)),
        units=state.units + half,
        learning=jnp.full_like(state.learning, CANDIDATES),
    )


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
            net = loops_cascade.candidates(net, groups)

    return fastest(lambda: begun, run, seconds)


def plain_cascade(state: CascadeState) -> Cascade:
    """The same net as the loops have it; without lanes."""
    number, params = int(state.units), state.params
    cell = [_unit(params.cell, u, u) for u in range(number)]
    pool = np.stack([_unit(state.candidates, u, number) for u in range(len(state.candidates.bias))])
    top = table((params.bias, params.from_inputs, params.from_cell[:, :number]))
    return Cascade(cell, top, pool, np.zeros_like(pool), np.zeros_like(pool))


def _unit(rows: Any, u: int, older: int) -> np.ndarray:
    """Bias, inputs, older units, itself."""
    parts = rows.bias[u, None], rows.from_inputs[u], rows.from_units[u, :older]
    return np.concatenate([*parts, rows.from_itself[u, None]], dtype=float)


def all_strings(many: Sequence) -> Strings:
    """A set of strings, side by side on the last axis, padded."""
    symbols = np.moveaxis(np.eye(many.targets.shape[1])[np.asarray(many.inputs)], -1, 0)
    heard = np.concatenate([np.ones_like(symbols[:1]), symbols])
    targets = np.moveaxis(np.asarray(many.targets, float), 1, 0)
    return Strings(heard, targets, np.asarray(many.mask))


def string_by_string(many: Sequence) -> list[Strings]:
    """Every string by itself, without padding."""
    padded = all_strings(many)
    told = padded.mask.sum(axis=0)

    def one(i: int) -> Strings:
        return Strings(*(leaf[..., : told[i], i : i + 1] for leaf in padded))

    return [one(i) for i in range(len(told))]


def table(leaves: Any) -> np.ndarray:
    """Arrays of a layer side by side, a row for each unit."""
    units = len(leaves[0])
    columns = [np.asarray(leaf, float).reshape(units, -1) for leaf in leaves]
    return np.concatenate(columns, axis=1)
