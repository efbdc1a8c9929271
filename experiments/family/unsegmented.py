"""Labels without segmentation: a bidirectional LSTM with CTC."""

from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import optax
from matplotlib.figure import Figure

from experiments.common.intervals import bootstrap
from experiments.running.results import mean_curve
from experiments.studies.findings import Finding
from experiments.studies.trial_source import TrialSource
from lstm_jax.cells.lstm import lstm
from lstm_jax.ctc import best_path, ctc, edit_distance, labelling
from lstm_jax.gradients import bptt
from lstm_jax.networks.bidirectional import bidirectional
from lstm_jax.networks.feedforward import feed_forward
from lstm_jax.networks.sequential import sequential
from lstm_jax.ops.activations import identity
from lstm_jax.tasks import unsegmented
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import Judgement
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Array, Net, Sequence

TRIALS, UNITS, BATCH, RATE = 8, 16, 16, 0.01
SEQUENCES, TEST = 48_000, 1_024


def _net() -> Net:
    one = lstm(2, UNITS, forget_bias=1.0)
    net, outputs = bidirectional(one, one), unsegmented().outputs
    return sequential(net, feed_forward(net.outputs, outputs, output_activation=identity))


def spelling(outputs: Array, sequence: Sequence) -> Judgement:
    """Judge: wrong is a sequence whose best path spells other labels; error the label error rate.

    That is the edit distance over the number of labels wanted.
    """
    wanted = labelling(sequence)
    distance = edit_distance(best_path(outputs, sequence.length), wanted).astype(outputs.dtype)
    rate = distance / jnp.maximum(wanted.length, 1).astype(outputs.dtype)
    return Judgement(distance > 0, rate, rate**2)


def unsegmented_labels(source: TrialSource) -> Finding:
    """CTC teaches a bidirectional LSTM to label a signal that nobody has cut into pieces.

    Ramps on two channels (`tasks.unsegmented`), 8 trials of 48,000 sequences in batches of 16,
    Adam 0.01, best-path decoding of 1,024 fresh sequences. It holds if the mean label error
    rate, the upper end of its interval included, lies below 2 %.
    """
    config = TrialConfig(
        net=_net(),
        task=unsegmented(),
        learner=gradient_descent(bptt, ctc, optax.adam(RATE)),
        judge=spelling,
        stop=recent(SEQUENCES, Criterion(wrong_below=SEQUENCES + 1)),  # all see as many
        max_sequences=SEQUENCES + BATCH,
        test_sequences=TEST,
        batch=BATCH,
    )
    records = source.trials("unsegmented", make_trial(lambda settings: config), TRIALS, lanes=8)
    rates = [record["test"]["error"] for record in records]
    mean = bootstrap(rates)
    assert mean is not None
    found = {
        "label_error_rates": rates,
        "mean": mean._asdict(),
        **mean_curve(records),
    }
    value, low, high = (100 * one for one in mean)
    words = f"label error rate {value:.2f} % [{low:.2f}, {high:.2f}]"
    return Finding(mean.high < 0.02, words, found, _figure(found))


def _figure(found: dict[str, Any]) -> Figure:
    """A signal with its labels, and what is learnt over time."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    one = jax.device_get(unsegmented().sample(jax.random.key(0)))
    for channel in range(2):
        left.plot(one.inputs[: one.length, channel], label=f"channel {channel + 1}")
    labels = one.targets[: one.target_length].argmax(axis=1)
    left.set(xlabel="step", title="labels " + " ".join(map(str, labels)))
    left.legend(fontsize="small")
    right.semilogy(found["curve_at"], found["curve"])
    right.axhline(0.02, color="black", lw=0.5)
    right.set(xlabel="training sequences", ylabel="label error rate, mean")
    return figure
