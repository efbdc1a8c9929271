"""How a layer of today has to begin to bridge lags of 1997."""

from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.family.ladder import ROWS
from experiments.family.rungs import CELLS, draw, in_words, layer, tried_on_rows, under_adam
from experiments.paper.settings import NetSettings
from experiments.studies.findings import Finding
from experiments.studies.trial_source import TrialSource
from lstm_jax.cells.lstm import lstm
from lstm_jax.cells.torch_layout import TorchParams
from lstm_jax.types import Cell, Key

LAG = 100  # of both rows


def _weights_of_1997(net: NetSettings) -> Cell:
    return lstm(net.inputs, CELLS, init_scale=net.weights)


def _keras(net: NetSettings) -> Cell:
    """Input weights by Glorot and Bengio, recurrent ones orthogonal, forget biases of 1."""
    cell = lstm(net.inputs, CELLS, forget_bias=1.0)
    orthogonal, glorot = jax.nn.initializers.orthogonal(), jax.nn.initializers.glorot_uniform()

    def init(key: Key) -> TorchParams:
        params = cell.init(key)
        keys = jax.random.split(key, 3)
        assert params.bias_ih is not None and params.bias_hh is not None
        forget = jnp.arange(4 * CELLS) // CELLS == 1
        return params._replace(
            weight_ih=glorot(keys[0], params.weight_ih.shape[::-1]).T,
            weight_hh=orthogonal(keys[1], params.weight_hh.shape[::-1]).T,
            bias_ih=jnp.where(forget, params.bias_ih, 0),
            bias_hh=jnp.zeros_like(params.bias_hh),
        )

    return cell._replace(init=init)


def _shut(net: NetSettings) -> Cell:
    """Forget gates open, input gates shut by the biases of the row, as in 1997."""
    cell = lstm(net.inputs, CELLS, forget_bias=5.0)
    assert net.input_gate is not None
    shut = np.repeat(net.input_gate, CELLS // len(net.input_gate))

    def init(key: Key) -> TorchParams:
        params = cell.init(key)
        assert params.bias_ih is not None
        return params._replace(bias_ih=params.bias_ih.at[:CELLS].set(jnp.asarray(shut, float)))

    return cell._replace(init=init)


BEGINNINGS = (
    under_adam("torch", layer(lstm)),
    under_adam("weights of 1997", _weights_of_1997),
    under_adam("forget bias 1", layer(lstm, forget_bias=1.0)),
    under_adam("Keras", _keras),
    under_adam("forget bias 5", layer(lstm, forget_bias=5.0)),
    under_adam("forget bias 5, input gates shut", _shut),
    under_adam(f"chrono, T = {LAG}", layer(lstm, chrono_steps=float(LAG))),
)


def beginnings(source: TrialSource) -> Finding:
    """Chrono initialisation is what today's layer lacks for the lags of 1997.

    Rows 4-100 (Y) and 6a, an LSTM layer of four cells under Adam, seven ways to begin: as torch
    does; with all weights as small as those of the row; with forget biases of 1; as Keras does
    (Glorot, orthogonal, forget biases of 1); with forget biases of 5, and with the input gates'
    biases of the row besides; and by the chrono initialisation of Tallec and Ollivier (2018) for
    100 steps. 20 trials at each of two rates, the better is shown, given up after 200,000
    sequences. It holds if on both rows chrono solves 90 %, and what torch and Keras begin with
    significantly fewer (Wilson intervals apart).
    """
    found = tried_on_rows(source, "beginnings", ROWS, BEGINNINGS)
    holds = all(_bears_out(rungs) for rungs in found.values())
    return Finding(holds, in_words(found), found, _figure(found))


def _bears_out(rungs: dict[str, Any]) -> bool:
    chrono = rungs[BEGINNINGS[-1].says]["success"]
    apart = all(rungs[name]["success"]["high"] < chrono["low"] for name in ("torch", "Keras"))
    return apart and chrono["value"] >= 0.9


def _figure(found: dict[str, dict[str, Any]]) -> Figure:
    figure, axes = plt.subplots(1, 2, figsize=(11, 3), sharey=True, layout="constrained")
    at = np.arange(len(BEGINNINGS))
    for ax, (name, rungs) in zip(axes, found.items(), strict=True):
        draw(ax, at, rungs)
        ax.set(title=f"{name}, {ROWS[name]}")
    axes[0].set_yticks(at, [rung.says for rung in BEGINNINGS])
    axes[0].invert_yaxis()
    return figure
