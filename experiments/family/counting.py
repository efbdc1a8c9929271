"""Languages that have to be counted, far beyond the strings that were trained on."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib.figure import Figure

from experiments.common.intervals import wilson
from experiments.running.results import solved_after
from experiments.studies.findings import Finding
from experiments.studies.trial_source import TrialSource
from lstm_jax.cells.gru import gru
from lstm_jax.cells.lstm import lstm
from lstm_jax.cells.peephole import peephole_lstm
from lstm_jax.cells.rnn import rnn
from lstm_jax.gradients import bptt
from lstm_jax.losses import sigmoid_cross_entropy
from lstm_jax.networks.readout import readout
from lstm_jax.networks.unroll import predict
from lstm_jax.ops.activations import identity
from lstm_jax.tasks import counting_language
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import most_active
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Cell, Sequence

LANGUAGES = {"a^n b^n": 2, "a^n b^n c^n": 3}
TRIALS, HIDDEN, RATE = 20, 3, 0.01
TRAINED, TESTED = 10, 500  # the largest n
RIGHT, CAP = 10_000, 100_000  # strings in a row without a wrong prediction; strings at most

NETS: dict[str, Callable[[int], Cell]] = {
    "LSTM with peepholes": lambda n: peephole_lstm(n, HIDDEN),
    "LSTM": lambda n: lstm(n, HIDDEN, forget_bias=1.0),
    "GRU": lambda n: gru(n, HIDDEN),
    "tanh net": lambda n: rnn(n, HIDDEN),
}


def config(net: Cell, letters: int) -> TrialConfig:
    """A trial of one net on one language."""
    return TrialConfig(
        net=net,
        task=counting_language(letters, 1, TRAINED),
        learner=gradient_descent(bptt, sigmoid_cross_entropy, optax.adam(RATE)),
        judge=most_active,
        stop=recent(RIGHT, Criterion(wrong_below=1)),
        max_sequences=CAP,
        test_sequences=0,
    )


def counting_languages(source: TrialSource) -> Finding:
    """Nets with a carousel learn to count: strings of lengths that they have never seen are right.

    a^n b^n and a^n b^n c^n with n up to 10 (Gers and Schmidhuber 2001), symbol by symbol; what
    may come next must be the most active outputs. 20 trials of each net with 3 cells, Adam 0.01
    after every string, until 10,000 strings in a row are right, at most 100,000. Then all strings
    up to n = 500: a trial generalises to the largest n up to which no string is wrong. It holds
    if, on both languages, the median trial of the LSTM with peepholes that succeeds generalises
    to at least one and a half times the n that was trained, and no tanh net of as many units
    succeeds.
    """
    found: dict[str, Any] = {}
    for language, letters in LANGUAGES.items():
        strings = _strings(letters)
        for name, make in NETS.items():
            net = readout(make(letters + 1), letters + 1, activation=identity)
            folder = f"counting.{letters}.{name.replace(' ', '-')}"
            found[f"{language}, {name}"] = _one(source, folder, net, letters, strings)
    medians = [found[f"{language}, LSTM with peepholes"]["median"] for language in LANGUAGES]
    without = [found[f"{language}, tanh net"]["solved"] for language in LANGUAGES]
    words = "; ".join(
        f"{name}: {one['solved']} of {TRIALS}"
        + (f", to n = {one['median']:.0f} (median)" if one["solved"] else "")
        for name, one in found.items()
    )
    return Finding(min(medians) >= 1.5 * TRAINED and not any(without), words, found, _figure(found))


def _strings(letters: int) -> Sequence:
    """All strings up to the largest n that is tested, in lanes."""
    at = counting_language(letters, 1, TRAINED, TESTED).evaluation_set
    assert at is not None
    return jax.vmap(at, out_axes=-1)(jnp.arange(TESTED))


def _one(
    source: TrialSource, folder: str, net: Cell, letters: int, strings: Sequence
) -> dict[str, Any]:
    """The trials of one net on one language."""
    trial = make_trial(lambda settings: config(net, letters))
    records = source.trials(folder, trial, TRIALS, lanes=TRIALS)
    like = net.init(jax.random.key(0))

    @jax.jit
    def wrong(params: Any) -> Any:
        return most_active(predict(net, params, strings), strings).wrong

    reached = []
    for record in records:
        if record["phase"] == "solved":
            errs = np.append(np.asarray(wrong(source.params(folder, record["trial"], like))), True)
            reached.append(int(np.argmax(errs)))
    after = solved_after(records)
    return {
        "solved": len(after),
        "share": wilson(len(after), TRIALS)._asdict(),
        "sequences": sorted(after),
        "reached": sorted(reached),
        "median": float(np.median(reached)) if reached else 0.0,
    }


def _figure(found: dict[str, Any]) -> Figure:
    """How far every trial generalises."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained", sharey=True)
    for ax, language in zip(axes, LANGUAGES, strict=True):
        for place, name in enumerate(NETS):
            reached = found[f"{language}, {name}"]["reached"]
            ax.plot(reached, [place] * len(reached), "o", alpha=0.4)
        ax.axvline(TRAINED, color="black", lw=0.5)
        ax.set(
            title=language, xscale="log", xlabel="largest n (line: trained)", xlim=(1, TESTED * 1.2)
        )
    axes[0].set(yticks=range(len(NETS)), yticklabels=NETS, ylim=(-0.5, len(NETS) - 0.5))
    return figure
