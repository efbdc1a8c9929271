"""Nets of the family side by side on one problem: how they learn, at the better of their rates."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import optax
from matplotlib.axes import Axes

from experiments.common.intervals import bootstrap, wilson
from experiments.methods.build import build
from experiments.methods.trial_settings import settings
from experiments.paper import select
from experiments.paper.settings import NetSettings
from experiments.running.results import solved_after
from experiments.studies.trial_source import TrialSource
from lstm_jax.cells.memory_block import Initialization, memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import bptt
from lstm_jax.networks.readout import readout
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import GradientDescent, gradient_descent
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Cell, GradientRule

TRIALS, CAP = 20, 200_000  # at each rate; sequences after which a trial is given up
SGD, ADAM = (0.2, 0.5), (0.003, 0.01)  # rates tried; 0.5 is the paper's
CELLS = 4  # of every net; as many as the paper's has on most of these tasks


class Problem(NamedTuple):
    """What is to be learnt.

    Attributes:
      net: units, output units and weights of the net of 1997.
      trial: all of a trial but its net and how that learns; its learner tells the loss.
    """

    net: NetSettings
    trial: TrialConfig


class Rung(NamedTuple):
    """One net and how it learns.

    Attributes:
      says: what changed.
      cell: from the net of 1997 to the hidden layer.
      rule: its gradient.
      optimizer: of a rate.
      rates: that are tried.
    """

    says: str
    cell: Callable[[NetSettings], Cell]
    rule: GradientRule = bptt
    optimizer: Callable[[Any], optax.GradientTransformation] = optax.sgd
    rates: tuple[float, ...] = SGD


def under_adam(says: str, cell: Callable[[NetSettings], Cell], rule: GradientRule = bptt) -> Rung:
    """A rung that learns by Adam."""
    return Rung(says, cell, rule, optax.adam, ADAM)


def of_row(name: str, reading: str) -> Problem:
    """The problem of a row of the paper, under the reading that solves it."""
    row = select.find_row(name)
    read = select.find_reading(row, reading).read(row)
    return Problem(read.net, build(read)(settings(read)))


def block(
    single: bool = True, gate_biases: bool = True, forget_bias: float | None = None, **changes: Any
) -> Callable[[NetSettings], Cell]:
    """Memory blocks with changes of their topology; `single`: one cell in each."""

    def cell(net: NetSettings) -> Cell:
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


def layer(make: Callable[..., Cell], **options: Any) -> Callable[[NetSettings], Cell]:
    """A layer of today, with so many cells."""
    return lambda net: make(net.inputs, CELLS, **options)


def config(problem: Problem, rung: Rung) -> Callable[[Any], TrialConfig]:
    """From a rate to the configuration of a trial; all but net and learner are the problem's."""
    own, settings = problem.trial, problem.net
    assert isinstance(own.learner, GradientDescent)
    loss = own.learner.loss
    net = readout(
        rung.cell(settings),
        settings.outputs,
        activation=settings.activation,
        init_scale=settings.weights,
    )

    def of_rate(rate: Any) -> TrialConfig:
        learner = gradient_descent(rung.rule, loss, rung.optimizer(rate))
        return own._replace(
            net=net, learner=learner, max_sequences=min(CAP, own.max_sequences), test_sequences=0
        )

    return of_rate


def tried(source: TrialSource, folder: str, problem: Problem, rung: Rung) -> dict[str, Any]:
    """What was found with the better of a rung's rates, and with all of them.

    Args:
      source: of trials.
      folder: begins the name of theirs.
      problem: what is to be learnt.
      rung: what learns it.

    Returns:
      What JSON can hold: `solved` of `trials`, `success` with its interval, `mean` of the
      sequences to success with its interval or None, `rate`, and all that by `rates`.
    """
    rates = np.repeat(np.asarray(rung.rates, np.float32), TRIALS)
    label = "".join(c if c.isalnum() else "-" for c in rung.says).strip("-")
    records = source.trials(
        f"{folder}.{label}", make_trial(config(problem, rung)), len(rates), settings=rates
    )
    each = {
        str(rate): _figures(records[i * TRIALS : (i + 1) * TRIALS])
        for i, rate in enumerate(rung.rates)
    }
    best = min(each, key=lambda rate: (-each[rate]["solved"], _mean(each[rate])))
    return {**each[best], "rate": float(best), "rates": each}


def tried_on_rows(
    source: TrialSource, folder: str, rows: Mapping[str, str], rungs: Iterable[Rung]
) -> dict[str, dict[str, Any]]:
    """What `tried` found, by row and rung; rows by name with the reading that solves each."""
    found = {}
    for name, reading in rows.items():
        problem = of_row(name, reading)
        found[name] = {r.says: tried(source, f"{folder}.{name}", problem, r) for r in rungs}
    return found


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


def in_words(found: dict[str, dict[str, Any]]) -> str:
    """A line of what `tried` found, by problem and rung."""
    return "; ".join(
        f"{name}: " + ", ".join(f"{says} {_short(one)}" for says, one in rungs.items())
        for name, rungs in found.items()
    )


def _short(one: dict[str, Any]) -> str:
    mean = f", {one['mean']['value']:,.0f}" if one["mean"] else ""
    return f"{one['solved']} of {one['trials']}{mean}"


def draw(ax: Axes, at: Any, rungs: dict[str, Any]) -> None:
    """Means as bars with intervals at the places `at`, the darker the more are solved."""
    for y, one in zip(at, rungs.values(), strict=True):
        mean = one["mean"] or {"value": 0, "low": 0, "high": 0}
        bars = [[mean["value"] - mean["low"]], [mean["high"] - mean["value"]]]
        share = one["success"]["value"]
        ax.barh(y, mean["value"], xerr=bars, color="C0", alpha=0.25 + 0.75 * share)
        ax.text(mean["high"], y, f"  {one['solved']}/{one['trials']}", va="center", fontsize=8)
    ax.set(xlabel="training sequences until solved, mean")
    ax.margins(x=0.12)
