"""What the page shows, as numbers: results, studies of readings, trained nets at work."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.paper.describe import describe
from experiments.paper.readings import title
from experiments.paper.select import find_reading
from experiments.paper.tables import ROWS
from experiments.reporting import figures
from experiments.reporting.columns import Found
from experiments.reporting.report import cells
from experiments.running import results
from experiments.running.run_job import shape_of_net
from experiments.studies import reading_report
from lstm_jax.training.records import MOST_SEQUENCES, curve_points

# of every experiment the first row whose net is kept, and the sequence not too long to look at
MOST_STEPS, MOST_NETS = 150, 12


class Net(NamedTuple):
    """A trained net over one sequence.

    Attributes:
      title: of which row, under which reading.
      steps: of the sequence.
      values: what every unit did at every step: `kind`, `unit`, `step`, `value`.
    """

    title: str
    steps: int
    values: list[dict[str, Any]]


def lines(listed: list[dict[str, Any]], found: Found) -> list[dict[str, Any]]:
    """A line of every table: its words, and of those that were run how that went."""
    return [_line(one, found.get((one["row"], one["reading"]))) for one in listed]


def _line(line: dict[str, Any], result: dict[str, Any] | None) -> dict[str, Any]:
    row = ROWS[line["row"]]
    shown = {
        "table": line["table"],
        "row": line["row"],
        "what": row.title,
        "reading": line["reading"],
        "says": line["says"],
        "words": cells(line),
        "after": row.published.after,
        "mean": line.get("mean"),
        "share": line["success"]["value"] if line["trials"] else None,
        "command": _command(line, result),
        "settings": describe(find_reading(row, line["reading"]).read(row)),
    }
    if result is None:
        return shown
    kept = ("seed", "lanes", "trials", "date", "seconds", "versions", "device", "commit")
    return {
        **shown,
        "run": {name: result.get(name) for name in kept},
        "records": [
            {"phase": r["phase"], "end": r["reached"][-1], "curve": _reached(r["curve"])}
            for r in result["records"]
        ],
    }


def _reached(curve: list[float | None]) -> list[float]:
    return [error for error in curve if error is not None]


def _command(line: dict[str, Any], result: dict[str, Any] | None) -> str:
    options = f"--reading '{line['reading']}'"
    if result is not None:
        options += f" --trials {result['trials']} --seed {result['seed']} --lanes {result['lanes']}"
    return f"python -m experiments run {line['row']} {options}"


def points() -> list[int]:
    """Where all learning curves have their points."""
    return curve_points(MOST_SEQUENCES).tolist()


def studied(folder: Path) -> list[dict[str, Any]]:
    """Every reading that a study tried: a line each, those nearest the paper first."""
    found, listed = reading_report.studies(folder), []
    chances = {line["row"]: line["chance"] for line in reading_report.lines(found)}
    for name, entries in found.items():
        lines = [reading_report.line(ROWS[name], entry) for entry in entries if entry["after"]]
        lines.sort(key=lambda line: (line["misfit"], line["seed"]))
        listed += [_tried(order, line, chances[name]) for order, line in enumerate(lines)]
    return listed


def _tried(order: int, line: dict[str, Any], chance: float) -> dict[str, Any]:
    mean = line["mean"]
    return {
        **{k: line[k] for k in ("row", "solved", "trials", "published")},
        "mean": mean["value"],
        "low": mean["low"],
        "high": mean["high"],
        "reading": title(line["changes"]),
        "order": order,
        "verdict": "reproduced" if line["reproduced"] else "not",
        "seeds": f"seed {line['seed']}",
        "chance": round(chance, 2),
    }


def nets(folder: Path, found: Found) -> list[Net]:
    """Trained nets over a sequence of theirs, one of every experiment."""
    shown: dict[str, Net] = {}
    for name, reading in found:
        row = ROWS[name]
        weights = folder / f"{name}.{find_reading(row, reading).file_name}.npz"
        first = row.experiment not in shown and len(shown) < MOST_NETS
        if first and weights.exists() and row.training.task().steps <= MOST_STEPS:
            shown[row.experiment] = _net(name, reading, weights)
    return list(shown.values())


def _net(name: str, reading: str, weights: Path) -> Net:
    row, read = ROWS[name], find_reading(ROWS[name], reading)
    trial, params = results.read_weights(weights, shape_of_net(row, read))
    panels, sequence = figures.panels(row, read, params)
    values = []
    for kind, seen in panels.items():
        array = np.asarray(seen).reshape(len(seen), -1)
        for (step, unit), value in np.ndenumerate(array):
            shown = {"unit": unit + 1, "step": step + 1, "value": round(float(value), 4)}
            values.append({"kind": kind, **shown})
    return Net(f"{name}, {reading}: trial {trial}", int(sequence.length), values)
