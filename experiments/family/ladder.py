"""From the net of 1997 to the layer of today, a change at a time, on two tasks of 1997."""

from collections.abc import Callable
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib.figure import Figure

from experiments.common.intervals import bootstrap, wilson
from experiments.methods.build import build
from experiments.methods.trial_settings import settings
from experiments.paper import select
from experiments.paper.row import Row
from experiments.running.results import solved_after
from experiments.studies.findings import Finding
from experiments.studies.trial_source import TrialSource
from lstm_jax.cells.coupled import coupled_lstm
from lstm_jax.cells.gru import gru
from lstm_jax.cells.lstm import lstm
from lstm_jax.cells.memory_block import Initialization, memory_block
from lstm_jax.cells.peephole import peephole_lstm
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import bptt, forward_traces
from lstm_jax.networks.readout import readout
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Cell, GradientRule

ROWS = {"4-100": "Y", "6a": "literal"}  # with the reading that solves the row
TRIALS, CAP = 20, 200_000  # at each rate; sequences after which a trial is given up
SGD, ADAM = (0.2, 0.5), (0.003, 0.01)  # rates tried; 0.5 is the paper's
CELLS = 4  # as many as the paper's net has


class Rung(NamedTuple):
    """One net and how it learns.

    Attributes:
      says: what changed.
      cell: from the row as read to the hidden layer.
      rule: its gradient.
      optimizer: of a rate.
      rates: that are tried.
    """

    says: str
    cell: Callable[[Row], Cell]
    rule: GradientRule = bptt
    optimizer: Callable[[Any], optax.GradientTransformation] = optax.sgd
    rates: tuple[float, ...] = SGD


def _block(
    single: bool = True, gate_biases: bool = True, forget_bias: float | None = None, **changes: Any
) -> Callable[[Row], Cell]:
    """Memory blocks with changes of their topology; `single`: one cell in each."""

    def cell(row: Row) -> Cell:
        net = row.net
        biases = net.input_gate
        if single and biases is not None:
            biases = tuple(np.repeat(biases, CELLS // len(biases)))
        initial = Initialization(
            scale=net.weights,
            input_gate=biases if gate_biases else None,
            forget_gate=forget_bias,
        )
        sizes = (1,) * CELLS if single else net.blocks
        return memory_block(Topology(net.inputs, sizes, **changes), initial)

    return cell


def _layer(make: Callable[..., Cell], **options: Any) -> Callable[[Row], Cell]:
    """A layer of today, with so many cells."""
    return lambda row: make(row.net.inputs, CELLS, **options)


def _clipped(rate: Any) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))


_FORGET = {"recurrence": "cells", "forget_gates": True, "forget_bias": 1.0}
_OPEN = {**_FORGET, "forget_bias": 5.0}  # half of a state is left after 100 steps
_NARROW = {**_FORGET, "squash_input": (-1.0, 1.0)}
_LSTM, _LSTM_5 = _layer(lstm), _layer(lstm, forget_bias=5.0)
_PEEPHOLES, _COUPLED, _GRU = _layer(peephole_lstm), _layer(coupled_lstm), _layer(gru)

# each rung of the first part keeps the changes of those before
LADDER = (
    Rung("1997", _block(single=False), forward_traces),
    Rung("+ one cell a block", _block(), forward_traces),
    Rung("+ gates feed nothing", _block(recurrence="cells"), forward_traces),
    Rung("+ forget gates, bias 1", _block(**_FORGET), forward_traces),
    Rung("+ g within (-1, 1)", _block(**_NARROW), forward_traces),
    Rung("+ full gradient", _block(**_NARROW)),
    Rung("+ gate biases drawn", _block(**_NARROW, gate_biases=False)),
    Rung("+ torch's LSTM", _LSTM),
    Rung("+ Adam", _LSTM, optimizer=optax.adam, rates=ADAM),
    Rung("+ clipping", _LSTM, optimizer=_clipped, rates=ADAM),
)
BESIDE = (
    Rung("1997, Adam", _block(single=False), forward_traces, optax.adam, ADAM),
    Rung("1997 + forget gates, bias 5", _block(**_OPEN), forward_traces),
    Rung("LSTM, forget bias 5", _LSTM_5),
    Rung("LSTM, forget bias 5, Adam", _LSTM_5, optimizer=optax.adam, rates=ADAM),
    Rung("peepholes, Adam", _PEEPHOLES, optimizer=optax.adam, rates=ADAM),
    Rung("coupled gates, Adam", _COUPLED, optimizer=optax.adam, rates=ADAM),
    Rung("GRU, Adam", _GRU, optimizer=optax.adam, rates=ADAM),
)


def config(row: Row, rung: Rung) -> Callable[[Any], TrialConfig]:
    """From a rate to the configuration of a trial; all but net and learner are the row's."""
    own = build(row)(settings(row))
    net = readout(
        rung.cell(row), row.net.outputs, activation=row.net.activation, init_scale=row.net.weights
    )

    def of_rate(rate: Any) -> TrialConfig:
        learner = gradient_descent(rung.rule, own.learner.loss, rung.optimizer(rate))  # pyright: ignore
        return own._replace(
            net=net, learner=learner, max_sequences=min(CAP, own.max_sequences), test_sequences=0
        )

    return of_rate


def ladder(source: TrialSource) -> Finding:
    """What today's layer lacks for lags of 1997 is forget gates that begin open, and Adam helps.

    Rows 4-100 (Y) and 6a, four cells each, 20 trials at each of two learning rates; of a rung
    that rate is shown that solves more trials, then sooner. A trial that has not succeeded
    after 200,000 sequences is given up. Bars are means over solved trials with bootstrap
    intervals, beside them how many were solved. It holds if on both rows the net of 1997 and
    torch's LSTM with forget biases of 5 under Adam solve 90 %, and torch's LSTM as it begins by
    itself solves significantly fewer, under plain gradient descent and under Adam (Wilson
    intervals apart).
    """
    found = {
        name: {rung.says: _rung(source, name, rung) for rung in (*LADDER, *BESIDE)} for name in ROWS
    }
    holds = all(_bears_out(rungs) for rungs in found.values())
    words = "; ".join(
        f"{name}: " + ", ".join(f"{says} {_short(one)}" for says, one in rungs.items())
        for name, rungs in found.items()
    )
    return Finding(holds, words, found, _figure(found))


def _rung(source: TrialSource, name: str, rung: Rung) -> dict[str, Any]:
    """The better of a rung's rates, and what was found with all of them."""
    row = select.find_row(name)
    read = select.find_reading(row, ROWS[name]).read(row)
    rates = np.repeat(np.asarray(rung.rates, np.float32), TRIALS)
    label = "".join(c if c.isalnum() else "-" for c in rung.says).strip("-")
    records = source.trials(
        f"ladder.{name}.{label}", make_trial(config(read, rung)), len(rates), settings=rates
    )
    each = {
        str(rate): _figures(records[i * TRIALS : (i + 1) * TRIALS])
        for i, rate in enumerate(rung.rates)
    }
    best = min(each, key=lambda rate: (-each[rate]["solved"], _mean(each[rate])))
    return {**each[best], "rate": float(best), "rates": each}


def _figures(records: list[dict]) -> dict[str, Any]:
    after = solved_after(records)
    mean = bootstrap(after)
    return {
        "solved": len(after),
        "trials": len(records),
        "success": wilson(len(after), len(records))._asdict(),
        "mean": mean and mean._asdict(),
    }


def _mean(one: dict[str, Any]) -> float:
    return one["mean"]["value"] if one["mean"] else np.inf


def _short(one: dict[str, Any]) -> str:
    mean = f", {one['mean']['value']:,.0f}" if one["mean"] else ""
    return f"{one['solved']} of {one['trials']}{mean}"


def _bears_out(rungs: dict[str, Any]) -> bool:
    names = "1997", "LSTM, forget bias 5, Adam", "+ torch's LSTM", "+ Adam"
    first, opened, *closed = (rungs[name]["success"] for name in names)
    least = min(first["low"], opened["low"])
    apart = all(one["high"] < least for one in closed)
    return apart and min(first["value"], opened["value"]) >= 0.9


def _figure(found: dict[str, dict[str, Any]]) -> Figure:
    """Means as bars with intervals, shares as text; a panel a row."""
    says = [rung.says for rung in (*LADDER, *BESIDE)]
    figure, axes = plt.subplots(
        1, len(found), figsize=(6 * len(found), 0.34 * len(says) + 1), sharey=True,
        squeeze=False, layout="constrained",
    )  # fmt: skip
    at = np.arange(len(says)) + (np.arange(len(says)) >= len(LADDER))  # a gap between the parts
    for ax, (name, rungs) in zip(axes[0], found.items(), strict=True):
        for y, key in zip(at, says, strict=True):
            one = rungs[key]
            mean = one["mean"] or {"value": 0, "low": 0, "high": 0}
            bars = [[mean["value"] - mean["low"]], [mean["high"] - mean["value"]]]
            share = one["success"]["value"]
            ax.barh(y, mean["value"], xerr=bars, color="C0", alpha=0.25 + 0.75 * share)
            ax.text(mean["high"], y, f"  {one['solved']}/{one['trials']}", va="center", fontsize=8)
        ax.set(title=f"{name}, {ROWS[name]}", xlabel="training sequences until solved, mean")
        ax.margins(x=0.12)
    axes[0][0].set_yticks(at, says)
    axes[0][0].invert_yaxis()
    return figure
