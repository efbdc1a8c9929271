"""What recurrent nets were tried on first: logic over a delay, parity, timing, storage."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib.figure import Figure

from experiments.family.rungs import (
    Problem,
    block,
    draw,
    in_words,
    layer,
    of_row,
    tried,
    under_adam,
)
from experiments.paper.settings import NetSettings
from experiments.studies.findings import Finding
from experiments.studies.trial_source import TrialSource
from lstm_jax.cells.gru import gru
from lstm_jax.cells.lstm import lstm
from lstm_jax.cells.peephole import peephole_lstm
from lstm_jax.cells.rnn import rnn
from lstm_jax.gradients import bptt, forward_traces
from lstm_jax.losses import squared_error
from lstm_jax.ops.activations import Activation, identity, logistic
from lstm_jax.tasks import generated_spikes, measured_spikes, modern_adding, parity
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.types import Task

CAP = 50_000


def _problem(task: Task, tolerance: float, activation: Activation = logistic) -> Problem:
    """Solved when of 1,000 sequences in a row less than ten are wrong."""
    net = NetSettings(inputs=task.inputs, outputs=1, blocks=(1,) * 4, activation=activation)
    trial = TrialConfig(
        net=gru(1, 1),  # another takes its place, and the learner's
        task=task,
        learner=gradient_descent(bptt, squared_error, optax.sgd(0.1)),
        judge=within(tolerance),
        stop=recent(1000, Criterion(wrong_below=10)),
        max_sequences=CAP,
        test_sequences=0,
    )
    return Problem(net, trial)


def _of_row(name: str) -> Problem:
    problem = of_row(name, "literal")
    return problem._replace(trial=problem.trial._replace(max_sequences=CAP))


PROBLEMS = {
    "delayed XOR, 10": lambda: _of_row("xor-10"),
    "delayed XOR, 50": lambda: _of_row("xor-50"),
    "parity of 8": lambda: _problem(parity(8), 0.3),
    "intervals of 30 or 31": lambda: _problem(measured_spikes(30, 2, 4), 0.3),
    "spikes after 10 or 11": lambda: _problem(generated_spikes(10, 2, 5), 0.5, identity),
    "storage for 50": lambda: _problem(modern_adding(50), 0.1, identity),
}


NETS = (
    under_adam("1997", block(single=False), forward_traces),
    under_adam("LSTM", layer(lstm, forget_bias=1.0)),
    under_adam("LSTM with peepholes", layer(peephole_lstm, init_scale=0.5, forget_bias=1.0)),
    under_adam("GRU", layer(gru)),
    under_adam("tanh net", layer(rnn)),
)


def early_tasks(source: TrialSource) -> Finding:
    """No net is the best at all that recurrent nets were first tried on.

    Delayed XOR of two marked signs and parity, of which the paper of 1997 says that gradients
    have a hard time with them (its Section 6); precise timing (Gers, Schraudolph and
    Schmidhuber 2002): to tell intervals between spikes that differ by a step, and to give spikes
    at an interval that is told; high-precision storage: two marked reals of 50, whose sum is
    wanted to 0.1. Five nets of four cells under Adam, 20 trials at each of two rates, the better
    is shown, until of 1,000 sequences in a row less than ten (of XOR none) are wrong, given up
    after 50,000. It holds if no net solves at least as many trials as every other on every task.
    """
    found = {}
    for name, problem in PROBLEMS.items():
        folder = f"early.{name.replace(' ', '-').replace(',', '')}"
        found[name] = {rung.says: tried(source, folder, problem(), rung) for rung in NETS}
    solved = np.array([[one["solved"] for one in rungs.values()] for rungs in found.values()])
    best_at_all = (solved == solved.max(axis=1, keepdims=True)).all(axis=0).any()
    return Finding(not best_at_all, in_words(found), found, _figure(found))


def _figure(found: dict[str, dict[str, Any]]) -> Figure:
    figure, axes = plt.subplots(3, 2, figsize=(10, 6.5), sharey=True, layout="constrained")
    for ax, (name, rungs) in zip(axes.flat, found.items(), strict=True):
        draw(ax, range(len(NETS)), rungs)
        ax.set(title=name, xlim=(0, 1.15 * CAP), xlabel=None)
    for ax in axes[-1]:
        ax.set(xlabel="training sequences until solved, mean")
    axes[0, 0].set_yticks(range(len(NETS)), [rung.says for rung in NETS])
    axes[0, 0].invert_yaxis()
    return figure
