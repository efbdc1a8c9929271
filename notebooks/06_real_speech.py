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
TRIALS, BATCH, EPOCHS = 8, 30, 20
model = net()
number = EPOCHS * training.length.shape[-1]
rate = optax.cosine_decay_schedule(0.01, number // BATCH)
trial = lj.make_trial(
    lambda settings: lj.TrialConfig(
        net=model,
        task=tasks.from_sequences(training, test),
        learner=lj.gradient_descent(
            gradients.bptt, losses.softmax_cross_entropy, optax.adam(rate)
        ),
        judge=judging.most_active,
        stop=stopping.recent(1, stopping.Criterion(wrong_below=0)),  # never: epochs are counted
        max_sequences=number,
        test_sequences=0,
        batch=BATCH,
    )
)
