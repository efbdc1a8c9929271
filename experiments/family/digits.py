"""Pictures: a multidimensional LSTM reads handwritten digits, beside one that reads rows."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.family.recognition import labelled, loader, percent, recognise
from experiments.studies.findings import Finding
from experiments.studies.trial_source import TrialSource
from lstm_jax.cells.lstm import lstm
from lstm_jax.networks.feedforward import feed_forward
from lstm_jax.networks.grid_sweep import multidimensional
from lstm_jax.networks.running_mean import running_mean
from lstm_jax.networks.sequential import sequential
from lstm_jax.networks.unroll import net_of
from lstm_jax.ops.activations import identity
from lstm_jax.types import Net, Sequence

SIDE, DIGITS = 8, 10
TRIALS, BATCH, RATE, EPOCHS, CELLS = 8, 32, 0.02, 20, 8
TRAINING = 1280  # pictures; the other 517 are for the test


def pictures(by: str) -> tuple[Sequence, Sequence]:
    """Pictures to learn from and others, as the steps of sequences on the last axis.

    Args:
      by: "points", 64 steps of one grey value, row by row, or "rows", 8 steps of 8.

    Raises:
      UserError: the package that carries them is not installed.
    """
    load = loader("load_digits", "sklearn.datasets", "the set of digits")
    grey, digit = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(grey))  # writers come one after another
    steps = SIDE**2 if by == "points" else SIDE
    inputs = np.moveaxis((grey[order] / 8 - 1).reshape(len(grey), steps, -1), 0, -1)

    def some(where: slice) -> Sequence:
        number = inputs[..., where].shape[-1]
        return labelled(inputs[..., where], np.full(number, steps), digit[order][where], DIGITS)

    return some(slice(TRAINING)), some(slice(TRAINING, None))


def _points() -> Net:
    sweep = multidimensional((SIDE, SIDE), 1, CELLS)
    output = feed_forward(sweep.outputs, DIGITS, output_activation=identity)
    return sequential(sweep, running_mean(sweep.outputs), output)


def _rows() -> Net:
    cell = lstm(SIDE, 13, forget_bias=1.0)
    return sequential(net_of(cell), feed_forward(cell.outputs, DIGITS, output_activation=identity))


NETS = {
    "multidimensional, point by point": ("points", _points),
    "LSTM, row by row": ("rows", _rows),
}


def handwritten_digits(source: TrialSource) -> Finding:
    """A multidimensional LSTM learns to read handwritten digits, point by point.

    1,797 pictures of 8 by 8 points (scikit-learn's), 1,280 to learn from; four LSTMs of 8 cells
    that sweep over the picture from its corners (Graves, Fernandez and Schmidhuber 2007), the
    mean of their outputs. Beside it one LSTM of 13 cells, with less than half as many weights,
    that reads 8 rows of 8 points. 8 trials each of 20 epochs in batches of 32, Adam from 0.02
    down to 0. It holds if the multidimensional net reads at least 95 % of the test pictures, the
    lower end of the interval included.
    """
    found: dict[str, Any] = {}
    for name, (by, make) in NETS.items():
        found[name] = recognise(
            source,
            f"digits.{by}",
            make(),
            pictures(by),
            trials=TRIALS,
            epochs=EPOCHS,
            batch=BATCH,
            rate=RATE,
        )
    words = "; ".join(
        f"{name} ({one['weights']} weights): {percent(one)}" for name, one in found.items()
    )
    return Finding(found[next(iter(NETS))]["mean"]["low"] >= 0.95, words, found, _figure(found))


def _figure(found: dict[str, Any]) -> Figure:
    """Every trial of both nets, and some of the pictures."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained", width_ratios=[1.6, 1])
    for place, (name, one) in enumerate(found.items()):
        axes[0].plot([100 * rate for rate in one["shares"]], [place] * TRIALS, "o", alpha=0.6)
        axes[0].text(100 * min(one["shares"]), place + 0.15, name)
    axes[0].set(xlabel="% of test pictures read", yticks=[], ylim=(-0.5, len(found) - 0.4))
    shown = np.asarray(pictures("rows")[1].inputs)[:, :, :8]
    axes[1].imshow(np.hstack([shown[:, :, n] for n in range(8)]), cmap="Greys")
    axes[1].set(xticks=[], yticks=[])
    return figure
