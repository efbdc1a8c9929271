"""Records as tidy tables: dicts of columns, which pandas and polars take as they are."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

Columns = dict[str, np.ndarray]


def record_columns(records: Iterable[Mapping[str, Any]]) -> Columns:
    """One line a trial: how it ended, when, and what its test said.

    Args:
      records: of `run_trials`.

    Returns:
      Columns of one length: `trial`, `phase`, `sequences`; `reached_1` and so on, the sequences
      when each criterion first held, -1 for never; `test_sequences`, `test_wrong`, `test_error`,
      `test_squared`, NaN for a trial without a test (counts are 0 then). What a learner's
      `summary` says is not among them: `record[...]` has it.

    Raises:
      ValueError: these are no records.

    Example:
      >>> test = {"sequences": 100, "wrong": 1, "error": 0.25, "squared": 0.5}
      >>> record = {"trial": 0, "phase": "solved", "sequences": 700, "reached": [700]}
      >>> columns = record_columns([record | {"test": test}, record | {"trial": 1, "test": None}])
      >>> columns["reached_1"].tolist(), columns["test_error"].tolist()
      ([700, 700], [0.25, nan])
    """
    records = _expect(records, "trial", "phase", "sequences", "reached", "test")
    columns: Columns = {
        "trial": np.array([r["trial"] for r in records], int),
        "phase": np.array([r["phase"] for r in records], str),
        "sequences": np.array([r["sequences"] for r in records], int),
    }
    for i in range(max((len(r["reached"]) for r in records), default=0)):
        reached = [r["reached"][i] if i < len(r["reached"]) else -1 for r in records]
        columns[f"reached_{i + 1}"] = np.array(reached, int)
    tests = [r["test"] or {} for r in records]
    for name in ("sequences", "wrong"):
        columns[f"test_{name}"] = np.array([test.get(name, 0) for test in tests], int)
    for name in ("error", "squared"):
        columns[f"test_{name}"] = np.array([test.get(name, np.nan) for test in tests], float)
    return columns


def curve_columns(records: Iterable[Mapping[str, Any]]) -> Columns:
    """One line a point of a learning curve, of all trials one after the other.

    Args:
      records: of `run_trials`.

    Returns:
      Columns of one length: `trial`, `phase` (how the trial ended), `sequences`, the training
      sequences at the point, and `error`, the mean absolute error since the point before. Points
      that a trial did not reach are left out.

    Raises:
      ValueError: these are no records.

    Example:
      >>> record = {"trial": 3, "phase": "capped", "curve_at": [100, 120], "curve": [0.5, None]}
      >>> {name: column.tolist() for name, column in curve_columns([record]).items()}
      {'trial': [3], 'phase': ['capped'], 'sequences': [100], 'error': [0.5]}
    """
    points = [
        (r["trial"], r["phase"], at, error)
        for r in _expect(records, "trial", "phase", "curve_at", "curve")
        for at, error in zip(r["curve_at"], r["curve"], strict=True)
        if error is not None
    ]
    kinds = {"trial": int, "phase": str, "sequences": int, "error": float}
    return {
        name: np.array([point[i] for point in points], kind)
        for i, (name, kind) in enumerate(kinds.items())
    }


def _expect(records: Any, *fields: str) -> list[Mapping[str, Any]]:
    """A list of records that have some fields."""
    if isinstance(records, Mapping) or not isinstance(records, Iterable):
        raise ValueError(
            f"expected records of run_trials, got a {type(records).__name__}; write [record] for "
            "one"
        )
    listed = list(records)
    for i, record in enumerate(listed):
        lacks = [f for f in fields if not isinstance(record, Mapping) or f not in record]
        if lacks:
            raise ValueError(
                f"expected records of run_trials, got one without {', '.join(lacks)} at {i}"
            )
    return listed
