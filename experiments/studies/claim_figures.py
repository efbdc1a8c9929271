"""Figures of claims: successes side by side, maps of settings, growth with the lag."""

from typing import Any

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from experiments.studies.trial_source import Group

ACROSS = 4  # panels in a row


def successes(found: dict[str, dict[str, Group]]) -> Figure:
    """The share of trials that had succeeded after so many sequences.

    Args:
      found: groups (`trial_source.Group`) by row and reading.
    """
    across = min(ACROSS, len(found))
    down = -(-len(found) // across)
    figure, axes = plt.subplots(
        down, across, figsize=(1 + 3 * across, 3.2 * down), squeeze=False, layout="constrained"
    )
    for ax, (row, groups) in zip(axes.flat, found.items(), strict=False):
        right = max(max(g.solved, default=0) for g in groups.values()) * 1.1
        right = right or max(g.cap for g in groups.values())
        for i, (reading, group) in enumerate(groups.items()):
            share = np.arange(1, len(group.solved) + 1) / group.trials
            x, y = [0, *group.solved, right], [0, *share, len(group.solved) / group.trials]
            ax.step(x, y, where="post", color=f"C{i}", label=reading)
        ax.set(title=row, xlim=(0, right), ylim=(-0.03, 1.03), xlabel="training sequences")
        ax.xaxis.set_major_formatter(EngFormatter(sep=""))
        ax.legend(fontsize="small")
    for ax in axes.flat[len(found) :]:
        ax.set_axis_off()
    for ax in axes[:, 0]:
        ax.set_ylabel("share of trials")
    return figure


def maps(swept: dict[str, Any]) -> Figure:
    """Success rates over learning rate and input-gate bias, mean sequences in the cells.

    Args:
      swept: points (`sweep.run`) by row.
    """
    figure, axes = plt.subplots(
        1, len(swept), figsize=(5.2 * len(swept), 4), squeeze=False, layout="constrained"
    )
    shade = Normalize(0, 1)
    for ax, (row, points) in zip(axes[0], swept.items(), strict=True):
        rates = sorted({p["rate"] for p in points})
        biases = sorted({p["input_gate"][0] for p in points}, reverse=True)
        share = np.full((len(biases), len(rates)), np.nan)
        for p in points:
            at = biases.index(p["input_gate"][0]), rates.index(p["rate"])
            share[at] = p["solved"] / p["over"]
            text = f"{p['mean']['value'] / 1000:.0f}k" if p["mean"] else "-"
            ax.text(at[1], at[0], text, ha="center", va="center", fontsize=8)
        ax.imshow(share, norm=shade, cmap="Blues", alpha=0.7, aspect="auto")
        ax.set_xticks(range(len(rates)), [f"{r:g}" for r in rates])
        ax.set_yticks(range(len(biases)), [f"{b:g}" for b in biases])
        ax.set(title=row, xlabel="learning rate", ylabel="input-gate biases")
    figure.colorbar(
        ScalarMappable(shade, "Blues"),
        ax=axes[0],
        label="share of trials solved (text: mean sequences)",
    )
    return figure


def scaling(numbers: dict[str, Any]) -> Figure:
    """Sequences to success against lag and number of distractors, ours and the paper's."""
    figure, axes = plt.subplots(
        1, len(numbers), figsize=(4 * len(numbers), 3.4), sharey=True, layout="constrained"
    )
    for ax, (name, one) in zip(axes, numbers.items(), strict=True):
        ax.loglog(one["at"], one["ours"], "o-", label="ours, no-recurrence")
        ax.loglog(one["at"], one["paper"], "s--", color="black", label="paper")
        ax.set(xlabel=name)
    axes[0].set_ylabel("training sequences, mean")
    axes[0].legend()
    return figure
