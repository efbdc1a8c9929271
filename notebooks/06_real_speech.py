# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Real speech
#
# *Who speaks?* Nine speakers said two Japanese vowels (Kudo, Toyama and Shimbo 1999); what came
# through the microphone is given as twelve numbers a step, for 7 to 29 steps. 270 utterances are
# there to learn from, 370 to be tested with. The data come with the package aeon: `make data`.
#
# A bidirectional LSTM reads an utterance in both directions, the mean of its outputs goes to
# nine units, one a speaker. Eight nets with different seeds are trained at once; the study
# `speaker_recognition` (`python -m experiments family speaker_recognition`) has 32.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np
import optax

import lstm_jax as lj
from experiments.common.files import HERE
from experiments.family.collection import FAMILY
from experiments.family.speakers import BAR, SPEAKERS, net, utterances
from lstm_jax import gradients, judging, losses, stopping, tasks

training, test = utterances("train"), utterances("test")
print("inputs", training.inputs.shape, "targets", training.targets.shape)
print("steps from", int(training.length.min()), "to", int(test.length.max()))

# %% [markdown]
# ## What it looks like
#
# Time stands in front, then the units, then the utterances: *lanes*, of which any function of
# this library takes as many as one likes. An utterance shorter than the longest is padded with
# zeros, and nothing that is computed depends on them.

# %%
figure, axes = plt.subplots(1, 3, figsize=(10, 2.6), sharey=True, layout="constrained")
speaker_of = np.asarray(training.targets[0]).argmax(axis=0)
for ax, speaker in zip(axes, (0, 1, 2), strict=True):
    one = int(np.flatnonzero(speaker_of == speaker)[0])
    ax.plot(training.inputs[: int(training.length[one]), :, one])
    ax.set(title=f"speaker {speaker + 1}", xlabel="step")

# %% [markdown]
# ## Eight nets at once
#
# A trial is a net, a task, a learner, and when it is over; `run_trials` trains as many as are
# asked for side by side, and each is what it would be alone. The net drops inputs and outputs
# out while it learns, and the rate of Adam goes down to nothing.

# %%
TRIALS, BATCH, EPOCHS = 8, 30, 15
number = EPOCHS * training.length.shape[-1]
rate = optax.cosine_decay_schedule(0.01, number // BATCH)
model = net()
config = lj.TrialConfig(
    net=model,
    task=tasks.from_sequences(training, inputs=model.inputs),
    learner=lj.gradient_descent(gradients.bptt, losses.softmax_cross_entropy, optax.adam(rate)),
    judge=judging.most_active,
    stop=stopping.recent(number, stopping.Criterion(wrong_below=1)),  # never: epochs are counted
    max_sequences=number,
    test_sequences=0,
    batch=BATCH,
)
trial = lj.make_trial(lambda settings: config)
learnt = {}
records = lj.run_trials(
    trial,
    jax.random.key(0),
    TRIALS,
    lanes=TRIALS,
    on_finished=lambda done: learnt.update({done.record["trial"]: done.params}),
)

# %%
figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
for record in records:
    curve = [error for error in record["curve"] if error is not None]
    ax.semilogy(record["curve_at"][: len(curve)], curve, color="C0", alpha=0.5)
ax.set(xlabel="training utterances", ylabel="mean error of an output")

# %% [markdown]
# ## Who is right
#
# The judge says of every test utterance whether the unit of its speaker is the most active one.


# %%
@jax.jit
def right(params):
    outputs = model.apply(params, test.inputs, test.length)[test.length - 1, :, np.arange(370)]
    return outputs.argmax(axis=1) == test.targets[0].argmax(axis=0)


shares = [float(right(learnt[n]).mean()) for n in range(TRIALS)]
print("recognised:", ", ".join(f"{100 * share:.1f} %" for share in shares))
assert np.mean(shares) > 0.9

# %% [markdown]
# ## The study
#
# With 32 seeds, 40 epochs and the interval of the mean; the bar is what a bidirectional LSTM of
# 64 units in torch reached.

# %%
kept = FAMILY.read(HERE)["speaker_recognition"]
print(kept["words"])
assert kept["holds"] and kept["numbers"]["mean"]["value"] >= BAR
assert len(kept["numbers"]["shares"]) == 32 and model.outputs == SPEAKERS

# %% [markdown]
# ## Exercises
#
# 1. Turn every utterance round in time. What must change in the net to give the same numbers?
# 2. Take the mean over the utterance away: the last step alone is to tell. Who suffers more, the
#    part that reads forwards or the one that reads backwards?
# 3. Which speaker is taken for which? Draw the table.
#
# <details><summary>Answers</summary>
#
# 1. The two cells change places, and their halves of the output weights; the mean does not care.
# 2. The one that reads backwards: at the last step it has seen a single step of the utterance.
# 3. `np.add.at(table, (true, said), 1)` with `said = outputs.argmax(axis=1)`.
# </details>
