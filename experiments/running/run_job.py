"""Run one job in this process, keep what it finds, say so in one line."""

import contextlib
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
from experiments.running.together import first, name_of, own
from lstm_jax.trials import Finished, Progress, RunError, run_trials
from lstm_jax.trials.storage import Folder


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
    with alone_in(work, own("lock")):
        watch = _Watch(work, on_chunk)
        records = _train(job, work, budget_s, watch)
        if jax.process_count() > 1 and budget_s is None:
            _wait_for_others(job, work / f"all.{job.trials}", Folder(work, jax.process_index()))
            if first() and len(records) < job.trials:
                records = _train(job, work, budget_s, watch)  # which only reads what all have kept
        if len(records) < job.trials or not first():
            return Outcome(None, work, _unfinished(job, records, watch))
        return _finish(job, folder, work, records, watch)


def _wait_for_others(job: Job, mark: Path, kept: Folder) -> None:
    """Until all trials are recorded; where a process dies, JAX ends the others, too.

    One process looks into the files of all, the more rarely the more there are; the others wait
    for its mark, or a thousand of them would read a thousand files all the time.
    """
    if first():
        while len(kept.records()) < job.trials:
            time.sleep(0.5 + 0.01 * jax.process_count())
        write_text(mark, "")
    while not mark.exists():
        time.sleep(0.5)


def _shares(work: Path, name: str) -> list[Path]:
    """The files of this name that processes have left."""
    stem, _, kind = name.partition(".")
    return [path for path in (work / name, *sorted(work.glob(f"{stem}.*.{kind}"))) if path.exists()]


class _Watch:
    """Writes how a job stands, over all processes that worked on it."""

    def __init__(self, work: Path, on_chunk: Callable[[Progress], None] | None):
        self._path, self._on_chunk = work / own("progress.json"), on_chunk
        self._began = time.monotonic()
        self._before = self._spent(work)
        self.worked = False

    def _spent(self, work: Path) -> float:
        try:
            return read_progress(work, jax.process_index()).seconds
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
        if self._on_chunk and first():
            self._on_chunk(_of_all(self._path.parent, progress))


def read_progress(work: Path, process: int = 0) -> Progress:
    """How a job stood when it last said so; at its beginning if it did not."""
    path = work / name_of("progress.json", process)
    if not path.exists():
        return Progress(0, 0, 0, 0, 0, 0.0)
    return Progress(**read_json(path, "progress file", progress_form, then="remove it"))


def _of_all(work: Path, own_part: Progress) -> Progress:
    """How a job stands over all processes, as far as the others have said so."""
    parts = [own_part]
    for process in range(jax.process_count()):
        if process != jax.process_index():
            with contextlib.suppress(UserError):
                parts.append(read_progress(work, process))
    counts = (sum(numbers) for numbers in zip(*(part[:-1] for part in parts), strict=True))
    return Progress(*counts, seconds=own_part.seconds)


def shape_of_net(row: Row, reading: Reading) -> Any:
    """The parameters of a row's net, as shapes."""
    return jax.eval_shape(net(reading.read(row)).init, jax.random.key(0))


def _train(job: Job, work: Path, budget_s: float | None, watch: _Watch) -> list[dict]:
    def keep(finished: Finished) -> None:
        number = finished.record["trial"]
        if finished.record["phase"] == "solved" and number < kept["trial"]:
            kept["trial"] = number
            results.write_weights(work / own("weights.npz"), number, finished.params)

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
    path = work / own("weights.npz")
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
    if weights := _weights(job, work):
        write_whole(path.with_suffix(".npz"), lambda file: file.write(weights.read_bytes()))
    return Outcome(found, path, _says(job, found, path, note))


def _weights(job: Job, work: Path) -> Path | None:
    """Of the nets that processes have kept, that of the first trial."""
    kept, like = {}, shape_of_net(job.row, job.reading)
    for path in _shares(work, "weights.npz"):
        with contextlib.suppress(UserError):  # a damaged one of a process that is no more
            kept[results.read_weights(path, like)[0]] = path
    return kept[min(kept)] if kept else None


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
