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
# # From the perceptron to attention
#
# A walk through the nets of *Understanding LSTM* (Staudemeyer and Morris 2019), each on the
# task that shows its point: what it can do that the one before it could not. Every number is
# computed here with fixed seeds; what the text claims is asserted in the code.
#
# **If you know NumPy but not JAX**, three words are all you need:
#
# * `jax.jit(f)` compiles a function of arrays; the first call is slow, all others are fast.
# * A *key* (`jax.random.key(0)`) is where randomness comes from. A function that draws takes
#   one, and gives the same numbers for the same key; `jax.random.split` makes new ones.
# * *Lanes* are whatever stands behind the units in an array: `(units,)` is one sequence,
#   `(units, 32)` is 32 sequences or 32 independent trials side by side, by the same lines.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import lstm_jax as lj
from lstm_jax import activations, ctc, gradients, judging, losses, stopping, tasks
from lstm_jax.methods.perceptron import Unit, delta_rule, net_input, perceptron_rule, teach
from lstm_jax.networks.encoder_decoder import encoder_decoder

lj.tune_cpu_loops()
plt.rcParams.update({"figure.constrained_layout.use": True, "legend.frameon": False})


def trials(net, task, rule, loss, optimizer, judge, *, number=8, most=20_000, batch=None):
    """Records of some trials, and what each had learned."""
    config = lj.TrialConfig(
        net=net,
        task=task,
        learner=lj.gradient_descent(rule, loss, optimizer),
        judge=judge,
        stop=stopping.recent(500, stopping.Criterion(wrong_below=1)),
        max_sequences=most,
        test_sequences=320,
        batch=batch,
    )
    kept = {}
    records = lj.run_trials(
        lj.make_trial(lambda settings: config),
        jax.random.key(0),
        number,
        lanes=number,
        on_finished=lambda finished: kept.update({finished.record["trial"]: finished.params}),
    )
    return records, kept


def solved(records):
    return sum(record["phase"] == "solved" for record in records)


# %% [markdown]
# ## 1. One unit draws one line
#
# A perceptron says 1 on one side of a line and -1 on the other, and moves the line whenever it
# is wrong. AND, OR, NAND and NOR are such lines. XOR is not: no line has (0, 1) and (1, 0) on
# one side and (0, 0) and (1, 1) on the other, and the rule goes on for ever.

# %%
corners = jnp.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
GATES = {
    "AND": [-1, -1, -1, 1],
    "OR": [-1, 1, 1, 1],
    "NAND": [1, 1, 1, -1],
    "NOR": [1, -1, -1, -1],
    "XOR": [-1, 1, 1, -1],
}
zero = Unit(jnp.zeros(2), jnp.zeros(()))
for name, targets in GATES.items():
    taught = teach(perceptron_rule, zero, corners, jnp.array(targets, float))
    print(
        f"{name:5}",
        "solved after" if taught.solved else "not solved in",
        int(taught.epochs),
        "epochs",
    )
    assert bool(taught.solved) == (name != "XOR")

# %% [markdown]
# The *delta rule* goes down the gradient of the squared error of the net input instead. It does
# not mind that XOR cannot be solved: it finds the best fit, which is to say 0 to everything.

# %%
xor = jnp.array(GATES["XOR"], float)
fitted = teach(delta_rule, zero, corners, xor, rate=0.02, most_epochs=2000).unit
answers = np.array([float(net_input(fitted, corner)) for corner in corners])
print("answers of the least-squares fit to XOR:", answers.round(2))
assert np.abs(answers).max() < 0.1

# %% [markdown]
# ## 2. Two layers bend it
#
# With hidden units between, the error of the output has to be shared out among them: that is
# back-propagation. In JAX it is `jax.grad`; `networks.feedforward.error_signals` has it by hand.

# %%
bits = corners.T  # (inputs, examples): units first, lanes last
wanted = (xor[None] + 1) / 2
net = lj.feed_forward(2, 4, 1, init_scale=2.0)


def error(params):
    return jnp.mean((net.apply(params, bits[None], jnp.ones(4, int))[0] - wanted) ** 2)


@jax.jit
def descend(params):
    return jax.tree.map(lambda p, g: p - 5 * g, params, jax.grad(error)(params))


params = net.init(jax.random.key(1))
for _ in range(1000):
    params = descend(params)
print("mean squared error of XOR in two layers:", float(error(params)))
assert error(params) < 0.01

# %% [markdown]
# ## 3. Recurrent nets forget, cells do not
#
# Now inputs come one after the other. In *adding* the net sees some 20 pairs, a random number
# and a mark; at the end it has to tell the sum of the two marked numbers (Hochreiter and
# Schmidhuber 1997, experiment 4, shortened). An Elman net with the full gradient is put beside
# the memory cells of 1997 with their truncated one: sixteen nets of each, by plain gradient
# descent.

# %%
blocks = lj.memory_block(
    lj.Topology(inputs=2, blocks=(2, 2)), lj.Initialization(input_gate=(-3.0, -6.0))
)
CASES = {
    "Elman": (lj.elman(2, 12), gradients.bptt, 0.05),
    "LSTM of 1997": (blocks, gradients.forward_traces, 0.5),
}


def curve(record):
    """Mean errors and where they stand; a trial that ends early has no more of them."""
    points = zip(record["curve_at"], record["curve"], strict=True)
    return np.array([(at, error) for at, error in points if error is not None]).T


learnt = {}
for name, (cell, rule, rate) in CASES.items():
    net = lj.readout(cell, 1, activation=activations.identity)
    learnt[name], _ = trials(
        net, tasks.adding(20), rule, losses.squared_error, optax.sgd(rate),
        judging.within(0.1), number=16, most=16_000,
    )  # fmt: skip
    print(f"{name}: {solved(learnt[name])} of 16 solved")
assert solved(learnt["Elman"]) < 8 < solved(learnt["LSTM of 1997"])

# %%
figure, ax = plt.subplots(figsize=(6, 3))
for i, (name, records) in enumerate(learnt.items()):
    for record in records:
        ax.plot(*curve(record), f"C{i}", lw=0.7)
    ax.plot([], [], f"C{i}", label=name)
ax.set(xlabel="sequences", ylabel="mean error", yscale="log")
ax.legend()

# %% [markdown]
# ## 4. A cell that never forgets must be told to
#
# The cell of 1997 adds up and never loses anything. In a stream that has no end, with nobody to
# reset it, it adds up for ever; the *forget gate* (2000) lets it throw away what is done with.
# Here are cells with their first random weights, over a stream of random symbols.

# %%
symbols = jax.random.randint(jax.random.key(3), (3000,), 0, 7)
figure, ax = plt.subplots(figsize=(6, 2.6))
largest = {}
for forget in (False, True):
    cell = lj.memory_block(
        lj.Topology(7, (2, 2), forget_gates=forget), lj.Initialization(scale=1.0)
    )
    states = lj.record(
        cell, cell.init(jax.random.key(4)), symbols, lambda params, state, x: state.cell_state
    )
    largest[forget] = np.abs(np.asarray(states)).max(axis=1)
    ax.semilogy(largest[forget][1:], label="with forget gates" if forget else "1997")
ax.set(xlabel="step", ylabel="largest cell state")
ax.legend()
assert largest[False][-1] > 30 * largest[True][-1]

# %% [markdown]
# ## 5. Both directions, and labels that nobody has placed
#
# A signal of two channels has ramps in it, up or down, and the answer is which, in order; where
# they are is not told. A *bidirectional* net looks at what comes before and after; *CTC* adds up
# all ways to place the labels. A net that says the most probable label at every step, blanks and
# repetitions left out, has read the signal.

# %%
task = tasks.unsegmented(most=2, noise=0.05)
one = lj.lstm(2, 12, forget_bias=1.0)
output = lj.feed_forward(24, task.outputs, output_activation=activations.identity)
net = lj.sequential(lj.bidirectional(one, one), output)


def spelling(outputs, sequence):
    wanted = ctc.labelling(sequence)
    distance = ctc.edit_distance(ctc.best_path(outputs, sequence.length), wanted)
    rate = distance.astype(float) / jnp.maximum(wanted.length, 1).astype(float)
    return judging.Judgement(distance > 0, rate, rate**2)


_, kept = trials(
    net, task, gradients.bptt, ctc.ctc, optax.adam(0.02), spelling, number=1, most=9_600, batch=16
)
fresh = jax.vmap(task.sample, out_axes=-1)(jax.random.split(jax.random.key(8), 200))
rate = spelling(net.apply(kept[0], fresh.inputs, fresh.length, None), fresh).error.mean()
print("label error rate on fresh signals:", rate)
assert rate < 0.1

# %%
signal = task.sample(jax.random.key(9))
says = jax.nn.softmax(net.apply(kept[0], signal.inputs, signal.length, None), axis=1)
n = int(signal.length)
figure, (top, bottom) = plt.subplots(2, 1, figsize=(6, 3.4), sharex=True)
top.plot(signal.inputs[:n])
bottom.imshow(says[:n].T, aspect="auto", cmap="Blues", vmin=0, vmax=1)
bottom.set(xlabel="step", ylabel="label (0: blank)")
top.set(
    title=f"labels {[int(k) for k in ctc.labelling(signal).labels[: int(signal.target_length)]]}"
)

# %% [markdown]
# ## 6. Attention looks back
#
# To write a sequence again, an *encoder* reads it and a *decoder* writes it. With a single code
# between them everything has to go through one vector; with *attention* the decoder looks back
# at every step that was read, and the picture shows where.

# %%
LETTERS, LONGEST, UNITS = 4, 5, 12
copy = tasks.copying(LETTERS, 1, LONGEST, backwards=True)
reader = lj.lstm(LETTERS + 2, UNITS, forget_bias=1.0)
encoder = lj.bidirectional(reader, reader)
writer = lj.decoder(
    lambda inputs: lj.lstm(inputs, UNITS, forget_bias=1.0), LETTERS + 2, 2 * UNITS, attention=UNITS
)
net = encoder_decoder(encoder, writer, begin=0, end=1, steps=LONGEST + 1)


def written(outputs, sequence):
    wrong = sequence.mask & (outputs.argmax(axis=1) != sequence.goals.argmax(axis=1))
    share = wrong.mean(axis=0, dtype=outputs.dtype)
    return judging.Judgement(wrong.any(axis=0), share, share**2)


records, kept = trials(
    net, copy, gradients.bptt, losses.softmax_cross_entropy, optax.adam(0.01), written,
    number=1, most=32_000, batch=16,
)  # fmt: skip
assert solved(records) == 1
print("reversal solved after", records[0]["sequences"], "strings")

# %%
params = kept[0]
string = jnp.array([2, 3, 4, 5, 3])
read = encoder.apply(params.encoder, string, jnp.array(5), None)
answer = lj.greedy(writer, params.decoder, read, jnp.array(5), begin=0, end=1, steps=LONGEST + 1)
previous = jnp.concatenate([jnp.zeros(1, answer.labels.dtype), answer.labels[:-1]])
seen = lj.teacher_forcing(writer, params.decoder, read, jnp.array(5), previous)
figure, ax = plt.subplots(figsize=(3, 3))
ax.imshow(seen.alignment, cmap="Blues", vmin=0, vmax=1)
ax.set_xticks(range(5), string.tolist())
ax.set_yticks(range(LONGEST + 1), answer.labels.tolist())
ax.set(xlabel="read", ylabel="written")

# %% [markdown]
# ## Exercises
#
# 1. Why can no rate and no start make the perceptron rule solve XOR?
# 2. In part 3, `adding(10)` would ask for less: who solves it then, and why?
# 3. In part 4, what bias of the forget gates keeps a cell's content over 100 steps?
# 4. In part 6, take `attention=None`. What does the decoder know of the string?
#
# <details><summary>Answers</summary>
#
# 1. A unit's answer is the side of a line, and no line separates XOR. The rule changes weights
#    whenever it is wrong, so it never stops.
# 2. The Elman net comes close, too: the error has to travel a few steps only, and what is lost by
#    a factor below 1 at each is still there.
# 3. What is left after 100 steps is f^100. For half of it, f = 0.5^(1/100) = 0.993, a bias of
#    about 5 if nothing else is read: log(f / (1 - f)).
# 4. One vector: the encoding of the last living step, to which the backward direction has
#    contributed a single letter. Everything else has to be in the forward cell's memory.
# </details>

# %%
assert abs(np.log(0.5 ** (1 / 100) / (1 - 0.5 ** (1 / 100))) - 5) < 0.1
