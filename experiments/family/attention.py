"""Copying with and without attention, up to lengths that were not trained on."""

from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from matplotlib.figure import Figure

from experiments.common.intervals import wilson
from experiments.studies.findings import Finding
from experiments.studies.trial_source import TrialSource
from lstm_jax.cells.lstm import lstm
from lstm_jax.gradients import bptt
from lstm_jax.losses import softmax_cross_entropy
from lstm_jax.networks.bidirectional import bidirectional
from lstm_jax.networks.decoder import decoder, teacher_forcing
from lstm_jax.networks.decoding import greedy
from lstm_jax.networks.encoder_decoder import encoder_decoder
from lstm_jax.tasks import copying
from lstm_jax.tasks.copying import BEGIN, END
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import Judgement
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Array, Net, Sequence

LETTERS, LONGEST, FARTHEST = 6, 8, 16
TRIALS, UNITS, BATCH, RATE = 8, 24, 16, 0.005
SEQUENCES, TEST = 24_000, 50  # test sequences of each length


def _writer(attention: bool):
    return decoder(
        lambda inputs: lstm(inputs, UNITS, forget_bias=1.0),
        LETTERS + 2,
        2 * UNITS,
        attention=UNITS if attention else None,
    )


def _net(attention: bool, longest: int) -> Net:
    one = lstm(LETTERS + 2, UNITS, forget_bias=1.0)
    writer = _writer(attention)
    return encoder_decoder(bidirectional(one, one), writer, begin=BEGIN, end=END, steps=longest + 1)


def written_right(outputs: Array, sequence: Sequence) -> Judgement:
    """Judge: wrong is a string of which any label is another; error the share of those."""
    wrong = sequence.mask & (jnp.argmax(outputs, axis=1) != jnp.argmax(sequence.goals, axis=1))
    number = jnp.maximum(sequence.mask.sum(axis=0), 1).astype(outputs.dtype)
    share = wrong.sum(axis=0).astype(outputs.dtype) / number
    return Judgement(jnp.any(wrong, axis=0), share, share**2)


def attention_and_length(source: TrialSource) -> Finding:
    """Attention keeps copying and reversal right at lengths where a single code gives out.

    A bidirectional LSTM reads strings of 1 to 8 letters out of 6, another LSTM writes them
    again, with additive attention or from the encoding of the last step alone; 8 trials each of
    24,000 strings in batches of 16, Adam 0.005, teacher forcing. Right is a string that is
    written greedily without any fault; 50 fresh strings of each length up to 16, twice what was
    trained on, by each trial. It holds if at length 8 the intervals of both tasks lie apart in
    favour of attention.
    """
    found: dict[str, Any] = {}
    for task in ("copying", "reversal"):
        for attention in (True, False):
            name = f"{task}, {'attention' if attention else 'one code'}"
            found[name] = _shares(source, name, task == "reversal", attention)
    at = LONGEST - 1
    sides = [
        (found[f"{task}, attention"]["success"][at], found[f"{task}, one code"]["success"][at])
        for task in ("copying", "reversal")
    ]
    holds = all(one["low"] > other["high"] for one, other in sides)
    words = "; ".join(
        f"{name}: "
        + ", ".join(
            f"{100 * one['success'][n - 1]['value']:.0f} % at length {n}" for n in (4, 8, 12, 16)
        )
        for name, one in found.items()
    )
    return Finding(holds, words, found, _figure(found))


def _shares(source: TrialSource, name: str, backwards: bool, attention: bool) -> dict[str, Any]:
    """Train, then write strings of every length."""
    config = TrialConfig(
        net=_net(attention, LONGEST),
        task=copying(LETTERS, 1, LONGEST, backwards=backwards),
        learner=gradient_descent(bptt, softmax_cross_entropy, optax.adam(RATE)),
        judge=written_right,
        stop=recent(SEQUENCES, Criterion(wrong_below=1)),  # that is never: all see as many
        max_sequences=SEQUENCES,
        test_sequences=0,
        batch=BATCH,
    )
    folder = "attention." + name.replace(", ", "-").replace(" ", "-")
    source.trials(folder, make_trial(lambda settings: config), TRIALS, lanes=4)
    far = _net(attention, FARTHEST)
    task = copying(LETTERS, 1, FARTHEST, backwards=backwards)
    assert task.evaluation_set is not None
    strings = jax.vmap(task.evaluation_set, out_axes=-1)(jnp.arange(FARTHEST * TEST))

    @jax.jit
    def wrong(params, strings):
        return written_right(far.apply(params, strings.inputs, strings.length, None), strings).wrong

    like = far.init(jax.random.key(0))
    learnt = [source.params(folder, i, like) for i in range(TRIALS)]
    right = np.stack([~np.asarray(wrong(params, strings)) for params in learnt])  # trials, strings
    right = right.reshape(TRIALS, TEST, FARTHEST).sum(axis=(0, 1))
    shares = [wilson(int(n), TRIALS * TEST)._asdict() for n in right]
    picture = _alignment(learnt[0], backwards) if attention else None
    return {"success": shares, "alignment": picture}


def _alignment(params: Any, backwards: bool) -> list[list[float]]:
    """Where the first trial's decoder looks while it writes one string of the largest length."""
    writer = _writer(True)
    one = copying(LETTERS, LONGEST, LONGEST, backwards=backwards).sample(jax.random.key(5))
    encoder = bidirectional(*[lstm(LETTERS + 2, UNITS)] * 2)
    encoded = encoder.apply(params.encoder, one.inputs, one.length, None)
    ask = {"begin": BEGIN, "end": END, "steps": LONGEST + 1}
    labels = greedy(writer, params.decoder, encoded, one.length, **ask).labels
    previous = jnp.concatenate([jnp.full((1,), BEGIN, jnp.int32), labels[:-1]])
    seen = teacher_forcing(writer, params.decoder, encoded, one.length, previous).alignment
    assert seen is not None
    return np.asarray(seen).tolist()


def _figure(found: dict[str, Any]) -> Figure:
    """Success by length with intervals, and attention weights as pictures."""
    pictures = {name: one["alignment"] for name, one in found.items() if one["alignment"]}
    figure, axes = plt.subplots(
        1, 1 + len(pictures), figsize=(5 + 3 * len(pictures), 3.4), layout="constrained",
        width_ratios=[1.6, *[1] * len(pictures)],
    )  # fmt: skip
    lengths = np.arange(1, FARTHEST + 1)
    for i, (name, one) in enumerate(found.items()):
        value, low, high = (
            np.array([s[k] for s in one["success"]]) for k in ("value", "low", "high")
        )
        style = "-" if "attention" in name else "--"
        axes[0].plot(lengths, value, style, color=f"C{i // 2}", label=name)
        axes[0].fill_between(lengths, low, high, color=f"C{i // 2}", alpha=0.15)
    axes[0].axvline(LONGEST, color="black", lw=0.5)
    axes[0].set(xlabel="length (line: longest trained on)", ylabel="share of strings right")
    axes[0].legend(fontsize="small")
    for ax, (name, weights) in zip(axes[1:], pictures.items(), strict=True):
        ax.imshow(weights, cmap="Blues", vmin=0, vmax=1)
        ax.set(title=name, xlabel="step read", ylabel="label written")
    return figure
