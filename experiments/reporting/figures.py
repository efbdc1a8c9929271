"""Figures of one result: learning curves, sequences to success, a trained net at work."""

from pathlib import Path
from typing import Any

import jax
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.common.errors import UserError
from experiments.common.files import shown, write_whole
from experiments.methods.registry import net
from experiments.paper.readings import Reading
from experiments.paper.row import Row
from experiments.running import results
from experiments.running.run_job import shape_of_net
from lstm_jax.cells.memory_block import gates
from lstm_jax.networks.unroll import record as record_steps
from lstm_jax.networks.unroll import unroll
from lstm_jax.training.records import curve_points
from lstm_jax.types import Cell, Sequence

COLORS = {"solved": "tab:blue", "capped": "tab:orange", "diverged": "tab:red"}


def draw(row: Row, reading: Reading, source: Path, out: Path) -> list[Path]:
    """Write the figures of a result file as PNG.

    Args:
      row: the row.
      reading: how it was read.
      source: the result file; the trained net lies beside it.
      out: folder for the figures.

    Returns:
      The files written.
    """
    result = results.read(source)
    _check_row(row, reading, result, source)
    weights = source.with_suffix(".npz")
    net_at_work = None  # before anything is drawn: it may be refused
    if weights.exists():
        net_at_work = results.read_weights(weights, shape_of_net(row, reading))
    figures = {"curves": curves(row, reading, result), "after": after(row, reading, result)}
    if net_at_work:
        figures["gates"] = at_work(row, reading, *net_at_work)
    return [save(figure, out / f"{source.stem}.{name}.png") for name, figure in figures.items()]


def _check_row(row: Row, reading: Reading, result: dict, source: Path) -> None:
    """Refuse a result of another row, or of a time when the row was another."""
    held, asked = (result["row"], result["reading"]), (row.name, reading.name)
    if held != asked:
        raise UserError(
            f"{shown(source)} holds row {' '.join(held)}, not {' '.join(asked)}; move it to "
            f"{'.'.join(held)}.json"
        )
    most = len(curve_points(reading.read(row).evaluation.cap))
    for record in result["records"]:
        if len(record["curve"]) > most:
            raise UserError(
                f"{shown(source)} holds a curve of {len(record['curve'])} points, row {row.name} "
                f"has at most {most}; run the row again in another --folder"
            )


def curves(row: Row, reading: Reading, result: dict) -> Figure:
    """The mean training error of every trial along its training."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    points = curve_points(reading.read(row).evaluation.cap)
    for record in sorted(result["records"], key=lambda r: r["phase"] != "solved"):
        error = [e for e in record["curve"] if e is not None]
        at, phase = list(points[: len(error)]), record["phase"]
        axes.loglog(at, error, color=COLORS[phase], alpha=0.5, label=phase)
        if record["test"]:
            ends = [*at[-1:], record["sequences"]], [*error[-1:], record["test"]["error"]]
            axes.loglog(*ends, color=COLORS[phase], alpha=0.5)
            axes.plot(record["sequences"], record["test"]["error"], ".", color=COLORS[phase])
    _mark_published(axes, row, "paper, mean after")
    axes.set(xlabel="training sequences", ylabel="mean absolute error (dots: test)")
    axes.set_title(_title(row, result))
    _legend(axes)
    return figure


def after(row: Row, reading: Reading, result: dict) -> Figure:
    """How many trials had succeeded after how many sequences, beside the published mean."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    found = sorted(results.solved_after(result["records"]))
    number = len(result["records"])
    share = np.arange(1, len(found) + 1) / number
    right = 1.3 * (max([*found, row.published.after or 0]) or reading.read(row).evaluation.cap)
    axes.step([0, *found, right], [0, *share, len(found) / number], where="post", label="trials")
    axes.plot(found, np.zeros(len(found)), "|", color="tab:blue", markersize=14, clip_on=False)
    if found:
        axes.axvline(float(np.mean(found)), color="tab:blue", linestyle=":", label="our mean")
    _mark_published(axes, row, "paper's mean")
    if row.published.after_range:
        axes.axvspan(*row.published.after_range, color="black", alpha=0.07, label="paper's range")
    axes.set(xlabel="training sequences to success", ylabel="share of trials", ylim=(0, 1.03))
    axes.set(xlim=(0, right), title=_title(row, result))
    _legend(axes)
    return figure


def at_work(row: Row, reading: Reading, trial: int, params: Any, seed: int = 0) -> Figure:
    """Inputs, gates, states and outputs of a trained net over one fresh sequence."""
    shown_ones, sequence = panels(row, reading, params, seed)
    figure, axes = plt.subplots(
        len(shown_ones), sharex=True, figsize=(8, 9), layout="constrained", squeeze=False
    )
    for ax, (name, values) in zip(axes[:, 0], shown_ones.items(), strict=True):
        _panel(ax, name, np.asarray(values))
    for t, k, goal in _goals(sequence):
        axes[-1, 0].plot(t, goal, "o", color=f"C{k}", fillstyle="none", clip_on=False)
    axes[-1, 0].set_xlabel("time step (circles: goals)")
    axes[0, 0].set_title(f"{row.name}, {row.title}: trial {trial} after training")
    return figure


def panels(
    row: Row, reading: Reading, params: Any, seed: int = 0
) -> tuple[dict[str, Any], Sequence]:
    """What there is to see of a trained net over one fresh sequence, by name, and the sequence.

    Inputs, gates and states if it has any, outputs: `(steps, units)` each, or symbols `(steps,)`.
    """
    read = reading.read(row)
    cell, sequence = net(read), read.training.task().sample(jax.random.key(seed))
    inputs = sequence.inputs[: int(sequence.length)]
    inside = {} if row.rival or read.net.cell else _inside(read, cell, params, inputs)
    return {"inputs": inputs, **inside, "outputs": unroll(cell, params, inputs)[1]}, sequence


def _mark_published(axes, row: Row, label: str) -> None:
    if row.published.after is not None:
        axes.axvline(row.published.after, color="black", linestyle="--", label=label)


def _goals(sequence: Sequence) -> list[tuple[int, int, float]]:
    """Step, output and goal: all at the end, or at every step those of active outputs."""
    goals, length = np.asarray(sequence.goals), int(sequence.length)
    if len(goals) == 1:
        return [(length - 1, k, float(goal)) for k, goal in enumerate(goals[0])]
    active = np.argwhere((goals > 0.5) & np.asarray(sequence.mask)[:, None])
    return [(int(t), int(k), float(goals[t, k])) for t, k in active]


def _inside(read: Row, cell: Cell, params: Any, inputs: Any) -> dict[str, Any]:
    """Gates and states of a net of memory blocks at every step; of gates those there are."""

    def probe(params, state, x):
        return gates(read.net.topology, params.cell, state, x)

    seen = record_steps(cell, params, inputs, probe)
    found = {
        "input gates": seen.input_gate,
        "cell states": seen.cell_state,
        "output gates": seen.output_gate,
    }
    return {name: values for name, values in found.items() if values.shape[1]}


def _panel(axes, name: str, values: np.ndarray) -> None:
    if values.ndim == 1:
        axes.plot(values, ".", color="black")
        name = "input symbol"
    for unit in range(values.shape[1] if values.ndim == 2 else 0):
        axes.plot(values[:, unit], color=f"C{unit}", label=str(unit + 1), linewidth=1)
    axes.set_ylabel(name)
    if values.ndim == 2 and 1 < values.shape[1] <= 8:
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="small")


def _legend(axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    axes.legend(once.values(), once.keys())


def _title(row: Row, result: dict) -> str:
    return f"{row.name}, {row.title}: {result['trials']} trials, reading {result['reading']}"


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG and forget it."""
    write_whole(path, lambda file: figure.savefig(file, format="png", dpi=120))
    plt.close(figure)
    return path


def source_of(folder: Path, row: Row, reading: Reading) -> Path:
    """The result file of a row under a reading."""
    path = folder / "results" / f"{row.name}.{reading.file_name}.json"
    if not path.exists():
        raise UserError(
            f"{shown(path)} does not exist; "
            f"`python -m experiments run {row.name} --reading {reading.name}` makes it"
        )
    return path
