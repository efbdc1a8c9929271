"""Trials of a few hundred short sequences that end in every way, and how to compare runs.

The task: the first of about ten noisy steps bears a sign, which is to be said at the end.
The learning rates run from too small to solve it by the cap to so large that it explodes.
"""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from lstm_jax.cells.memory_block import memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import forward_traces
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.ops import random_words
from lstm_jax.ops.activations import identity
from lstm_jax.tasks.sequences import at_end, time_steps
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.training.trial import Trial, TrialState, make_trial
from lstm_jax.trials import Finished, run_trials
from lstm_jax.trials import run as engine
from lstm_jax.trials.storage import open_storage
from lstm_jax.types import Key, Sequence, Task

KEY = jax.random.key(7)
NUMBER, LANES, STEPS, CAP = 40, 16, 10, 800
RATES = np.resize(np.float32([0.1, 0.3, 1.0, 3.0, 0.03]), NUMBER)
EVERY = list(range(NUMBER))
OVER = {"phase": "capped", "sequences": 0, "reached": [-1, -1], "test": None, "curve": []}


def sample(key: Key) -> Sequence:
    words = random_words.random_words(key, 2 + STEPS)
    length = STEPS - random_words.uniform_int(words[0], 3)
    sign = 2.0 * random_words.uniform_int(words[1], 2).astype(float) - 1
    t = time_steps(STEPS)
    inputs = jnp.stack([jnp.where(t == 0, sign, 0), random_words.uniform_signed(words[2:])], 1)
    return at_end(jnp.where((t < length)[:, None], inputs, 0), length, sign[None] / 2)


def build(rate) -> TrialConfig:
    return TrialConfig(
        net=readout(memory_block(Topology(inputs=2, blocks=(2,))), 1, activation=identity),
        task=Task(sample, inputs=2, outputs=1, steps=STEPS),
        learner=gradient_descent(forward_traces, squared_error, optax.sgd(rate)),
        judge=within(0.3),
        stop=recent(50, Criterion(wrong_below=5), Criterion()),
        max_sequences=CAP,
        test_sequences=100,
    )


TRIAL = make_trial(build)


def disturbed(disturb) -> Trial:
    """The trial, but whenever it has advanced, `disturb` changes its weights."""

    def advance(state: TrialState, n) -> TrialState:
        state = TRIAL.advance(state, n)
        return with_params(state, jax.tree.map(disturb, state.params))

    return TRIAL._replace(advance=advance)


def with_params(state: TrialState, params) -> TrialState:
    """A trial with other weights."""
    return state._replace(learner=state.learner._replace(params=params))


def _by_lane(weights):
    lanes = jnp.arange(weights.shape[-1], dtype=weights.dtype)
    return weights * jnp.expand_dims(1 + 1e-6 * lanes, range(weights.ndim - 1))


def _by_neighbour(weights):
    return weights + 1e-6 * jnp.roll(weights, 1, axis=-1)


KNOWS_ITS_LANE = disturbed(_by_lane)  # and how often it was advanced
HEARS_ITS_NEIGHBOUR = disturbed(_by_neighbour)


class Run(NamedTuple):
    """What `run_trials` returned, and what it said of trials that ended."""

    records: list[dict]
    ended: dict[int, Finished]


def run(
    trial: Trial = TRIAL,
    key: Key = KEY,
    number: int = NUMBER,
    settings=None,
    lanes: int = LANES,
    devices: int | None = 1,
    **options,
) -> Run:
    """The tiny trials, unless told otherwise 40 of them in 16 lanes of one device."""
    ended: list[Finished] = []
    settings = RATES[:number] if settings is None else settings
    records = run_trials(
        trial, key, number, settings=settings, lanes=lanes, devices=devices,
        on_finished=ended.append, **options,
    )  # fmt: skip
    by_trial = {one.record["trial"]: one for one in ended}
    assert len(by_trial) == len(ended), "a trial ended twice"
    return Run(records, by_trial)


def run_without(others: list[int], folder: Path, **options) -> Run:
    """A run of whose trials `others` are over from the start: the rest takes other lanes."""
    run(folder=folder, budget_s=0.0, **options)  # says whose folder it is
    for path in [*folder.glob("checkpoint.*"), *folder.glob("records.*")]:
        path.unlink()
    with open_storage(folder) as storage:
        for i in others:
            storage.append(OVER | {"trial": i})
    return run(folder=folder, **options)


def kept(folder: Path, process: int = 0) -> list[dict]:
    """The records in a folder, read without our code."""
    text = (folder / f"records.{process}.jsonl").read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def texts(records: list[dict]) -> dict[int, str]:
    """Records by trial as they are kept, as strings that differ when any bit of a number does."""
    assert len({r["trial"] for r in records}) == len(records), "a trial twice"
    kept = [{name: value for name, value in r.items() if name != "curve_at"} for r in records]
    return {r["trial"]: json.dumps(r) for r in kept}


def differing(one: Run, other: Run) -> list[int]:
    """The trials that ended in `one` otherwise than in `other`, be it by a bit."""

    def bits(finished: Finished):
        weights = [(leaf.dtype, leaf.tobytes()) for leaf in jax.tree.leaves(finished.params)]
        return json.dumps(finished.record), weights

    assert one.ended, "there is nothing to compare"
    return [i for i, end in one.ended.items() if bits(end) != bits(other.ended[i])]


class Clock:
    """A clock for the engine: it finds that every chunk took about as long as it should.

    Args:
      chunk: how long a chunk should take.
      seed: None for exactly as long, so that all chunks have the same size; else the
        size of chunks wanders at random.
    """

    def __init__(self, chunk: float, seed: int | None = None):
        self._chunk, self._now = chunk, 0.0
        self._random = None if seed is None else np.random.default_rng(seed)

    def monotonic(self) -> float:
        wander = 0.0 if self._random is None else self._random.uniform(-1, 1)
        self._now += self._chunk * 2**wander
        return self._now


def pace(patch: pytest.MonkeyPatch, seed: int | None = None) -> None:
    """Set the clock by which the engine measures its chunks, in seconds that mean nothing."""
    patch.setattr(engine, "time", Clock(engine._CHUNK_S, seed))


@contextlib.contextmanager
def compiled_once(folder: Path) -> Iterator[None]:
    """Keep compiled programs in a folder, for the runs of a test module share a few."""
    options = {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in options}
    _configure(options)
    yield
    _configure(before)


def _configure(options: dict) -> None:
    for name, value in options.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()  # or it would stay with the folder it has
