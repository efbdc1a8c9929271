"""What is to be run: rows, readings and numbers of trials, checked."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from experiments.errors import UserError, unknown
from experiments.readings import LITERAL, READINGS, Reading, readings, solving
from experiments.rows import Row
from experiments.tables import ROWS

ABOUT = ("name", "table", "experiment", "title", "published", "trials", "weight_count")


@dataclass(frozen=True)
class Job:
    """One row under one reading: the trials of one result file.

    Attributes:
      row: as the paper has it.
      reading: how it is read.
      trials: how many.
      seed: of the whole job; trial i gets `fold_in(key(seed), i)`.
      lanes: trials side by side on each device; 0 for 16, or 32 if there are more
        than 16 trials.
      devices: how many devices.
    """

    row: Row
    reading: Reading
    trials: int
    seed: int = 0
    lanes: int = 0
    devices: int = 1

    def __post_init__(self):
        if not self.lanes:
            object.__setattr__(self, "lanes", 16 if self.trials <= 16 else 32)

    @property
    def name(self) -> str:
        """`6a.literal`."""
        return f"{self.row.name}.{self.reading.name}"

    @property
    def cost(self) -> float:
        """About how much work it is, to begin with the longest."""
        row = self.row
        hopeful = self.reading == solving(row)
        sequences = (hopeful and row.published.after) or row.cap
        return sequences * row.task().steps * row.units * self.trials


def describe(row: Row) -> dict[str, Any]:
    """The settings of a row as JSON has them: everything that a trial depends on."""
    fields = {f.name: getattr(row, f.name) for f in dataclasses.fields(row)}
    return {name: _plain(value) for name, value in fields.items() if name not in ABOUT}


def describe_defaults() -> dict[str, Any]:
    """The settings that a row need not name, likewise."""
    given = {f.name: f.default for f in dataclasses.fields(Row) if f.name not in ABOUT}
    return {k: _plain(v) for k, v in given.items() if v is not dataclasses.MISSING}


def _plain(value: Any) -> Any:
    if isinstance(value, partial):
        named = {k: _plain(v) for k, v in value.keywords.items()}
        return [value.func.__name__, *map(_plain, value.args), *([named] if named else [])]
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if callable(value):
        return getattr(value, "__name__", repr(value))
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return str(value) if value == float("inf") else value


def find_row(name: str) -> Row:
    """The row with a name."""
    if name not in ROWS:
        raise unknown("row", name, ROWS)
    return ROWS[name]


def find_rows(names: Sequence[str]) -> list[Row]:
    """Rows by their names or in groups, in the order of the paper.

    Groups are tables (a number alone: 4 is Table 4, and experiment 4 is Table 7),
    experiments (2c), `all` for the paper's LSTM rows, `rivals` for all others, and `limits`
    for tasks that it talks about.
    """
    if not names:
        raise UserError("name a row (`python -m experiments list` shows them), or all")
    known = {text for row in ROWS.values() for text in _words(row)}
    for name in names:
        if name not in known:
            raise unknown("row", name, dict.fromkeys(["all", "rivals", *ROWS]))
    return [row for row in ROWS.values() if _words(row) & set(names)]


def _words(row: Row) -> set[str]:
    experiment = set() if row.experiment.isdigit() else {row.experiment}
    group = "rivals" if row.rival else "all"
    return {row.name, str(row.table), row.experiment if row.table == 10 else group} | experiment


def find_reading(row: Row, name: str) -> Reading:
    """The reading with a name, if it is offered for the row."""
    offered = readings(row)
    if name not in offered:
        raise UserError(
            f"row {row.name} has no reading {name!r}; it is offered {', '.join(offered)}"
        )
    return offered[name]


def choose(names: Sequence[str], reading: str | None) -> list[tuple[Row, Reading]]:
    """Rows and readings asked for, in the order of the paper.

    Args:
      names: as `find_rows` takes them.
      reading: a name; "all" for every reading offered; None for the literal one of rows
        named, and for the one that solves it of every other row.
    """
    known = dict.fromkeys(r.name for r in (LITERAL, *READINGS))
    if reading not in (None, "all", *known) and not set(names) & set(ROWS):
        raise unknown("reading", str(reading), known)
    pairs = []
    for row in find_rows(names):
        named = row.name in names
        if reading == "all":
            pairs += [(row, r) for r in readings(row).values()]
        elif reading is None:
            pairs.append((row, LITERAL if named else solving(row)))
        elif named or reading in readings(row):
            pairs.append((row, find_reading(row, reading)))
    return pairs


def check_numbers(**numbers: float | None) -> None:
    """Refuse what must be above 0 (None stands for a default)."""
    for name, value in numbers.items():
        if value is not None and not 0 < value < float("inf"):
            raise UserError(f"--{name.replace('_', '-')} must be above 0, got {value}")
