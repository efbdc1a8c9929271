"""One figure of all that was run: our means as multiples of the paper's."""

from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from experiments.paper.readings import LITERAL, solving
from experiments.paper.tables import ROWS

REACH = 10  # multiples beyond it stand at the edge
LITERALLY, READ = "to the letter", "under the reading that solves the row"
COLORS = {LITERALLY: "#E69F00", READ: "#0072B2"}


def overview(listed: list[dict[str, Any]]) -> Figure:
    """Means with their intervals, rows of the LSTM from left to right.

    Args:
      listed: lines of the report; rivals, and rows without a figure in the paper, are left out.
    """
    rows = [n for n, row in ROWS.items() if row.rival is None and row.published.after is not None]
    figure, axes = plt.subplots(figsize=(10, 3.6), layout="constrained")
    for name, line in ((line["row"], line) for line in listed if line["trials"]):
        which = {LITERAL.name: LITERALLY, solving(ROWS[name]).name: READ}.get(line["reading"])
        if name not in rows or which is None or line["mean"] is None:
            continue
        at = rows.index(name) + (0.15 if which == READ else -0.15)
        ratio = {k: line["mean"][k] / line["published"]["after"] for k in ("low", "value", "high")}
        middle = min(max(ratio["value"], 1 / REACH), REACH)
        ends = [[max(middle - ratio["low"], 0)], [max(ratio["high"] - middle, 0)]]
        shape = "o" if line["success"]["value"] > 0.9 else "v"
        axes.errorbar(at, middle, yerr=ends, fmt=shape, color=COLORS[which], markersize=4)
    for which, color in COLORS.items():
        axes.plot([], [], "o", color=color, label=which)
    axes.plot([], [], "v", color="gray", label="fewer than 90 % of the trials solved")
    axes.axhline(1, color="black", linewidth=0.8, linestyle="--")
    axes.set(yscale="log", ylim=(1 / REACH, REACH), ylabel="our mean / the paper's")
    axes.set_xticks(range(len(rows)), rows, rotation=90, fontsize=8)
    axes.set_title("Training sequences until a row of the paper is solved")
    axes.legend(fontsize=8, loc="lower left", ncols=1)
    return figure
