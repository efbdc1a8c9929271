"""What the paper's text leaves open: readings of its rows, the literal one first.

A reading is a tuple of names of `changes`; some have names of their own. Which readings
bring a row out was seen in other programs beforehand, so the named ones are leads, not
truths; Y of experiment 3b and `tangent` of 2c were found by `studies.reading_search`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from experiments.common.errors import UserError
from experiments.paper.assignments import assignment, check, is_assignment
from experiments.paper.changes import BY_NAME, Change, differs, offered
from experiments.paper.row import Row
from experiments.paper.tables import ROWS


@dataclass(frozen=True)
class Reading:
    """Changes to the rows of some experiments, made together.

    Attributes:
      name: how the command line calls it, and results.
      description: in one line, what it changes.
      experiments: the experiments it is offered for.
      changes: names of changes, in the order in which they are made.
      solves: whether it is the one under which `run all` trains these rows.
    """

    name: str
    description: str
    experiments: tuple[str, ...]
    changes: tuple[str, ...]
    solves: bool = False

    @property
    def file_name(self) -> str:
        """The name as a part of the name of a file; a `/` would lead into a folder."""
        return self.name.replace("/", "_by_")

    @property
    def by_hand(self) -> bool:
        """Whether something is set by hand, so that the net or its rule may not take it."""
        return any(map(is_assignment, self.changes))

    def read(self, row: Row) -> Row:
        """The row as this reading has it; each change sees what those before it made."""
        for name in self.changes:
            row = row.with_settings(**_change(row, name).change(row))
        return row


def _reading(
    name: str, changes: str, description: str, *experiments: str, solves: bool = False
) -> Reading:
    return Reading(name, description, experiments, tuple(changes.split("+")), solves)


_X = "no bias is trained"
_Y = "gate biases are trained, cell and output biases are not"
_TANGENT = "output 1/2 + net/4"
_FULL = "the full gradient instead of the truncated one"
_ROW_5 = "rate 0.5, input-gate biases -3 and -6"

LITERAL = Reading(
    "literal",
    "the paper to the letter",
    tuple({row.experiment: None for row in ROWS.values()}),
    (),
)

_S = "the input units feed the output units too (49 weights more)"
_T = "an output closer than 0.1 to its target sends no error"

READINGS = (
    _reading("S", "direct", _S, "1"),
    _reading("T", "silent-0.1", _T, "1"),
    _reading("S+T", "direct+silent-0.1", f"{_S}; {_T}", "1", solves=True),
    _reading("S+T-open", "direct+no-output-gates+silent-0.1", f"{_S}; {_T}; no output gates", "1"),
    _reading(
        "centred",
        "g-1+silent-later",
        f"g from -1 to 1; once the cell is there, {_T}",
        "2a",
        solves=True,
    ),
    _reading(
        "centred",
        "end-only+g-half+silent-0.1",
        f"g from -1/2 to 1/2; {_T}; once the cell is there, errors at the sequence end only",
        "2b",
        solves=True,
    ),
    _reading(
        "no-recurrence",
        "no-recurrence",
        "no connections inside the hidden layer; their weights are counted but absent",
        "2c",
    ),
    _reading(
        "tangent",
        "no-recurrence+tangent-output+weights/2",
        f"{_TANGENT}; no connections inside the hidden layer; initial weights within 0.1",
        "2c",
        solves=True,
    ),
    _reading("X", "fixed-biases+tangent-output", f"{_TANGENT}; {_X}", "4"),
    _reading("Y", "gate-biases+tangent-output", f"{_TANGENT}; {_Y}", "4", solves=True),
    _reading(
        "X", "fixed-biases+gates-of-4+rate-0.5+tangent-output", f"{_TANGENT}; {_X}; {_ROW_5}", "5"
    ),
    _reading(
        "Y",
        "gate-biases+gates-of-4+rate-0.5+tangent-output",
        f"{_TANGENT}; {_Y}; {_ROW_5}",
        "5",
        solves=True,
    ),
    _reading(
        "linear", "gates-of-4+linear-output", "linear output; input-gate biases -3 and -6", "5"
    ),
    _reading("full", "full-gradient", _FULL, "6a", "limits"),
    _reading("narrow", "weights/10", "initial weights between -0.1 and 0.1", "limits"),
    _reading(
        "Y-full", "full-gradient+gate-biases+tangent-output", f"{_TANGENT}; {_Y}; {_FULL}", "4"
    ),
    _reading("X", "fixed-biases", _X, "3a", "6a", "6b"),
    _reading("Y", "gate-biases", _Y, "3a", "3b", "6a", "6b"),
)


def readings(row: Row) -> dict[str, Reading]:
    """What is offered for a row by a name of its own, the literal reading first."""
    offered = (LITERAL, *(r for r in READINGS if row.experiment in r.experiments))
    return {reading.name: reading for reading in offered}


def solving(row: Row) -> Reading:
    """The reading under which `run all` trains a row."""
    return next((r for r in readings(row).values() if r.solves), LITERAL)


def title(names: Iterable[str]) -> str:
    """How a set of changes is called; of none, `literal`.

    Example:
      >>> title(("direct", "silent-0.1")), title(())
      ('direct+silent-0.1', 'literal')
    """
    return "+".join(names) or LITERAL.name


def combine(row: Row, names: tuple[str, ...]) -> Reading:
    """The reading of a row that several changes make together; of none, the literal one.

    In whatever order they are named, it is the same reading; if it has a name of its own,
    by that. What is set by hand (`rate=0.1`) is set before the other changes are made.

    Raises:
      UserError: a change that is not offered, or two that exclude each other.

    Example:
      >>> combine(ROWS["1-1"], ("no-slope", "direct")).name
      'direct+no-slope'
      >>> combine(ROWS["1-1"], ("silent-0.1", "direct")).name
      'S+T'
      >>> combine(ROWS["1-1"], ("no-slope", "rate = 0.50", "test=0")).name
      'rate=0.5+no-slope'
    """
    there, chosen = offered(row), {}
    for name in names:
        if name not in there and not is_assignment(name):
            raise UserError(f"row {row.name} is not offered the change {name!r}; "
                            f"it is offered {', '.join(there)}")  # fmt: skip
        change = _change(row, name)
        if change.about in chosen:
            raise UserError(
                f"{chosen[change.about].name} and {change.name} exclude each other: both are "
                f"about {change.about}"
            )
        chosen[change.about] = change
    made = sorted(chosen.values(), key=lambda change: (not is_assignment(change.name), change.name))
    check(Reading("", "", (), tuple(c.name for c in made)).read(row), made)
    made = [c for c in made if not is_assignment(c.name) or differs(row, c.change(row))]
    changes = tuple(change.name for change in made)
    for reading in readings(row).values():
        if reading.changes == changes:
            return reading
    description = "; ".join(change.description for change in made)
    return Reading(title(changes), description, (row.experiment,), changes)


def _change(row: Row, name: str) -> Change:
    return assignment(row, name) if is_assignment(name) else BY_NAME[name]
