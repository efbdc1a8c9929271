"""Rows and readings by the names that a person gives them."""

import itertools
from collections.abc import Iterable, Sequence

from experiments.common.errors import UserError, unknown
from experiments.paper.assignments import is_assignment
from experiments.paper.changes import BY_NAME, offered
from experiments.paper.readings import LITERAL, READINGS, Reading, combine, readings, solving
from experiments.paper.row import Row
from experiments.paper.tables import ROWS
from experiments.paper.values import parse, written


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
    """The reading with a name, or of names and changes joined by +, if it is offered for the row.

    A change may be one that has a name, or a field of the row with a value: `rate=0.1`.

    Raises:
      UserError: it is not.

    Example:
      >>> find_reading(ROWS["4-100"], "Y").changes
      ('gate-biases', 'tangent-output')
      >>> find_reading(ROWS["4-100"], "no-slope+half-rate").name
      'half-rate+no-slope'
      >>> find_reading(ROWS["4-100"], "Y+T=50").name
      'T=50+gate-biases+tangent-output'
    """
    named = readings(row)
    if name in named:
        return named[name]
    parts = [named[part].changes if part in named else (part,) for part in name.split("+")]
    changes = tuple(itertools.chain.from_iterable(parts))
    if not any(c in BY_NAME or is_assignment(c) for c in changes):  # not meant as a sum of changes
        raise UserError(
            f"row {row.name} has no reading {name!r}; it is offered {', '.join(named)}"
            + (f", and sums of the changes {', '.join(offered(row))}" if offered(row) else "")
        )
    return combine(row, changes)


def listed_readings(row: Row, names: Iterable[str]) -> list[Reading]:
    """The readings that have names of their own, then those others that are named."""
    return list((readings(row) | {name: find_reading(row, name) for name in names}).values())


def is_offered(row: Row, name: str) -> bool:
    """Whether a row has a reading of this name, or is offered the changes that it names."""
    try:
        find_reading(row, name)
    except UserError:
        return False
    return True


def choose(
    names: Sequence[str], reading: str | None, settings: Sequence[str] = ()
) -> list[tuple[Row, Reading]]:
    """Rows and readings asked for, in the order of the paper.

    Args:
      names: as `find_rows` takes them.
      reading: a name, or names of changes joined by +; "all" for every reading that has a name
        and is offered; None for the literal one of rows named, and for the one that solves it
        of every other row.
      settings: fields with values, `rate=0.1`, that are set beside it.
    """
    for text in settings:
        if not is_assignment(text):
            raise UserError(f"--set takes FIELD=VALUE, such as rate=0.1, got {text!r}")
    return [
        (row, combine(row, (*read.changes, *settings)) if settings else read)
        for row, read in _choose(names, reading)
    ]


def _choose(names: Sequence[str], reading: str | None) -> list[tuple[Row, Reading]]:
    known = dict.fromkeys(r.name for r in (LITERAL, *READINGS))
    alone = not set(names) & set(ROWS)
    if alone and reading not in (None, "all", *known):
        for part in reading.split("+"):
            if part not in BY_NAME and not is_assignment(part):
                raise unknown("reading", reading, [*known, *BY_NAME])
    pairs = []
    for row in find_rows(names):
        named = row.name in names
        if reading == "all":
            pairs += [(row, r) for r in readings(row).values()]
        elif reading is None:
            pairs.append((row, LITERAL if named else solving(row)))
        elif named or is_offered(row, reading):
            pairs.append((row, find_reading(row, reading)))
    if not pairs and reading is not None:
        raise UserError(
            f"none of the rows of {' '.join(names) or 'the paper'} is offered {reading!r}; "
            "`python -m experiments list` shows what each is offered"
        )
    return pairs


def every_reading(row: Row, reading: Reading, over: Sequence[str]) -> list[Reading]:
    """The readings of a row for every combination of values.

    Args:
      row: the row.
      reading: what is changed beside them.
      over: fields with values: `rate=0.1,0.5`, `blocks=(2,2),(2,2,2)`.

    Raises:
      UserError: a field or a value that there is not, or a field named twice.

    Example:
      >>> row = ROWS["6a"]
      >>> [r.name for r in every_reading(row, LITERAL, ["rate=0.1,0.5", "cell=none,gru"])]
      ['rate=0.1', 'cell=gru+rate=0.1', 'literal', 'cell=gru']
    """
    axes = []
    for text in over:
        field, _, given = text.partition("=")
        try:
            values = parse(given)
        except ValueError as error:
            raise UserError(f"{field}: {error}") from error
        several = values if type(values) is tuple else (values,)
        axes.append([f"{field}={written(value)}" for value in several])
    return [_combined(row, (*reading.changes, *names)) for names in itertools.product(*axes)]


def _combined(row: Row, names: tuple[str, ...]) -> Reading:
    """Of many combinations the one that cannot be is told."""
    try:
        return combine(row, names)
    except UserError as error:
        raise UserError(f"{'+'.join(names)}: {error}") from error
