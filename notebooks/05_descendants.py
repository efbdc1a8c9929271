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
# # Descendants
#
# *Why does my `nn.LSTM` not do what the net of 1997 did?* The layer of today differs from the
# net of 1997 in many things at once. The study `ladder` of this library's laboratory changes
# one at a time, on two tasks of 1997, with twenty trials at each of two learning rates:
#
#     python -m experiments family ladder
#
# This notebook reads what it left in `experiments/results/family`, and trains a little beside.
# All figures and counts are computed; what the text says is asserted.
#
# If you know NumPy but not JAX: `jax.jit(f)` compiles a function of arrays, a *key* is where
# randomness comes from, and *lanes* are trials or sequences side by side, the last axes of
# every array.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np
import optax

import lstm_jax as lj
from experiments.common.files import HERE
from experiments.family.collection import FAMILY
from experiments.family.ladder import BESIDE, LADDER
from lstm_jax import activations, gradients, judging, losses, stopping, tasks

lj.tune_cpu_loops()  # before the first computation
kept = FAMILY.read(HERE)["ladder"]
rows = kept["numbers"]
print(kept["words"].replace("; ", "\n").replace("solved, ", "solved\n"))

# %% [markdown]
# ## The ladder
#
# Each rung of the upper part keeps the changes of those above it; those of the lower part stand
# beside. The bar is how long it took, and the number behind how many of twenty were solved.

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 5), sharey=True, layout="constrained")
says = [rung.says for rung in (*LADDER, *BESIDE)]
for ax, (row, rungs) in zip(axes, rows.items(), strict=True):
    for y, name in enumerate(says):
        one = rungs[name]
        mean = one["mean"]["value"] if one["mean"] else 0
        ax.barh(y, mean, color="C0", alpha=0.2 + 0.8 * one["success"]["value"])
        ax.text(mean, y, f"  {one['solved']}/{one['trials']}", va="center", fontsize=8)
    ax.set(title=row, xlabel="training sequences, mean of the solved")
axes[0].set_yticks(range(len(says)), says)
axes[0].invert_yaxis()

# %% [markdown]
# ## Where a forget gate begins
#
# The carousel of 1997 keeps a state for ever. A forget gate multiplies it by f at every step,
# and what is left after q steps is f to the power of q. A bias of 1, often recommended, is
# f = 0.73: after 50 steps a ten-millionth is left, of the state and of the error alike.
# A bias of 5 leaves half of it after 100 steps.

# %%
steps = np.arange(101)
figure, ax = plt.subplots(figsize=(5, 3), layout="constrained")
for bias in (0, 1, 3, 5):
    ax.semilogy(steps, (1 / (1 + np.exp(-bias))) ** steps, label=f"bias {bias}")
ax.set(xlabel="steps", ylabel="share of the state that is left", ylim=(1e-12, 2))
ax.legend()
assert (1 / (1 + np.exp(-1))) ** 50 < 1e-6 < 0.4 < (1 / (1 + np.exp(-5))) ** 100

# %% [markdown]
# ## Tried here
#
# The same layer of today, twice, on a shortened adding problem (20 pairs); all that differs is
# the bias with which its forget gates begin.


# %%
def trial(bias):
    net = lj.readout(lj.lstm(2, 4, forget_bias=bias), 1, activation=activations.identity)
    learner = lj.gradient_descent(gradients.bptt, losses.squared_error, optax.adam(0.01))
    return lj.TrialConfig(
        net=net,
        task=tasks.adding(20),
        learner=learner,
        judge=judging.within(0.1),
        stop=stopping.recent(500, stopping.Criterion(wrong_below=1)),
        max_sequences=15_000,
        test_sequences=0,
    )


for bias in (None, 5.0):
    made = lj.make_trial(lambda settings, bias=bias: trial(bias))
    records = lj.run_trials(made, jax.random.key(0), 16, lanes=16)
    after = [record["sequences"] for record in records if record["phase"] == "solved"]
    begin = "drawn" if bias is None else f"{bias:g}"
    print(f"forget biases {begin}: {len(after)} of 16 solved", np.sort(after)[:5])

# %% [markdown]
# ## How a layer of today has to begin
#
# An open forget gate alone is not enough: while it keeps, what comes in at every step adds up.
# The study `beginnings` tries seven ways to begin on the same two tasks. The net of 1997 began
# with input gates that are shut; the *chrono initialisation* (Tallec and Ollivier 2018) opens
# the forget gates as far as lags of up to T steps ask for, and shuts the input gates by as much.

# %%
begun = FAMILY.read(HERE)["beginnings"]["numbers"]
for row, ways in begun.items():
    print(row)
    for way, one in ways.items():
        print(f"  {way:34}{one['solved']:3} of {one['trials']}")
for ways in begun.values():
    assert (
        ways["chrono, T = 100"]["solved"] >= 18 > ways["Keras"]["solved"] >= ways["torch"]["solved"]
    )

# %%
drawn = lj.lstm(2, 1000, chrono_steps=100).init(jax.random.key(0))
kept = np.asarray(drawn.bias_ih)[1000:2000]  # forget gates; 1 / (1 - f) steps are kept
figure, ax = plt.subplots(figsize=(5, 2.6), layout="constrained")
ax.hist(1 + np.exp(kept), bins=20)
ax.set(xlabel="steps that a forget gate keeps", ylabel="cells")

# %% [markdown]
# ## Exercises
#
# 1. Which bias leaves a tenth of a state after q steps? Check it with the figure for q = 50.
# 2. Why does the truncated gradient of 1997 suffer from closed forget gates as the full one does?
# 3. A GRU has no forget gate by that name. Which of its gates plays the part?
#
# <details><summary>Answers</summary>
#
# 1. f^q = 0.1, so f = 0.1^(1/q) and the bias is log(f / (1 - f)); for q = 50 it is 3.05.
# 2. What the cut leaves is the path through the cell state, and that is what f multiplies.
# 3. The update gate z, which keeps h; drawn around 0 it begins at z = 0.5.
# </details>

# %%
f = 0.1 ** (1 / 50)
assert abs(np.log(f / (1 - f)) - 3.05) < 0.01
