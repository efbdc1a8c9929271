"""Which readings reproduce which rows: a search over combinations of single changes.

A row is trained literally, under every single change, under what its named readings
change, and under pairs and larger sets built from what fitted best. The best of these
are confirmed with more trials on fresh seeds; a figure chosen on some seeds is never
reported from them. A reading is given up when no trial is solved by one and a half times
the published mean. Everything tried is kept, `results/study/<row>.json`, as it comes, and
a study started again goes on. Several processes may be at one study, on any machines that share
the folder: each tries a reading that nobody has taken, and where a process ends, others take its.
"""

import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.common.errors import UserError
from experiments.common.files import held, shown, write_text
from experiments.common.provenance import commit, versions
from experiments.common.structure import SEED, read_json
from experiments.methods.build import trial
from experiments.methods.trial_settings import for_trials
from experiments.paper.changes import BY_NAME, Change, offered
from experiments.paper.readings import combine, readings, title
from experiments.paper.row import Row
from experiments.paper.tables import ROWS
from experiments.running.forms import enough_trials, study_form
from experiments.running.jobs import Job
from experiments.running.results import solved_after
from lstm_jax.trials import Progress, run_trials

SCREENED, CONFIRMED = 32, 200  # trials
CONFIRM_SEED = 10_000  # seeds for confirming are those of the search plus this
KEPT = 4  # how many of the best are built upon, and how many are confirmed
LARGEST = 3  # changes in a set that is built
PAST, PAST_SCREENED = 4, 3  # times the published mean, beyond which a trial has failed
HOPELESS = 1.5  # times it, after which a reading under which no trial is solved is given up

_WAIT_S = 1.0  # until it is looked again what others have tried

Names = tuple[str, ...]


def published(row: Row) -> int:
    """The figure that a study tries to reproduce."""
    if row.published.after is None:
        raise UserError(f"the paper gives no figure for row {row.name} that could be reproduced")
    return row.published.after


class Fit(NamedTuple):
    """How a sample of trials compares with a published figure.

    Attributes:
      ratio: our mean over theirs, over trials that succeeded; None if none did.
      success: fraction of trials that succeeded.
      reproduced: a sample of ours as large as the paper's has a mean beyond theirs on
        either side, and a success rate, in the middle 95 % of such samples.
      misfit: |ln ratio| plus what success is short of the paper's, times two; to rank by.
    """

    ratio: float | None
    success: float
    reproduced: bool
    misfit: float


def fit(row: Row, entry: dict[str, Any], draws: int = 4000) -> Fit:
    """Compare what was found under a reading with the row's figures."""
    after, mean = entry["after"], published(row)
    if not after:
        return Fit(None, 0.0, False, 10.0)
    success, ratio = len(after) / entry["trials"], float(np.mean(after)) / mean
    short = 2 * max(0.0, _expected(row) - success)
    ends = accepted(row, entry, draws)
    reproduced = ends is not None and ends[0] <= mean <= ends[1]
    return Fit(ratio, success, reproduced, abs(float(np.log(ratio))) + short)


def accepted(row: Row, entry: dict[str, Any], draws: int = 4000) -> tuple[float, float] | None:
    """The means that what was found under a reading reproduces, whatever the paper's is.

    Returns:
      The least and the largest of them; None if none solved a trial, or trials succeed more
      often or more rarely than the paper's, whatever their mean.
    """
    after = np.asarray(entry["after"], float)
    if not len(after):
        return None
    every = np.concatenate([after, np.full(entry["trials"] - len(after), np.nan)])
    rng = np.random.default_rng(0)
    samples = every[rng.integers(len(every), size=(draws, row.trials))]
    solved = ~np.isnan(samples)
    number, theirs = solved.sum(axis=1), round(_expected(row) * row.trials)
    if min(np.mean(number >= theirs), np.mean(number <= theirs)) < 0.025:
        return None
    means = np.where(solved, samples, 0).sum(axis=1) / np.maximum(number, 1)
    low, high = np.percentile(means[number > 0], (2.5, 97.5))
    return float(low), float(high)


def _expected(row: Row) -> float:
    """The paper's rate of success."""
    return 1.0 if row.published.success is None else row.published.success


class Study:
    """What was tried of one row, kept in a file.

    Args:
      row: an LSTM row.
      folder: holds `results/` and `runs/`.
      seed: of the search.
      screened, confirmed: trials of every set in the search, and on fresh seeds.
      deadline: no set is begun after it, in seconds of `time.monotonic`.
      like: a row whose study chose the sets that are tried, instead of a search; for rows
        that differ from it in length alone and take long.
      largest: changes in the largest sets that the search builds; 0: it tries named readings
        only, and what was found before is confirmed.
      lanes: trials side by side; 0 for as many as `run` would take.
      sets: sets of changes to try first, besides what the search tries.

    Raises:
      UserError: a row without a figure, a set that cannot be.
    """

    def __init__(
        self,
        row: Row,
        folder: Path,
        seed: int = 0,
        screened: int = SCREENED,
        confirmed: int = CONFIRMED,
        deadline: float = float("inf"),
        like: str | None = None,
        largest: int = LARGEST,
        lanes: int = 0,
        sets: Iterable[Names] = (),
    ):
        published(row)
        if seed > SEED - CONFIRM_SEED:
            raise UserError(
                f"--seed must be from 0 to {SEED - CONFIRM_SEED:,}, got {seed}: "
                f"confirming takes the seed {CONFIRM_SEED:,} above it"
            )
        self.row, self.seed, self._deadline = row, seed, deadline
        self._screened, self._confirmed, self._largest = screened, confirmed, largest
        self._lanes = lanes
        self._sets = [tuple(sorted(names)) for names in sets]
        for names in self._sets:
            combine(row, names)
        self._like = None if like is None else Study(ROWS[like], folder, seed)
        self.path = folder / "results" / "study" / f"{row.name}.json"
        self._lock = folder / "runs" / f"study.{row.name}"
        self.entries = read(self.path) if self.path.exists() else []

    def run(self) -> Iterator[dict[str, Any]]:
        """Try what nobody has tried; every entry as it comes, until time is over."""
        for sets in self._levels():
            yield from self._try_all(sets, self.seed, self._screened)
        yield from self._try_all(self.chosen(), self.seed + CONFIRM_SEED, self._confirmed)

    def chosen(self) -> list[Names]:
        """What is to be confirmed: the best sets and change, named readings, the literal one."""
        best = [*self.best(KEPT, solved=True), *self.best(1, changes=1, solved=True)]
        return list(dict.fromkeys([*best, *named(self.row), ()]))

    def best(self, number: int, changes: int | None = None, solved: bool = False) -> list[Names]:
        """What fitted best in the search: of so many changes, of those that solved a trial."""
        searched = [e for e in self.entries if e["seed"] == self.seed]
        searched = [e for e in searched if changes in (None, len(e["changes"]))]
        searched = [e for e in searched if e["after"] or not solved]
        ranked = sorted(searched, key=lambda e: (fit(self.row, e).misfit, len(e["changes"])))
        return [tuple(e["changes"]) for e in ranked[:number]]

    def _chosen_there(self, other: "Study") -> list[Names]:
        """What another row's study chose, as far as it is offered here, too."""
        if not other.entries:
            raise UserError(
                f"there is no study of row {other.row.name}; "
                f"`python -m experiments study {other.row.name}` makes one"
            )
        return [names for names in other.chosen() if combine_quietly(self.row, names)]

    def _levels(self) -> Iterator[list[Names]]:
        """What the search tries: sets of which some depend on how those before fared."""
        yield self._sets
        if self._like:
            yield self._chosen_there(self._like)
            return
        yield [(), *((c.name,) for c in self._single() if self._largest), *named(self.row)]
        for size in range(2, self._largest + 1):
            good = [names for names in self.best(KEPT) if names]
            singles = sorted({n for names in (*good, *self.best(KEPT, changes=1)) for n in names})
            smaller = [names for names in good if len(names) == size - 1]
            yield [_together(s, n) for s in smaller for n in singles if _compatible(s, n)]

    def _single(self) -> list[Change]:
        return [change for change in offered(self.row).values() if change.searched]

    def _try_all(self, sets: Iterable[Names], seed: int, trials: int) -> Iterator[dict[str, Any]]:
        """Try what nobody has tried and nobody is at; wait for what others are at."""
        sets = list(dict.fromkeys(sets))
        while left := self._untried(sets, seed):
            idle = True
            for names in left:
                if time.monotonic() > self._deadline:
                    return
                with held(self._lock, f"{title(names).replace('/', '_by_')}.{seed}") as ours:
                    if ours and self._untried([names], seed):
                        yield self._try(names, seed, trials)
                        idle = False
            if idle:
                time.sleep(_WAIT_S)

    def _untried(self, sets: list[Names], seed: int) -> list[Names]:
        """Of some sets those that nobody has tried, as the file says now."""
        if self.path.exists():
            self.entries = read(self.path)
        tried = {(tuple(e["changes"]), e["seed"]) for e in self.entries}
        return [names for names in sets if (names, seed) not in tried]

    def _try(self, names: Names, seed: int, trials: int) -> dict[str, Any]:
        past = PAST_SCREENED if seed == self.seed else PAST
        found = train(self.row, names, seed, trials, past, self._lanes)
        entry = {"changes": list(names), "seed": seed, "commit": commit(), **found}
        with held(self._lock, "lock", wait=True):
            self.entries = [*(read(self.path) if self.path.exists() else []), entry]
            self._write()
        return entry

    def _write(self) -> None:
        lines = ",\n".join(f"  {json.dumps(e)}" for e in self.entries)
        head = json.dumps({"row": self.row.name, "commit": commit(), "versions": versions()})
        write_text(self.path, f'{head[:-1]}, "entries": [\n{lines}\n]}}\n')


def read(path: Path) -> list[dict[str, Any]]:
    """What a study has kept.

    Raises:
      UserError: it is no study, or another row's; names file and field.
    """
    found = read_json(path, "study", study_form, enough_trials)
    if found["row"] != path.stem:
        raise UserError(
            f"{shown(path)} is the study of row {found['row']}; move it to {found['row']}.json"
        )
    return found["entries"]


def confirming(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries on fresh seeds of what was chosen on others."""
    searched = {(tuple(e["changes"]), e["seed"]) for e in entries}
    return [e for e in entries if (tuple(e["changes"]), e["seed"] - CONFIRM_SEED) in searched]


def named(row: Row) -> list[Names]:
    """The readings of a row that have names of their own as sets of changes that are searched."""
    sets = [reading.changes for reading in readings(row).values() if reading.changes]
    return [names for names in sets if all(BY_NAME[name].searched for name in names)]


def combine_quietly(row: Row, names: Names) -> Row | None:
    """The row under several changes; None if they exclude each other."""
    try:
        return combine(row, names).read(row)
    except UserError:
        return None


def _together(names: Names, name: str) -> Names:
    return tuple(sorted((*names, name)))


def _compatible(names: Names, name: str) -> bool:
    """Not: two changes about the same, weights of connections that another takes away."""
    about = {BY_NAME[n].about for n in names}
    absent = "no-recurrence" in (*names, name) and "recurrent" in (about | {BY_NAME[name].about})
    return BY_NAME[name].about not in about and not absent


class _Hopeless(Exception):
    """Not one trial was solved in time."""


def train(
    row: Row, names: Names, seed: int, trials: int, past: int, lanes: int = 0
) -> dict[str, Any]:
    """So many trials of a row under several changes, until `past` times the published mean."""
    reading = combine(row, names)
    lanes = Job(row, reading, trials, lanes=lanes).lanes
    stop = row.evaluation.stop()
    cap = min(row.evaluation.cap, past * published(row) + stop.test_window)
    read, began = reading.read(row).with_settings(cap=cap, test=0), time.monotonic()
    enough = int(HOPELESS * published(row)) + stop.test_window

    def give_up(progress: Progress) -> None:
        if not progress.solved and progress.sequences > enough * min(lanes, trials):
            raise _Hopeless

    try:
        records = run_trials(
            trial(read),
            jax.random.key(seed),
            trials,
            settings=for_trials(read, trials),
            lanes=lanes,
            devices=1,
            on_chunk=give_up,
        )
    except _Hopeless:  # what is sure of them
        records, trials, cap = [], min(lanes, trials), min(cap, enough)
    after = solved_after(records)
    return {
        "trials": trials,
        "lanes": lanes,
        "cap": int(cap),
        "after": after,
        "seconds": round(time.monotonic() - began, 1),
    }


def says(row: Row, entry: dict[str, Any]) -> str:
    """An entry in one line for a person who waits."""
    after, found = entry["after"], fit(row, entry)
    mean = f", mean {np.mean(after):,.0f}" if after else ""
    return (
        f"{row.name} {title(entry['changes'])}, seed {entry['seed']}: "
        f"{len(after)} of {entry['trials']} solved{mean} (paper {published(row):,})"
        f"{', reproduced' * found.reproduced}, {entry['seconds']:.0f} s"
    )
