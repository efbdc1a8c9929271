"""Who speaks: speaker recognition on real speech, the data set JapaneseVowels."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.family.recognition import labelled, loader, percent, recognise
from experiments.studies.findings import Finding
from experiments.studies.trial_source import TrialSource
from lstm_jax.cells.lstm import lstm
from lstm_jax.networks.bidirectional import bidirectional
from lstm_jax.networks.dropout import dropout
from lstm_jax.networks.feedforward import feed_forward
from lstm_jax.networks.running_mean import running_mean
from lstm_jax.networks.sequential import sequential
from lstm_jax.ops.activations import identity
from lstm_jax.types import Net, Sequence

CHANNELS, SPEAKERS, STEPS = 12, 9, 29  # the longest utterance has 29 steps
TRIALS, UNITS, BATCH, RATE, EPOCHS = 32, 32, 30, 0.01, 40
DROPOUT = 0.3, 0.5  # of the inputs, and of what the output layer reads
BAR = 0.966


def utterances(split: str) -> Sequence:
    """The utterances of a split, "train" or "test", on the last axis.

    Raises:
      UserError: the package that carries them is not installed.
    """
    load = loader("load_japanese_vowels", "aeon.datasets", "JapaneseVowels")
    signals, speakers = load(split=split)
    inputs = np.zeros((STEPS, CHANNELS, len(signals)))
    for n, signal in enumerate(signals):
        inputs[: signal.shape[1], :, n] = signal.T
    length = np.array([signal.shape[1] for signal in signals])
    return labelled(inputs, length, np.asarray(speakers).astype(int) - 1, SPEAKERS)


def net() -> Net:
    """A bidirectional LSTM, the mean of its outputs over an utterance, an output a speaker."""
    one, (of_inputs, of_mean) = lstm(CHANNELS, UNITS, forget_bias=1.0), DROPOUT
    both = bidirectional(one, one)
    return sequential(
        dropout(CHANNELS, of_inputs),
        both,
        running_mean(both.outputs),
        dropout(both.outputs, of_mean),
        feed_forward(both.outputs, SPEAKERS, output_activation=identity),
    )


def speaker_recognition(source: TrialSource) -> Finding:
    """A bidirectional LSTM tells nine speakers apart, by 7 to 29 steps of two vowels.

    JapaneseVowels (Kudo, Toyama and Shimbo 1999): 270 utterances to learn from, 370 to be
    tested with, 12 cepstral coefficients a step. 32 trials side by side of 40 epochs in batches
    of 30; two LSTMs of 32 cells, the mean of their outputs over the utterance, dropout of 0.3
    before and 0.5 behind them, Adam from 0.01 down to 0. It holds if the mean share of test
    utterances recognised is at least 96.6 %, what a bidirectional LSTM of 64 units in torch
    reached (mean of 5 trials of 60 epochs).
    """
    found = recognise(
        source,
        "speakers",
        net(),
        (utterances("train"), utterances("test")),
        trials=TRIALS,
        epochs=EPOCHS,
        batch=BATCH,
        rate=RATE,
    )
    words = (
        f"{percent(found)} of the test utterances recognised; the best trial "
        f"{100 * max(found['shares']):.1f} %, the worst {100 * min(found['shares']):.1f} %"
    )
    return Finding(found["mean"]["value"] >= BAR, words, found, _figure(found))


def _figure(found: dict[str, Any]) -> Figure:
    """What is learnt over time, and how many trials recognise how many."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    left.semilogy(found["curve_at"], found["curve"])
    left.set(xlabel="training utterances", ylabel="share wrong, mean")
    right.hist([100 * one for one in found["shares"]], bins=12)
    right.axvline(100 * BAR, color="black", lw=0.5)
    right.set(xlabel="% of test utterances recognised (line: torch)", ylabel="trials")
    return figure
