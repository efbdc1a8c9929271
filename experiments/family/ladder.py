"""From the net of 1997 to the layer of today, a change at a time, on two tasks of 1997."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib.figure import Figure

from experiments.family.rungs import (
    ADAM,
    Rung,
    block,
    draw,
    in_words,
    layer,
    tried_on_rows,
    under_adam,
)
from experiments.studies.findings import Finding
from experiments.studies.trial_source import TrialSource
from lstm_jax.cells.coupled import coupled_lstm
from lstm_jax.cells.gru import gru
from lstm_jax.cells.lstm import lstm
from lstm_jax.cells.peephole import peephole_lstm
from lstm_jax.gradients import forward_traces

ROWS = {"4-100": "Y", "6a": "literal"}  # with the reading that solves the row


def _clipped(rate: Any) -> optax.GradientTransformation:
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(rate))


_FORGET = {"recurrence": "cells", "forget_gates": True, "forget_bias": 1.0}
_OPEN = {**_FORGET, "forget_bias": 5.0}  # half of a state is left after 100 steps
_NARROW = {**_FORGET, "squash_input": (-1.0, 1.0)}
_LSTM, _LSTM_5 = layer(lstm), layer(lstm, forget_bias=5.0)
_PEEPHOLES, _COUPLED, _GRU = layer(peephole_lstm), layer(coupled_lstm), layer(gru)

# each rung of the first part keeps the changes of those before
LADDER = (
    Rung("1997", block(single=False), forward_traces),
    Rung("+ one cell a block", block(), forward_traces),
    Rung("+ gates feed nothing", block(recurrence="cells"), forward_traces),
    Rung("+ forget gates, bias 1", block(**_FORGET), forward_traces),
    Rung("+ g within (-1, 1)", block(**_NARROW), forward_traces),
    Rung("+ full gradient", block(**_NARROW)),
    Rung("+ gate biases drawn", block(**_NARROW, gate_biases=False)),
    Rung("+ torch's LSTM", _LSTM),
    under_adam("+ Adam", _LSTM),
    Rung("+ clipping", _LSTM, optimizer=_clipped, rates=ADAM),
)
BESIDE = (
    under_adam("1997, Adam", block(single=False), forward_traces),
    Rung("1997 + forget gates, bias 5", block(**_OPEN), forward_traces),
    Rung("LSTM, forget bias 5", _LSTM_5),
    under_adam("LSTM, forget bias 5, Adam", _LSTM_5),
    under_adam("peepholes, Adam", _PEEPHOLES),
    under_adam("coupled gates, Adam", _COUPLED),
    under_adam("GRU, Adam", _GRU),
)


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
    found = tried_on_rows(source, "ladder", ROWS, (*LADDER, *BESIDE))
    holds = all(_bears_out(rungs) for rungs in found.values())
    return Finding(holds, in_words(found), found, _figure(found))


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
        draw(ax, at, rungs)
        ax.set(title=f"{name}, {ROWS[name]}")
    axes[0][0].set_yticks(at, says)
    axes[0][0].invert_yaxis()
    return figure
