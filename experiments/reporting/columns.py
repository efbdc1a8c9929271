"""Records and learning curves of all results as tidy tables, CSV or Parquet."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common.errors import UserError
from experiments.common.files import write_text, write_whole
from lstm_jax.trials import curve_columns, record_columns
from lstm_jax.trials.lanes import with_points

Found = dict[tuple[str, str], dict[str, Any]]
KINDS = (".csv", ".parquet")


def records_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The records of a result with the points of their curves, which files do not repeat."""
    return [with_points(record) for record in result["records"]]


def records(found: Found) -> dict[str, np.ndarray]:
    """A line a trial: `row`, `reading`, and the columns of `record_columns`."""
    return _together(found, record_columns)


def curves(found: Found) -> dict[str, np.ndarray]:
    """A line a point of a learning curve: `row`, `reading`, and those of `curve_columns`."""
    return _together(found, curve_columns)


def _together(found: Found, columns: Callable) -> dict[str, np.ndarray]:
    tables = []
    for (row, reading), result in found.items():
        table = columns(records_of(result))
        number = len(table["trial"])
        tables.append({"row": [row] * number, "reading": [reading] * number, **table})
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: np.concatenate([_column(table, name) for table in tables]) for name in names}


def _column(table: dict[str, Any], name: str) -> np.ndarray:
    """A column of one result; of a second criterion where there is one only, -1 for never."""
    return np.asarray(table[name]) if name in table else np.full(len(table["trial"]), -1)


def write(path: Path, columns: dict[str, np.ndarray]) -> None:
    """Write columns as the name of the file says.

    Raises:
      UserError: it says neither CSV nor Parquet, or what writes Parquet is not there.
    """
    if path.suffix == ".csv":
        write_text(path, as_csv(columns))
        return
    if path.suffix != ".parquet":
        raise UserError(f"expected a file that ends in {' or '.join(KINDS)}, got {path.name}")
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UserError(
            "Parquet is written by pyarrow, which is not installed; run `make data`, or write a "
            ".csv"
        ) from error
    write_whole(path, lambda file: parquet.write_table(pyarrow.table(columns), file))


def as_csv(columns: dict[str, np.ndarray]) -> str:
    """Columns as comma-separated values; nothing stands for NaN."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    for line in zip(*(column.tolist() for column in columns.values()), strict=True):
        writer.writerow("" if value != value else value for value in line)
    return file.getvalue()
