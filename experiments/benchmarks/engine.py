"""One block of trials as `run_trials` compiles and advances it, and its time.

The time of a program is that of the fastest of its repetitions, divided by its trials, their
sequences and the mean number of steps of a sequence.
"""

import sys
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.benchmarks.stopwatch import fastest
from experiments.methods.build import build, trial
from experiments.methods.registry import method
from experiments.methods.trial_settings import Settings, for_trials
from experiments.paper.row import Row
from experiments.paper.tables import ROWS
from lstm_jax.gradients import bptt, by_definition, parallel_scan
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.trial import Trial, make_trial
from lstm_jax.types import GradientRule

ROW = ROWS["4-100"]
RULES: dict[str, GradientRule] = {
    "by_definition": by_definition,
    "parallel_scan": parallel_scan,
    "bptt": bptt,
}
SEED = 0


@cache
def mean_length(row: Row, number: int = 4096) -> float:
    """Steps of a sequence, the mean of many."""
    sample = row.training.task().sample
    keys = jax.random.split(jax.random.key(SEED), number)
    return float(jax.jit(jax.vmap(lambda key: sample(key).length))(keys).mean())


class Engine(NamedTuple):
    """The compiled parts of a block, as `run_trials` has them.

    Attributes:
      fill: `ids -> TrialState` with these trials in its lanes.
      advance: `(TrialState, sequences) -> TrialState`.
      steps: of a sequence, the mean.
    """

    fill: Callable[[np.ndarray], Any]
    advance: Callable[[Any, int], Any]
    steps: float


def engine(
    row: Row, width: int, rule: GradientRule | None = None, cap: int | None = None
) -> Engine:
    """A row under its literal reading in a block of so many lanes."""
    advance = jax.jit(_trial(row, rule, cap).advance, donate_argnums=0)
    return Engine(_filling(row, width, cap), advance, mean_length(row))


def _trial(row: Row, rule: GradientRule | None, cap: int | None) -> Trial:
    if method(row).rule is None:
        return trial(row)

    def config(numbers: Settings) -> TrialConfig:
        built = build(row)(numbers)
        learner: Any = built.learner
        return built._replace(
            learner=learner._replace(rule=rule or learner.rule),
            max_sequences=cap or built.max_sequences,
            test_sequences=0,
        )

    return make_trial(config)


@cache  # the rule makes no difference
def _filling(row: Row, width: int, cap: int | None) -> Callable[[np.ndarray], Any]:
    init, key = _trial(row, None, cap).init, jax.random.key(SEED)
    numbers = jax.tree.map(lambda a: np.moveaxis(a, 0, -1), for_trials(row, width))

    @jax.jit
    def fill(ids, numbers):
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(ids)
        return jax.vmap(init, in_axes=(0, -1), out_axes=-1)(keys, numbers)

    return lambda ids: fill(ids, numbers)


def time_block(
    row: Row, width: int, seconds: float, rule: GradientRule | None = None
) -> dict[str, Any]:
    """A block with a trial in every lane."""
    made = engine(row, width, rule)
    sample = fastest(lambda: made.fill(np.arange(width)), made.advance, seconds)
    return {**sample.per_step(width, made.steps), "steps": made.steps}


def say(what: str) -> None:
    """What is being timed, for a person who waits."""
    if sys.stderr.isatty():
        print(f"\r\x1b[Ktiming {what}" if what else "\r\x1b[K", end="", file=sys.stderr, flush=True)
