"""One row under a grid of rates and initial values, all trials in one call."""

import hashlib
import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich.console import Console
from rich.table import Table

from experiments.common.errors import UserError
from experiments.common.files import alone_in, write_text
from experiments.common.intervals import bootstrap, wilson
from experiments.common.numbers import RANGES, survives
from experiments.methods.build import trial
from experiments.methods.trial_settings import Settings, each_block, settings, with_pair
from experiments.paper.row import Row
from experiments.running import results
from experiments.running.jobs import Job
from experiments.running.progress import Bars
from experiments.running.run_job import ask_for_devices
from lstm_jax.trials import Progress, RunError, run_trials


class Grid(NamedTuple):
    """Values to be tried, every one with every other; empty for the row's own.

    Attributes:
      rate: learning rates.
      weights: ranges of the initial weights.
      input_gate, output_gate: initial biases; each a tuple of one for all blocks, or one a block.
    """

    rate: Sequence[float] = ()
    weights: Sequence[float] = ()
    input_gate: Sequence[Sequence[float]] = ()
    output_gate: Sequence[Sequence[float]] = ()


def biases(texts: Sequence[str], option: str) -> list[tuple[float, ...]]:
    """Initial biases from words such as `-3` and `-3,-6`."""
    try:
        return [tuple(float(part) for part in text.split(",")) for text in texts]
    except ValueError as error:
        raise UserError(
            f"{option} takes a number, or one a block joined by commas such as -3,-6: {error}"
        ) from error


def points(job: Job, grid: Grid) -> list[Settings]:
    """The numbers of every point of the grid."""
    for name, values in (("rate", grid.rate), ("weights", grid.weights)):
        for value in values:
            if not value > 0:
                raise UserError(f"--{name} must be above 0, got {value}")
            survives(value, f"--{name}")
    for name, each in (("input", grid.input_gate), ("output", grid.output_gate)):
        for value in itertools.chain.from_iterable(each):
            survives(value, f"--{name}-gate-bias")
    own = settings(job.read)
    choices = [
        [np.float32(v) for v in grid.rate] or [own.rate],
        [np.float32(v) for v in grid.weights] or [own.weights],
        [_each_block(job.row, v) for v in grid.input_gate] or [own.input_gate],
        [_each_block(job.row, v) for v in grid.output_gate] or [own.output_gate],
    ]
    if not job.read.net.biased and (grid.input_gate or grid.output_gate):
        raise UserError(f"row {job.row.name} has no biases to sweep over")
    number = math.prod(map(len, choices)) * job.trials
    if number > RANGES["trials"][1]:
        raise UserError(f"the grid has {number:,} trials; give fewer values, or fewer --trials")
    names = Settings._fields[: len(choices)]
    points = itertools.product(*choices)
    return [own._replace(**dict(zip(names, point, strict=True))) for point in points]


def _each_block(row: Row, values: Sequence[float]) -> np.ndarray:
    if len(values) not in (1, blocks := len(row.net.blocks)):
        raise UserError(f"give one bias for all blocks or {blocks}, one a block; got {values}")
    return each_block(row, values)


def run(
    job: Job,
    grid: Grid,
    folder: Path,
    budget_s: float | None = None,
    on_chunk: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """Run a grid, `job.trials` trials a point; goes on where it was if it was interrupted.

    Returns:
      What is printed: the row, the reading, and a list of points with their figures.
    """
    ask_for_devices(job.devices)
    listed = points(job, grid)
    shown = [_plain(one) for one in listed]
    digest = hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:8]
    work = folder / "runs" / f"sweep.{job.name}.seed{job.seed}.{digest}"
    each = [with_pair(job.row, one, i) for one in listed for i in range(job.trials)]
    try:
        with alone_in(work):
            records = run_trials(
                trial(job.read),
                jax.random.key(job.seed),
                len(each),
                settings=jax.tree.map(lambda *leaves: np.stack(leaves), *each),
                lanes=job.lanes,
                devices=job.devices,
                folder=work,
                identity={**results.identity(job), "trials": job.trials, "grid": shown},
                budget_s=budget_s,
                on_chunk=on_chunk,
            )
    except RunError as error:
        raise UserError(str(error)) from error
    found = {
        "row": job.row.name,
        "reading": job.reading.name,
        "trials": job.trials,
        "seed": job.seed,
        "published": job.row.published.after,
        "points": [
            {**one, **_figures([r for r in records if r["trial"] // job.trials == i])}
            for i, one in enumerate(shown)
        ],
    }
    write_text(work / "sweep.json", json.dumps(found, indent=1))
    return found


def run_shown(job: Job, grid: Grid, folder: Path, budget_s: float | None) -> dict[str, Any]:
    """`run` with a progress bar."""
    number = len(points(job, grid)) * job.trials
    with Bars(Console(stderr=True)) as bars:
        return run(job, grid, folder, budget_s, partial(bars.show, replace(job, trials=number)))


def _plain(one: Settings) -> dict[str, Any]:
    """Numbers as JSON, each with the digits that tell it from its neighbours."""

    def short(value: Any) -> Any:
        if value is None:
            return None
        if np.ndim(value):
            return [short(part) for part in value]
        return float(str(np.float32(value)))

    return {name: short(value) for name, value in one._asdict().items()}


def _figures(records: list[dict]) -> dict[str, Any]:
    after = results.solved_after(records)
    mean = bootstrap(after)
    return {
        "over": len(records),
        "solved": len(after),
        "success": wilson(len(after), len(records))._asdict() if records else None,
        "mean": mean and mean._asdict(),
    }


def table(found: dict) -> Table:
    """A sweep for the terminal."""
    title = f"{found['row']} {found['reading']}"
    if found["published"]:
        title += f", mean after in the paper {found['published']:,}"
    made = Table(title=title, title_justify="left")
    for head in ("rate", "weights", "input gates", "output gates", "solved", "mean after"):
        made.add_column(head, justify="right")
    for point in found["points"]:
        numbers = (point[k] for k in ("rate", "weights", "input_gate", "output_gate"))
        made.add_row(
            *("drawn" if n is None else str(n).strip("[]") for n in numbers),
            f"{point['solved']}/{point['over']}"
            + (f" ({to_come} to come)" if (to_come := found["trials"] - point["over"]) else ""),
            _words(point["mean"]),
        )
    return made


def _words(mean: dict | None) -> str:
    if mean is None:
        return "-"
    return f"{mean['value']:,.0f} [{mean['low']:,.0f}, {mean['high']:,.0f}]"
