"""Error flow in numbers and figures: where it vanishes, and what a carousel without gates lacks.

Sections 3.1 and 3.2 of the 1997 paper, measured. Everything is computed in double precision
and depends on the seed alone.
"""

from functools import partial
from typing import Any

import jax
import matplotlib

matplotlib.use("agg")
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from lstm_jax import analysis
from lstm_jax.cells.memory_block import Initialization, memory_block
from lstm_jax.cells.naive_carousel import naive_carousel
from lstm_jax.cells.simple import elman
from lstm_jax.cells.topology import Topology
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.networks.unroll import unroll
from lstm_jax.ops.activations import identity
from lstm_jax.types import Array, Cell, Key, Params

UNITS, LAGS, NETS = 15, 40, 20
RANGES = (0.2, 1.0, 4.0)

STEPS, SEQUENCES = 12, 64
WEIGHTS = np.linspace(0, 1.2, 61)
GATE_WEIGHT, GATE_BIAS = 10.0, -5.0  # open to 0.99 at the mark, to 0.01 elsewhere
TASKS = {"input": "hold the first of many values", "output": "retrieve a value at the end"}
CELLS = ("naive", "gated")
COLORS = {"naive": "tab:orange", "gated": "tab:blue"}


def vanishing(seed: int = 0) -> tuple[dict, Figure]:
    """How much of an error is left after some steps back: conventional nets and the carousel.

    Elman nets of 15 logistic units read random inputs; the factor is that from the net input of
    a unit to the net input of a unit some steps earlier. It is measured by automatic
    differentiation of the net, and computed from weights and slopes as the sum over all paths.

    Args:
      seed: of weights and inputs.

    Returns:
      Numbers that JSON can hold, and the figure. `lags` counts steps; `ranges` holds for each
      initial range of the weights, lag by lag and averaged over 20 nets, `measured` (mean
      absolute factor over all pairs of units) and its bounds `bound` and `bound_by_largest`,
      and in `typical` the median of the nets, for a few of them may make the mean;
      `deviation` is the largest difference of formula and measurement, relative to the
      largest factor at that lag; `carousel` is ds(t)/ds(t-lag) of a memory cell, averaged
      over 15 cells.
    """
    with jax.enable_x64(True):
        for_inputs, for_nets, for_cells = jax.random.split(jax.random.key(seed), 3)
        inputs = jax.random.uniform(for_inputs, (LAGS, 2), minval=-1.0)
        of_nets = jax.vmap(partial(_conventional, inputs), in_axes=(None, 0))
        of_ranges = jax.jit(jax.vmap(of_nets, in_axes=(0, None)))
        found = of_ranges(jnp.array(RANGES), jax.random.split(for_nets, NETS))
        off, *curves = jax.device_get(found)
        carousel = np.asarray(_carousel(for_cells, inputs))
    names = ("measured", "bound", "bound_by_largest")
    over_nets = {name: curve.mean(axis=1) for name, curve in zip(names, curves, strict=True)}
    over_nets["typical"] = np.median(curves[0], axis=1)
    numbers = {
        "units": UNITS,
        "lags": list(range(1, 1 + LAGS)),
        "ranges": {
            f"{limit:g}": {name: values[i].tolist() for name, values in over_nets.items()}
            for i, limit in enumerate(RANGES)
        },
        "deviation": float(off.max()),
        "carousel": carousel.tolist(),
    }
    return numbers, _draw_vanishing(numbers)


def conflicts(seed: int = 0) -> tuple[dict, Figure]:
    """What the steps of a sequence ask of one weight, without gates and with one.

    Two tasks of 12 steps. *Input*: values come in at every step, the cell is to hold the first;
    one weight has to store it and to keep out the others. *Output*: the cell holds a value, and
    an output is to say it at the last step and nothing before; one weight has to fetch it and
    to keep it back. The naive carousel has that weight alone, the memory cell also a
    gate that a second input opens at the step that counts; all else is the same and linear.

    Args:
      seed: of the values.

    Returns:
      Numbers that JSON can hold, and the figure. `input` and `output` hold for `naive` and
      `gated`: by weight (`weights`) the `conflict` over all steps and sequences (0: all
      agree, 1: all cancel) and the squared `error` left, relative to that at weight 0;
      `best` the weight with the least error; `error_at_best` that error;
      `conflict_at_naive_best` the conflict where the naive carousel comes to rest.
    """
    numbers: dict[str, Any] = {"steps": STEPS, "weights": WEIGHTS.tolist()}
    with jax.enable_x64(True):
        values = jax.random.uniform(jax.random.key(seed), (SEQUENCES, STEPS), minval=-1.0)
        for task in TASKS:
            found = {cell: _by_weight(task, cell, values) for cell in CELLS}
            rest = int(found["naive"][1].argmin())
            numbers[task] = {cell: _summary(*found[cell], rest) for cell in CELLS}
    return numbers, _draw_conflicts(numbers)


# -- error flow -------------------------------------------------------------------------------


def _conventional(inputs: Array, limit: Array, key: Key):
    """Of one net: `(lags,)` deviation of the formula, mean factor, and the two bounds."""
    net = elman(inputs=inputs.shape[1], hidden=UNITS, init_scale=limit)
    params = net.init(key)
    weights, lags = params.from_context, jnp.arange(1, 1 + LAGS)
    _, y = unroll(net, params, inputs)

    # [k, t, v] is dy_k/dnet_v(t), and one more step leads to the net inputs: no slope there
    shares = analysis.gradient_by_step(net, params, inputs).bias
    measured = jnp.einsum("uk,ktv->tvu", weights, shares)[::-1]
    formula = analysis.error_flow(weights, (y * (1 - y))[::-1])
    largest = jnp.abs(formula).max(axis=(1, 2))
    off = jnp.abs(measured - formula).max(axis=(1, 2)) / largest
    return (
        off,
        jnp.abs(measured).mean(axis=(1, 2)),
        analysis.vanishing_bound(weights, lags),
        analysis.vanishing_bound_by_largest(UNITS, jnp.abs(weights).max(), lags),
    )


def _carousel(key: Key, inputs: Array) -> Array:
    """`(lags,)` ds(t)/ds(t-lag) under the cut, averaged over the cells."""
    net = memory_block(Topology(inputs=inputs.shape[1], blocks=(1,) * UNITS))
    params = net.init(key)

    def flow(lag):
        return analysis.carousel_jacobian(net, params, inputs, length=lag)

    flows = jax.jit(jax.vmap(flow))(jnp.arange(1, 1 + LAGS))
    return jnp.diagonal(flows, axis1=1, axis2=2).mean(axis=1)


def _draw_vanishing(numbers: dict) -> Figure:
    size = (3.2 * len(numbers["ranges"]), 3.6)
    figure, axes = plt.subplots(
        1, len(numbers["ranges"]), sharey=True, figsize=size, layout="constrained", squeeze=False
    )
    lags = numbers["lags"]
    for ax, (limit, curves) in zip(axes[0], numbers["ranges"].items(), strict=True):
        ax.semilogy(lags, numbers["carousel"], color="tab:blue", label="carousel")
        ax.semilogy(lags, curves["measured"], color="tab:orange", label="Elman nets, mean")
        ax.semilogy(lags, curves["typical"], ":", color="tab:orange", label="median net")
        ax.semilogy(lags, curves["bound"], "k--", label=r"bound $n\,(\|W\|/4)^q$")
        ax.semilogy(lags, curves["bound_by_largest"], "k:", label=r"bound $n\,(n\,w_{max}/4)^q$")
        ax.set(xlabel="lag q in steps", title=f"weights within {limit}", ylim=(1e-40, 1e20))
    axes[0, 0].set_ylabel("factor left of an error")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


# -- conflicts --------------------------------------------------------------------------------


def _by_weight(task: str, cell: str, values: Array) -> tuple[np.ndarray, np.ndarray]:
    """`_pulls` for all of `WEIGHTS`, which are in front."""
    pulls = jax.jit(jax.vmap(lambda weight: _pulls(task, cell, values, weight)))
    return jax.device_get(pulls(jnp.asarray(WEIGHTS)))


def _pulls(task: str, cell: str, values: Array, weight: Array) -> tuple[Array, Array]:
    """Signals `(sequences, time)` to the weight in question; the squared error of all."""
    first, last = np.eye(STEPS)[[0, -1]]
    counts = first if task == "input" else last
    content = jnp.repeat(values[:, :1], STEPS, axis=1)
    wanted = content if task == "input" else content * last[None]
    given = values if task == "input" else values * first[None]
    net, params = _net(task, cell, weight)

    def of_sequence(given, wanted):
        inputs, targets = jnp.stack([given, jnp.asarray(counts)], axis=1), wanted[:, None]
        signals = analysis.update_signals(net, squared_error, params, inputs, targets)
        into = signals.cell.from_inputs if task == "input" else signals.from_cell
        _, outputs = unroll(net, params, inputs)
        return into[:, 0, 0], ((targets - outputs) ** 2).sum()

    signals, errors = jax.vmap(of_sequence)(given, wanted)
    return signals, errors.sum()


def _net(task: str, cell: str, weight: Array) -> tuple[Cell, Params]:
    """Inputs (value, mark), one cell, one linear output; all weights by hand."""
    into, out = (weight, 1.0) if task == "input" else (1.0, weight)
    if cell == "naive":
        hidden, rows = naive_carousel(inputs=2), [[into, 0.0]]
    else:
        kind = "input_gate" if task == "input" else "output_gate"
        topology = Topology(
            inputs=2,
            blocks=(1,),
            input_gates=task == "input",
            output_gates=task == "output",
            recurrence="none",
            biased=(kind,),
            squash_input=None,
            squash_state=None,
        )
        hidden = memory_block(topology, Initialization()._replace(**{kind: GATE_BIAS}))
        rows = [[into, 0.0], [0.0, GATE_WEIGHT]]
    net = readout(hidden, 1, activation=identity, bias=False)
    params = net.init(jax.random.key(0))
    by_hand = params.cell._replace(from_inputs=jnp.array(rows))
    return net, params._replace(cell=by_hand, from_cell=jnp.array([[out]]))


def _summary(signals: np.ndarray, errors: np.ndarray, rest: int) -> dict:
    """Of signals `(weights, sequences, time)` and errors `(weights,)`; weight 0 comes first."""
    conflict = np.asarray(analysis.conflict(signals.reshape(len(errors), -1).T))
    left, best = errors / errors[0], int(errors.argmin())
    return {
        "conflict": conflict.tolist(),
        "error": left.tolist(),
        "best": float(WEIGHTS[best]),
        "error_at_best": float(left[best]),
        "conflict_at_naive_best": float(conflict[rest]),
    }


def _draw_conflicts(numbers: dict) -> Figure:
    figure, axes = plt.subplots(2, 2, sharex=True, figsize=(8, 5.5), layout="constrained")
    panels = (("conflict", (-0.03, 1.05)), ("error", (-0.05, 2.0)))
    for row, (task, title) in zip(axes, TASKS.items(), strict=True):
        for ax, (what, limits) in zip(row, panels, strict=True):
            for cell in CELLS:
                values = numbers[task][cell][what]
                ax.plot(numbers["weights"], values, color=COLORS[cell], label=cell)
            at_rest = numbers[task]["naive"]["best"]
            ax.axvline(at_rest, color=COLORS["naive"], linestyle=":", label="naive, at rest")
            ax.set(ylim=limits, ylabel="error left" if what == "error" else what, title=title)
    for ax in axes[1]:
        ax.set_xlabel("weight")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure
