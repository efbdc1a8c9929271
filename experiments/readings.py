"""What the paper's text leaves open: named changes to its rows, the literal reading first.

A reading is data: fields of `paper.Row` and their other values. Which readings bring a
row out was seen in other programs beforehand, so they are leads, not truths; Y of
experiment 3b and `tangent` of 2c were found by `study`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from experiments.paper import HIDDEN
from experiments.rows import Row
from experiments.tables import ROWS
from lstm_jax.activations import linear, linearised_logistic


@dataclass(frozen=True)
class Reading:
    """A named set of changes to the rows of some experiments.

    Attributes:
      name: how the command line calls it.
      says: in one line, what it changes.
      experiments: the experiments it is offered for.
      changes: fields of `Row` and the values they take.
      solves: whether it is the one under which `run all` trains these rows.
    """

    name: str
    says: str
    experiments: tuple[str, ...]
    changes: Mapping[str, Any]
    solves: bool = False

    def read(self, row: Row) -> Row:
        """The row as this reading has it."""
        return replace(row, **self.changes)


def _reading(name: str, says: str, *experiments: str, solves: bool = False, **changes) -> Reading:
    return Reading(name, says, experiments, MappingProxyType(changes), solves)


_NO_BIAS = {"untrained": HIDDEN, "output_bias_trained": False}
_GATE_BIASES = {"untrained": ("cell",), "output_bias_trained": False}
_X = "no bias is trained"
_Y = "gate biases are trained, cell and output biases are not"
_TANGENT = "output 1/2 + net/4"
_FULL = "the full gradient instead of the truncated one"
_ROW_5 = "rate 0.5, input-gate biases -3 and -6"

LITERAL = _reading("literal", "the paper to the letter", *{row.experiment for row in ROWS.values()})

_S = "the input units feed the output units too (49 weights more)"
_T = "an output closer than 0.1 to its target sends no error"

_S_AND_T = {"direct": True, "silent_below": 0.1}

READINGS = (
    _reading("S", _S, "1", direct=True),
    _reading("T", _T, "1", silent_below=0.1),
    _reading("S+T", f"{_S}; {_T}", "1", solves=True, **_S_AND_T),
    _reading(
        "S+T-open",
        f"{_S}; {_T}; no output gates",
        "1",
        output_gates=False,
        output_gate=None,
        **_S_AND_T,
    ),
    _reading(
        "centred",
        f"g from -1 to 1; once the cell is there, {_T}",
        "2a",
        solves=True,
        squash_input=(-1.0, 1.0),
        silent_below=0.1,
        silent_once_grown=True,
    ),
    _reading(
        "centred",
        f"g from -1/2 to 1/2; {_T}; once the cell is there, errors at the sequence end only",
        "2b",
        solves=True,
        squash_input=(-0.5, 0.5),
        silent_below=0.1,
        end_only_once_grown=True,
    ),
    _reading(
        "no-recurrence",
        "no connections inside the hidden layer; their weights are counted but absent",
        "2c",
        recurrence="none",
    ),
    _reading(
        "tangent",
        f"{_TANGENT}; no connections inside the hidden layer; initial weights within 0.1",
        "2c",
        solves=True,
        activation=linearised_logistic,
        recurrence="none",
        weights=0.1,
    ),
    _reading("X", f"{_TANGENT}; {_X}", "4", activation=linearised_logistic, **_NO_BIAS),
    _reading(
        "Y",
        f"{_TANGENT}; {_Y}",
        "4",
        solves=True,
        activation=linearised_logistic,
        **_GATE_BIASES,
    ),
    _reading(
        "X",
        f"{_TANGENT}; {_X}; {_ROW_5}",
        "5",
        activation=linearised_logistic,
        rate=0.5,
        input_gate=(-3, -6),
        **_NO_BIAS,
    ),
    _reading(
        "Y",
        f"{_TANGENT}; {_Y}; {_ROW_5}",
        "5",
        solves=True,
        activation=linearised_logistic,
        rate=0.5,
        input_gate=(-3, -6),
        **_GATE_BIASES,
    ),
    _reading(
        "linear",
        "linear output; input-gate biases -3 and -6",
        "5",
        activation=linear,
        input_gate=(-3, -6),
    ),
    _reading("full", _FULL, "6a", "limits", gradient="full"),
    _reading("narrow", "initial weights between -0.1 and 0.1", "limits", weights=0.1),
    _reading(
        "Y-full",
        f"{_TANGENT}; {_Y}; {_FULL}",
        "4",
        activation=linearised_logistic,
        gradient="full",
        **_GATE_BIASES,
    ),
    _reading("X", _X, "3a", "6a", "6b", **_NO_BIAS),
    _reading("Y", _Y, "3a", "3b", "6a", "6b", **_GATE_BIASES),
)


def readings(row: Row) -> dict[str, Reading]:
    """What is offered for a row, by name, the literal reading first."""
    offered = (LITERAL, *(r for r in READINGS if row.experiment in r.experiments))
    return {reading.name: reading for reading in offered}


def solving(row: Row) -> Reading:
    """The reading under which `run all` trains a row."""
    return next((r for r in readings(row).values() if r.solves), LITERAL)
