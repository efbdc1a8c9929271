"""What there is to run: rows and readings."""

import dataclasses
from typing import Any

from rich import box
from rich.table import Table

from experiments.paper.describe import describe
from experiments.paper.readings import LITERAL, READINGS, readings, solving
from experiments.paper.row import Row
from experiments.paper.tables import ROWS

HEADS = ("row", "what", "table", "weights", "trials", "after")


def as_json() -> dict[str, Any]:
    """Rows with their settings, published figures and readings."""
    return {"rows": [_row(row) for row in ROWS.values()]}


def _row(row: Row) -> dict[str, Any]:
    return {
        "row": row.name,
        "table": row.table,
        "title": row.title,
        "weights": row.weight_count,
        "trials": row.trials,
        "published": dataclasses.asdict(row.published),
        "settings": describe(row),
        "readings": {r.name: r.description for r in readings(row).values()},
        "solved_by": solving(row).name,
    }


def as_terminal() -> list[Table | str]:
    """The same as tables."""
    rows = _table("Rows: python -m experiments run ROW", *HEADS)
    for row in ROWS.values():
        rows.add_row(
            row.name,
            row.title,
            str(row.table),
            str(row.weight_count),
            str(row.trials),
            "" if row.published.after is None else f"{row.published.after:,}",
        )
    read = _table("Readings: --reading NAME", "reading", "for", "what it changes")
    for reading in (LITERAL, *READINGS):
        every = "all rows" if reading is LITERAL else " ".join(reading.experiments)
        read.add_row(reading.name + "*" * reading.solves, every, reading.description)
    return [rows, read, "* under which `run all` trains these rows; all others it trains literally"]


def _table(title: str, *heads: str) -> Table:
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for head in heads:
        right = head in ("table", "weights", "trials", "after")
        made.add_column(head, justify="right" if right else "left", no_wrap="what" not in head)
    return made
