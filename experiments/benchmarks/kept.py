"""What `bench` measured and is kept in results/measures, as a page: tables, and the crossover."""

import itertools
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from experiments.benchmarks import speed_tables
from experiments.benchmarks.accelerator import OURS
from experiments.reporting.report import markdown_table

HEADING = """# What was measured

Written by `python -m experiments bench --kept docs/measures.md` from what lies in
`experiments/results/measures`; above each table stands the command that measures it anew, below it
the machine. Figures of one table are from one run. [Which device](which-device.md) says what
follows.
"""
# by file: the command that made it, and what shows it
KEPT: dict[str, tuple[str, Callable[[dict[str, Any]], Table]]] = {
    "cpu.json": ("bench --json", speed_tables.table),
    "h200.json": (
        "bench --accelerator --lanes 32 1000 10000 100000 --json",
        speed_tables.accelerator_table,
    ),
    "layers.json": ("bench --layers --json", speed_tables.layers_table),
    "processes.json": ("bench --processes --json", speed_tables.processes_table),
    "rivals.json": ("bench --rivals --json", speed_tables.rivals_table),
}
CORES = (1, 2, 16)


def page(folder: Path) -> str:
    """The page about the measures in a folder."""
    text = [HEADING]
    found = {n: json.loads((folder / n).read_text("utf-8")) for n in KEPT if (folder / n).exists()}
    if {"cpu.json", "h200.json"} <= set(found):
        text += ["## From how many trials on a GPU pays", "", *crossovers(found), ""]
    for name, measured in found.items():
        command, table_of = KEPT[name]
        text += [f"## `python -m experiments {command}`", "", *_markdown(table_of(measured)), ""]
    return "\n".join(text)


def crossovers(found: dict[str, Any]) -> list[str]:
    """From how many trials of row 4 on a block on the GPU is faster than so many cores."""
    cpu, gpu = found["cpu.json"], found["h200.json"]
    core = min(timed["ns"] for timed in cpu["ours"].values())
    blocks = {int(lanes): timed["ns"] for lanes, timed in gpu["rules"][OURS].items()}
    rows = [
        [str(cores), f"{core / cores:,.2f}", _trials(crossover(blocks, core / cores))]
        for cores in CORES
    ]
    return [
        f"Row {cpu['row']}, `forward_traces`: the best that a core of {cpu['machine']['cpu']} "
        f"does is {core:,.1f} ns a trial and step; more cores are taken to divide that. A block on "
        f"{gpu['machine']['device']} takes "
        + ", ".join(f"{ns:,.2f} ns with {lanes:,} trials" for lanes, ns in blocks.items())
        + ".",
        "",
        *markdown_table(("cores", "ns a trial and step", "the GPU is faster from"), rows),
    ]


def crossover(blocks: dict[int, float], ns: float) -> float | None:
    """The number of lanes at which a block is as fast as `ns`, between those measured; by powers.

    Example:
      >>> crossover({10: 100.0, 1000: 1.0}, 10.0)
      100.0
      >>> crossover({10: 100.0, 1000: 1.0}, 0.5) is None
      True
    """
    lanes = sorted(blocks)
    if blocks[lanes[0]] <= ns:
        return float(lanes[0])
    for few, many in itertools.pairwise(lanes):
        if blocks[many] <= ns:
            share = math.log(blocks[few] / ns) / math.log(blocks[few] / blocks[many])
            return few * (many / few) ** share
    return None


def _trials(number: float | None) -> str:
    return "no number measured" if number is None else f"about {float(f'{number:.1g}'):,.0f} trials"


def _markdown(grid: Table) -> Iterator[str]:
    """A grid of lines and tables as Markdown."""
    for part in grid.columns[0].cells:
        if isinstance(part, Table):
            heads = [_plain(column.header) or " " for column in part.columns]
            rows = zip(*(map(_plain, column.cells) for column in part.columns), strict=True)
            yield from ["", *markdown_table(heads, [list(row) for row in rows]), ""]
        else:
            yield f"{_plain(part)}  "


def _plain(cell: Any) -> str:
    return Text.from_markup(cell).plain if isinstance(cell, str) else str(cell)
