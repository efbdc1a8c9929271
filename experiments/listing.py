"""What there is to run: rows and readings."""

import dataclasses
from typing import Any

from rich.table import Table

from experiments.jobs import describe
from experiments.paper import ROWS, Row
from experiments.readings import LITERAL, READINGS, readings, solving


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
        "readings": {r.name: r.says for r in readings(row).values()},
        "solved_by": solving(row).name,
    }


def as_terminal() -> list[Table | str]:
    """The same as tables."""
    rows = Table(title="Rows: python -m experiments run ROW", title_justify="left")
    for head in ("table", "row", "what", "weights", "trials", "paper: after", "cap", "readings"):
        right = head in ("weights", "trials", "paper: after", "cap")
        rows.add_column(head, justify="right" if right else "left")
    for row in ROWS.values():
        rows.add_row(
            str(row.table),
            row.name,
            row.title,
            str(row.weight_count),
            str(row.trials),
            f"{row.published.after:,}",
            f"{row.cap:,}",
            " ".join(f"{n}*" if n == solving(row).name else n for n in readings(row)),
        )
    read = Table(title="Readings: --reading NAME", title_justify="left")
    for head in ("reading", "for", "what it changes"):
        read.add_column(head)
    for reading in (LITERAL, *READINGS):
        every = "all rows" if reading is LITERAL else " ".join(reading.experiments)
        read.add_row(reading.name, every, reading.says)
    return [rows, "* under which `run all` trains the row", read]
