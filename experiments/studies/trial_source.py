"""Where claims get their trials from: results that are there, or else training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from experiments.common.errors import UserError
from experiments.common.files import alone_in
from experiments.paper import select
from experiments.running import results
from experiments.running.jobs import Job
from experiments.running.workers import run_here
from experiments.studies import sweep as sweeps
from lstm_jax.parameters import load_params, save_params
from lstm_jax.training.trial import Trial
from lstm_jax.trials import Finished, RunError, run_trials
from lstm_jax.types import Params


class Group(NamedTuple):
    """The trials of one row under one reading.

    Attributes:
      solved: sequences to success of those that succeeded, in rising order.
      trials: how many there are.
      cap: sequences at which a trial has failed.
    """

    solved: list[int]
    trials: int
    cap: int

    def __str__(self) -> str:
        mean = f", mean {sum(self.solved) / len(self.solved):,.0f}" if self.solved else ""
        return f"{len(self.solved)} of {self.trials}{mean}"


def _unfinished(what: str) -> UserError:
    """The error for a budget that was too small."""
    return UserError(f"the time for {what} was over; run it again to go on")


class TrialSource:
    """A results folder, and the means to fill it.

    Args:
      folder: holds `results/` and `runs/`.
      budget_s: seconds for each job, or None.
    """

    def __init__(self, folder: Path, budget_s: float | None = None):
        self.folder, self._budget = folder, budget_s

    def compare(self, row: str, *readings: str, trials: int | None = None) -> dict[str, Group]:
        """The groups of one row by reading, trained if they have no result yet.

        Args:
          row: its name.
          readings: their names.
          trials: how many, apart from the results of the tables; None for those.

        Raises:
          UserError: the budget ended first.
        """
        return {reading: self._group(row, reading, trials) for reading in readings}

    def _group(self, name: str, reading: str, trials: int | None) -> Group:
        row = select.find_row(name)
        read = select.find_reading(row, reading)
        job = Job(row, read, trials or row.trials)
        home = self.folder / "runs" / f"claims-{trials}" if trials else self.folder
        path = home / "results" / f"{job.name}.json"
        if not path.exists():
            run_here([job], home, self._budget)
        if not path.exists():
            raise _unfinished(job.name)
        found = results.read(path)
        solved = sorted(results.solved_after(found["records"]))
        return Group(solved, found["trials"], read.read(row).evaluation.cap)

    def trials(
        self, name: str, trial: Trial, number: int, *, settings: Any = None, lanes: int = 16
    ) -> list[dict]:
        """Records of trials that no row has; they go on where they were.

        Args:
          name: of their folder in `runs/`.
          trial: of `make_trial`.
          number: how many.
          settings: numbers that differ between trials, as `run_trials` takes them.
          lanes: trials side by side.

        Raises:
          UserError: the budget ended first, or the folder holds something else.
        """
        work = self.folder / "runs" / name

        def keep(finished: Finished) -> None:
            save_params(work / f"params.{finished.record['trial']}.npz", finished.params)

        try:
            with alone_in(work):
                records = run_trials(
                    trial,
                    jax.random.key(0),
                    number,
                    settings=settings,
                    lanes=lanes,
                    folder=work,
                    budget_s=self._budget,
                    on_finished=keep,
                )
        except RunError as error:
            raise UserError(str(error)) from error
        if len(records) < number:
            raise _unfinished(name)
        return records

    def params(self, name: str, trial: int, like: Params) -> Params:
        """What a trial of `trials` had learned in the end; `like` parameters of the same net."""
        return load_params(self.folder / "runs" / name / f"params.{trial}.npz", like)

    def sweep(self, name: str, reading: str, grid: sweeps.Grid, trials: int = 10) -> Sequence[Any]:
        """The points of a grid, `sweep.run`'s."""
        row = select.find_row(name)
        job = Job(row, select.find_reading(row, reading), trials, lanes=32)
        points = sweeps.run_shown(job, grid, self.folder, self._budget)["points"]
        if any(point["over"] < trials for point in points):
            raise _unfinished(f"the sweep of {job.name}")
        return points
