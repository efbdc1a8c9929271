"""Run one job in this process, keep what it finds, say so in one line."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.common.clock import duration
from experiments.common.errors import UserError
from experiments.common.files import alone_in, shown, write_text, write_whole
from experiments.common.structure import read_json
from experiments.methods.build import trial
from experiments.methods.registry import net
from experiments.methods.trial_settings import for_trials
from experiments.paper.readings import Reading
from experiments.paper.row import Row
from experiments.running import results
from experiments.running.forms import progress_form
from experiments.running.jobs import Job
from lstm_jax.trials import Finished, Progress, RunError, run_trials


class Outcome(NamedTuple):
    """What became of a job.

    Attributes:
      result: the result; None if the budget ended before the job.
      path: the result file; without a result the working folder.
      says: one line for a person.
    """

    result: dict | None
    path: Path
    says: str


def working_folder(folder: Path, job: Job) -> Path:
    """Where a job keeps its records and checkpoints while it runs."""
    return folder / "runs" / f"{job.name}.seed{job.seed}"


def ask_for_devices(number: int) -> None:
    """Split the CPU into devices; before the first computation of the process."""
    if number > 1 and jax.config.jax_num_cpu_devices < number:  # pyright: ignore
        try:
            jax.config.update("jax_num_cpu_devices", number)
        except RuntimeError as error:
            raise UserError(f"--devices {number} comes too late in this process") from error
    if (there := len(jax.local_devices())) < number:
        raise UserError(f"--devices {number}: there are {there}; ask for fewer")


def run(
    job: Job,
    folder: Path,
    budget_s: float | None = None,
    on_chunk: Callable[[Progress], None] | None = None,
) -> Outcome:
    """Train the trials of a job that are not yet over, and write its result when all are.

    Args:
      job: what to run.
      folder: holds `results/`, and `runs/` with working folders, from which a job that
        was interrupted goes on.
      budget_s: seconds after which to put it down.
      on_chunk: told how it stands.
    """
    ask_for_devices(job.devices)
    work = working_folder(folder, job)
    with alone_in(work):
        watch = _Watch(work, on_chunk)
        records = _train(job, work, budget_s, watch)
        if len(records) < job.trials:
            return Outcome(None, work, _unfinished(job, records, watch))
        return _finish(job, folder, work, records, watch)


class _Watch:
    """Writes how a job stands, over all processes that worked on it."""

    def __init__(self, work: Path, on_chunk: Callable[[Progress], None] | None):
        self._path, self._on_chunk = work / "progress.json", on_chunk
        self._began = time.monotonic()
        self._before = self._spent(work)
        self.worked = False

    def _spent(self, work: Path) -> float:
        try:
            return read_progress(work).seconds
        except UserError as error:
            print(f"{error}; time is counted from now", file=sys.stderr)
            return 0.0

    @property
    def seconds(self) -> float:
        return self._before + time.monotonic() - self._began

    def __call__(self, progress: Progress) -> None:
        self.worked = True
        standing = progress._replace(seconds=round(self.seconds, 1))
        write_text(self._path, json.dumps(standing._asdict()))
        if self._on_chunk:
            self._on_chunk(progress)


def read_progress(work: Path) -> Progress:
    """How a job stood when it last said so; at its beginning if it did not."""
    path = work / "progress.json"
    if not path.exists():
        return Progress(0, 0, 0, 0, 0, 0.0)
    return Progress(**read_json(path, "progress file", progress_form, then="remove it"))


def shape_of_net(row: Row, reading: Reading) -> Any:
    """The parameters of a row's net, as shapes."""
    return jax.eval_shape(net(reading.read(row)).init, jax.random.key(0))


def _train(job: Job, work: Path, budget_s: float | None, watch: _Watch) -> list[dict]:
    def keep(finished: Finished) -> None:
        number = finished.record["trial"]
        if finished.record["phase"] == "solved" and number < kept["trial"]:
            kept["trial"] = number
            results.write_weights(work / "weights.npz", number, finished.params)

    kept = {"trial": _kept_trial(work, job)}
    try:
        return run_trials(
            trial(job.read),
            jax.random.key(job.seed),
            job.trials,
            settings=for_trials(job.read, job.trials),
            lanes=job.lanes,
            devices=job.devices,
            folder=work,
            identity=results.identity(job),
            budget_s=budget_s,
            on_chunk=watch,
            on_finished=keep,
        )
    except RunError as error:
        raise UserError(str(error)) from error
    except (TypeError, ValueError) as error:  # the library has refused what fits no net or rule
        if not job.reading.by_hand:
            raise
        raise UserError(f"{job.reading.name}: {error}") from error


def _kept_trial(work: Path, job: Job) -> int:
    """The trial whose net is kept; beyond all trials if there is none, or a damaged one."""
    path = work / "weights.npz"
    if not path.exists():
        return job.trials
    try:
        return results.read_weights(path, shape_of_net(job.row, job.reading))[0]
    except UserError:
        aside = path.with_suffix(".damaged")
        os.replace(path, aside)
        print(
            f"{shown(path)} holds no net of this row; it is now {aside.name}, and the next trial "
            "that is solved leaves another",
            file=sys.stderr,
        )
        return job.trials


def _finish(job: Job, folder: Path, work: Path, records: list[dict], watch: _Watch) -> Outcome:
    found = results.result(job, records, watch.seconds)
    path, note = folder / "results" / f"{job.name}.json", ""
    if path.exists():
        there = results.read(path)
        if not results.same_run(there, found):
            path, note = work / "result.json", f"; {shown(path)} holds another run and is untouched"
        elif not watch.worked:
            return Outcome(there, path, _says(job, there, path, "; was complete already"))
    results.write(path, found)
    if (work / "weights.npz").exists():
        weights = (work / "weights.npz").read_bytes()
        write_whole(path.with_suffix(".npz"), lambda file: file.write(weights))
    return Outcome(found, path, _says(job, found, path, note))


def _says(job: Job, result: dict, path: Path, note: str) -> str:
    after = results.solved_after(result["records"])
    mean = f", mean {np.mean(after):,.0f}" if after else ""
    theirs = job.row.published.after
    paper = "no figure in the paper" if theirs is None else f"paper {theirs:,}"
    return (
        f"{job.row.name} {job.reading.name}: {len(after)} of {job.trials} solved{mean} "
        f"({paper}), {duration(result['seconds'])}, {shown(path)}{note}"
    )


def _unfinished(job: Job, records: list[dict], watch: _Watch) -> str:
    return (
        f"{job.row.name} {job.reading.name}: {len(records)} of {job.trials} trials over after "
        f"{duration(watch.seconds)}; run it again to go on"
    )
