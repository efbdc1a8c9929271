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
# # The carousel
#
# A recurrent net learns from an error that travels back through time, from the step where it
# arises to the steps that caused it. In a conventional net it does not get far. The memory cell
# of Hochreiter and Schmidhuber (1997) gives it a loop on which it can ride for any number of
# steps and lose nothing: the **constant error carousel**. This notebook asks three questions.
#
# 1. What does the carousel do that a conventional net cannot?
# 2. What is *cut* from the gradient in the paper, and what is gained by it?
# 3. What do the gates of a trained net do?
#
# Every number below is computed here, with fixed seeds. Rounding differs a little from machine
# to machine and training magnifies it, so what the text says of a trained net in general is
# also asserted in the code.

# %%
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import lstm_jax as lj
from lstm_jax import activations, analysis, gradients, judging, losses, stopping, tasks

lj.tune_cpu_loops()  # before the first computation
plt.rcParams.update(
    {
        "figure.constrained_layout.use": True,
        "figure.dpi": 110,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
)
BLACK, GREY, PALE = "black", "0.55", "0.8"

# %% [markdown]
# The example throughout is experiment 6a, *temporal order*. A sequence of about 100 symbols
# begins with `E` and ends with `B`. Between them stand random letters `a` to `d`, which mean
# nothing, and two marks, each `X` or `Y`, which mean everything: at the end the net has to tell
# which of `XX`, `XY`, `YX`, `YY` it has seen.

# %%
SYMBOLS, CLASSES = "EBabcdXY", ("XX", "XY", "YX", "YY")
task = tasks.temporal_order()
sequence = jax.device_get(jax.jit(task.sample)(jax.random.key(6)))
letters = sequence.inputs[: sequence.length]  # integers: symbols never become one-hot vectors
marks = np.flatnonzero(letters >= SYMBOLS.index("X"))
answer = int(sequence.goals[0].argmax())

print("".join(SYMBOLS[i] for i in letters))
print(f"{len(letters)} steps, marks at steps {marks[0]} and {marks[1]}, class {CLASSES[answer]}")

# %% [markdown]
# ## 1. An error that neither fades nor grows
#
# A conventional hidden layer is $y(t) = f(W\,y(t-1) + V x(t))$. Going one step back, an error
# is multiplied by $W^\top$ and by the slopes $f'$, and the slope of the logistic is at most 1/4.
# Here is such a net. To this library a *cell* is a pair of functions, `init` and `step`, and a
# state to start from, `initial_state`.


# %%
def conventional(inputs: int, units: int, limit: float) -> lj.Cell:
    """Logistic units, each connected to all, with weights drawn from [-limit, limit]."""

    def init(key):
        drawn = jax.random.uniform(key, (units, inputs + units), minval=-limit, maxval=limit)
        return {"V": drawn[:, :inputs], "W": drawn[:, inputs:]}

    def initial_state(lanes=(), dtype=None):
        return jnp.zeros((units, *lanes), dtype)

    def step(params, y_tm1, symbol):
        y = activations.logistic(params["V"][:, symbol] + params["W"] @ y_tm1)
        return y, y

    return lj.Cell(init, initial_state, step, inputs=inputs, outputs=units)


# %% [markdown]
# We run three such nets over the sequence, keep the slopes $f' = y(1-y)$, and multiply the
# factors of all steps together. If the decay is what the weights make of it, then the factor
# lost per step should be about the largest eigenvalue of $\overline{f'}\,W^\top$.

# %%
limits = (0.4, 2.0, 8.0)
old = {limit: conventional(inputs=8, units=8, limit=limit) for limit in limits}
old_params = {limit: old[limit].init(jax.random.key(3)) for limit in limits}


@jax.jit
def error_left(params):
    """The largest factor between any two units, for each lag; its bound; mean of f' W^T."""
    _, y = lj.unroll(old[limits[0]], params, letters)
    slopes = (y * (1 - y))[::-1]  # the most recent step first
    flow = jnp.abs(analysis.error_flow(params["W"], slopes)).max(axis=(1, 2))
    bound = analysis.vanishing_bound(params["W"], jnp.arange(1, 1 + len(flow)))
    return flow, bound, slopes.mean(axis=0)[:, None] * params["W"].T


flows = {}
print("weights within   factor per step   from the weights   left after 40 steps")
for limit in limits:
    flow, bound, step_back = jax.device_get(error_left(old_params[limit]))
    flows[limit] = flow
    measured = (flow[39] / flow[9]) ** (1 / 30)
    expected = np.abs(np.linalg.eigvals(step_back)).max()
    print(f"{limit:14.1f} {measured:17.3f} {expected:18.3f} {flow[39]:21.0e}")
    assert (flow <= 1.001 * bound).all()
    assert limit > 2 or abs(measured / expected - 1) < 0.3

# %% [markdown]
# Small and middling weights lose the error at the rate that can be read off them. Large weights
# are no way out. They drive the units to where the logistic is flat, except while a unit is on
# its way from one side to the other, so that the factors of single steps are now tiny, now
# large, and their product goes in leaps that hang on the inputs. It may shrink or blow up;
# nothing holds it at 1. (The code also holds every curve against the paper's bound
# $n\,(f'_{\max}\|W\|)^q$, which says something for small weights only.)
#
# A memory cell has a *state* besides its activation:
#
# $$s(t) = s(t-1) + y_{in}(t)\,g(net_c(t)), \qquad y_c(t) = y_{out}(t)\,h(s(t)).$$
#
# The state is joined to itself by a weight of exactly 1 with no squashing on the way, so
# $\partial s(t) / \partial s(t-k) = 1$ for every lag $k$ as long as we look along this loop
# alone. That is the carousel. The gates $y_{in}$ and $y_{out}$ are logistic units that learn
# when something may enter the loop and when it may leave. The net of experiment 6a has two
# blocks of two cells; the two cells of a block share their gates.

# %%
topology = lj.Topology(inputs=8, blocks=(2, 2))
cell = lj.memory_block(topology, lj.Initialization(input_gate=(-2.0, -4.0)))
net = lj.readout(cell, outputs=4)
params = jax.jit(net.init)(jax.random.key(0))
print("weights:", analysis.weight_count(net), "(the paper counts 156)")
assert analysis.weight_count(net) == 156


def deviations(jacobian, lags=(1, 10, 100, 1000)):
    """Largest difference between ds(t)/ds(t-k) and the identity, for each lag k."""
    text = np.random.default_rng(5).integers(len(SYMBOLS), size=max(lags), dtype=np.int32)
    ask = jax.jit(jax.vmap(lambda lag: jacobian(net, params, text, length=lag)))
    return np.abs(ask(jnp.array(lags)) - np.eye(topology.cells)).max(axis=(1, 2))


carousel = deviations(analysis.carousel_jacobian)
print("deviation of ds(t)/ds(t-k) from 1 at lags 1, 10, 100, 1000:", carousel)
assert not carousel.any()

# %% [markdown]
# Not nearly 1: 1, in every bit.


# %%
def draw_flow():
    _, axes = plt.subplots(figsize=(8, 3.2))
    axes.axhline(1, color=BLACK, linewidth=2)
    axes.annotate("memory cell: 1 at every lag", (99, 2), ha="right", va="bottom")
    for (limit, flow), style in zip(flows.items(), (":", "--", "-"), strict=True):
        label = f"conventional,\nweights within {limit:g}"
        axes.semilogy(np.arange(1, 1 + len(flow)), flow, style, color=BLACK, label=label)
    axes.set(xlim=(0, 100), ylim=(1e-30, 1e3), xlabel="steps that the error has travelled back")
    axes.set_ylabel("factor left of it (largest)")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


draw_flow()

# %% [markdown]
# If nothing happens to the error on the carousel, where do the gates come in? At its doors.
# An error that enters a cell at step $t$ and leaves it at an earlier step $t'$ is scaled twice:
#
# $$\underbrace{y_{out}(t)\,h'(s(t))}_{\text{entry}} \;\cdot\; 1 \;\cdot\;
#   \underbrace{y_{in}(t')\,g'(net_c(t'))}_{\text{exit, to the cell's weights}}$$
#
# and the second factor is $g(net_c(t'))\,f'(net_{in}(t'))$ for the weights of the input gate.
# `gradient_by_step` splits a gradient into the steps at which the weights were used, so that we
# can check this for every step of the sequence, here with the biases.


# %%
@jax.jit
def doors(params):
    shares = analysis.gradient_by_step(gradients.cut(cell), params, letters)
    entry = analysis.entry_factor(topology, params, letters)
    return shares.bias, entry[-1], analysis.exit_factors(topology, params, letters)


shares, entry, leaving = doors(params.cell)
for v in range(topology.cells):
    input_gate = topology.rows("input_gate").start + v // 2  # that of the cell's block
    np.testing.assert_allclose(shares[v, :, v], entry[v] * leaving.cell[:, v], rtol=1e-4)
    np.testing.assert_allclose(
        shares[v, :, input_gate], entry[v] * leaving.input_gate[:, v], rtol=1e-4, atol=1e-9
    )
print(f"entry x 1 x exit is the gradient: {topology.cells} cells x {len(letters)} steps agree")

# %% [markdown]
# ## 2. The cut
#
# "As long as we look along this loop alone" hides a decision. The net is recurrent: the state
# also acts on the gates and on the other cells one step later, and through them on later states.
# Along *all* paths the derivative is not 1.

# %%
everything = deviations(analysis.uncut_jacobian)
print("deviation from 1 at lags 1, 10, 100, 1000")
print("    carousel alone:", np.round(carousel, 3))
print("    all paths:     ", np.round(everything, 3))
assert everything[-1] > everything[1] > 0

# %% [markdown]
# The paper cuts the other paths. An error that arrives at the net input of a cell or a gate
# changes the weights that lead there and then goes no further back. In JAX that is one
# `stop_gradient` on the recurrent activations, and reverse mode then gives the
# *truncated gradient*. The library has it three times:
#
# * `gradients.by_definition`: that `stop_gradient`, and back-propagation through the sequence;
# * `gradients.parallel_scan`: no loop backwards, because what is left is a cumulative sum;
# * `gradients.forward_traces`: the algorithm of the paper's appendix, traces carried forward.
#
# `gradients.bptt` is the full gradient. All four are *gradient rules* with one signature. We give
# them the same untrained net and the same sequence.

# %%
rules = {
    "bptt (full)": gradients.bptt,
    "by_definition": gradients.by_definition,
    "parallel_scan": gradients.parallel_scan,
    "forward_traces": gradients.forward_traces,
}


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def cosine(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


def compiled(rule, sequence):
    return jax.jit(rule(net, losses.squared_error)).lower(params, sequence).compile()


gradient_of = {name: compiled(rule, sequence) for name, rule in rules.items()}
grads = {name: rule(params, sequence).grads for name, rule in gradient_of.items()}
full, cut = grads["bptt (full)"], grads["by_definition"]
largest = np.abs(flat(cut)).max()
print("                          largest deviation from the definition     cosine with full")
for name, gradient in grads.items():
    off = np.abs(flat(gradient) - flat(cut)).max() / largest
    same = cosine(flat(gradient.cell), flat(full.cell))
    print(f"{name:25} {off:30.0e} {same:28.4f}")
    assert name == "bptt (full)" or off < 1e-5

assert np.allclose(full.from_cell, cut.from_cell, atol=1e-7)
assert cosine(flat(full.cell), flat(cut.cell)) > 0.9

# %% [markdown]
# The three truncated forms are one gradient: they differ by rounding (single precision here;
# the tests do it in double). The full one is another gradient, though in the untrained net it
# points almost the same way (the cosine is that of the hidden layer's weights; those of the
# output layer get the same from both).
#
# How far back do they reach? For every step: how much of the gradient of the hidden layer's
# outputs at the end comes from the use of its weights at that step.


# %%
def reach(cell, params):
    """The largest share that each step has in the gradient of the last outputs."""
    shares = jax.jit(partial(analysis.gradient_by_step, cell))(params, letters)
    leaves = jax.tree.leaves(jax.device_get(shares))  # each (outputs, time, ...)
    return np.max([np.abs(s).max(axis=(0, *range(2, s.ndim))) for s in leaves], axis=0)


reaches = {
    "memory cells,\nfull gradient": reach(cell, params.cell),
    "memory cells,\ntruncated": reach(gradients.cut(cell), params.cell),
    "conventional,\nweights within 2": reach(old[2.0], old_params[2.0]),
}
styles = ({"color": PALE, "linewidth": 5}, {"color": BLACK}, {"color": BLACK, "linestyle": "--"})


def draw_reach():
    _, axes = plt.subplots(figsize=(8, 3.2))
    for (name, share), style in zip(reaches.items(), styles, strict=True):
        axes.semilogy(share, label=name, **style)
    for t in marks:
        axes.axvline(t, color=GREY, linewidth=0.8, linestyle=":")
        axes.annotate(SYMBOLS[letters[t]], (t + 1, 1e2), color="0.3", weight="bold")
    axes.set(xlim=(0, len(letters)), ylim=(1e-30, 1e3), xlabel="step at which weights are used")
    axes.set_ylabel("share in the gradient")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))


draw_reach()
full_reach, cut_reach, old_reach = (share[marks[0]] / share[-1] for share in reaches.values())
print("share of the first mark, relative to that of the last step")
print(f"    memory cells, full gradient    {full_reach:.0e}")
print(f"    memory cells, truncated        {cut_reach:.0e}")
print(f"    conventional, weights within 2 {old_reach:.0e}")
assert min(full_reach, cut_reach) > 1e-2 and old_reach < 1e-12

# %% [markdown]
# To the conventional net the marks are as good as invisible: nothing at the end says that the
# weights should have done something else there. In the memory cells the error arrives at every
# step, before any training, and the cut takes next to nothing from that.
#
# What is gained by the cut: what must be known of the past fits into a few numbers, the traces
# $\partial s / \partial w$ for each cell and each weight that leads to it or to its input gate.
# They are carried *forward*; nothing has to be stored for a way back. The compiler says how much
# working memory a form needs besides its arguments and its result; compare with a sequence a
# hundred times as long.

# %%
longer = sequence.replace(
    inputs=np.resize(sequence.inputs, 100 * task.steps), length=np.int32(100 * task.steps)
)
print(f"bytes for sequences of {task.steps:8} steps {100 * task.steps:8,} steps")
for name in ("bptt (full)", "forward_traces"):
    pair = gradient_of[name], compiled(rules[name], longer)
    needed = [program.memory_analysis().temp_size_in_bytes for program in pair]
    print(f"{name:22}", *(f"{n:14,}" for n in needed))
    assert needed[1] == needed[0] if name == "forward_traces" else needed[1] > 50 * needed[0]
print(f"of which traces: {analysis.trace_memory(topology)} numbers of 4 bytes")

# %% [markdown]
# ## 3. Gates at work
#
# Now we train: the paper's net and settings for experiment 6a, learning rate 0.5, on-line
# truncated gradient, one update a sequence. Four trials with different weights and sequences
# run side by side in lanes. A trial stops when the mean error of its 2000 most recent
# sequences is below 0.1 and all of them were right (every output within 0.3 of its target);
# it is then tested on 2560 new ones.

# %%
config = lj.TrialConfig(
    net=net,
    task=task,
    learner=lj.gradient_descent(gradients.forward_traces, losses.squared_error, optax.sgd(0.5)),
    judge=judging.within(0.3),
    stop=stopping.recent(2000, stopping.Criterion(wrong_below=1, error_below=0.1)),
    max_sequences=60_000,
    test_sequences=2560,
)
finished: list[lj.Finished] = []
records = lj.run_trials(
    lj.make_trial(lambda settings: config),
    jax.random.key(0),
    number=4,
    lanes=4,
    on_finished=finished.append,
)
print("trial   ended as   after sequences   wrong in the test")
for r in records:
    wrong = r["test"]["wrong"] if r["test"] else "-"
    print(f"{r['trial']:5} {r['phase']:>10} {r['sequences']:17,} {wrong:>19}")

# %% [markdown]
# (The paper reports 31,390 sequences, the mean of 20 trials.) Take the trial that was quickest.
# To see what its gates and cells do we let it read the sequence from above four times, letter by
# letter the same and with nothing changed but the marks. `record` calls a probe at every step
# and stacks what it returns; `gates` returns what goes on in the hidden layer. Lanes, the last
# axis of everything, make the four readings one call.

# %%
solved = [f for f in finished if f.record["phase"] == "solved"]
quickest = min(solved, key=lambda f: f.record["sequences"])
trained = jax.tree.map(jnp.asarray, quickest.params)


@jax.jit
def look_inside(inputs):
    """Gates and states at every step, and the outputs, for sequences in lanes."""
    seen = lj.record(cell, trained.cell, inputs, partial(lj.gates, topology))
    return seen, lj.unroll(net, trained, inputs)[1]


four = np.repeat(letters[:, None], 4, axis=1)  # (time, lanes)
for lane, name in enumerate(CLASSES):
    four[marks, lane] = [SYMBOLS.index(mark) for mark in name]
seen, outputs = jax.device_get(look_inside(four))
assert (np.abs(outputs[-1] - np.eye(4)) < 0.3).all()
print("outputs at the end, a row for each reading")
for lane, name in enumerate(CLASSES):
    print(f"    {name}", np.round(outputs[-1, :, lane], 2))

# %% [markdown]
# All four are told apart. Here is the reading with the marks as they were, in full: the two
# blocks in black and grey, the second cell of a block dotted.


# %%
def mark_steps(axes):
    for t in marks:
        axes.axvline(t, color=GREY, linewidth=0.8, linestyle=":")


def draw_reading(lane):
    figure, axes = plt.subplots(5, sharex=True, figsize=(8, 8), height_ratios=(0.5, 1, 1.3, 1, 1))
    for t, symbol in enumerate(SYMBOLS[i] for i in four[:, lane]):
        row, look = "abcd".find(symbol), {"color": "0.4", "fontsize": 6}
        if row < 0:
            row, look = 1.5, {"color": BLACK, "weight": "bold"}
        axes[0].text(t, row, symbol, ha="center", va="center", **look)
    axes[0].set(ylim=(-1, 4), yticks=[], ylabel="input")
    for block, color in enumerate((BLACK, GREY)):
        name = f"block {block + 1}"
        axes[1].plot(seen.input_gate[:, block, lane], color=color, label=name)
        for v, style in enumerate("-:"):
            state = seen.cell_state[:, 2 * block + v, lane]
            axes[2].plot(state, style, color=color, label=f"{name}, cell {v + 1}")
        axes[3].plot(seen.output_gate[:, block, lane], color=color, label=name)
    for k, style in enumerate(("-", "--", "-.", ":")):
        color, right = (BLACK, " (right)") if k == lane else (GREY, "")
        axes[4].plot(outputs[:, k, lane], style, color=color, label=CLASSES[k] + right)
    names = ("input gates", "cell states", "output gates", "outputs")
    for ax, name in zip(axes[1:], names, strict=True):
        ax.set_ylabel(name)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        mark_steps(ax)
    for ax in axes[[1, 3, 4]]:
        ax.set_ylim(-0.05, 1.05)
    axes[4].set(xlabel="step", xlim=(-1, len(letters)))
    figure.align_ylabels()


draw_reading(answer)

# %% [markdown]
# One block has specialised: its input gate is all but shut on the letters and opens on the two
# marks. Is that so beyond one sequence? Read 1000 new ones and average the gates over all
# steps with the same symbol.

# %%
draw = jax.jit(jax.vmap(task.sample, out_axes=-1))
fresh = jax.device_get(draw(jax.random.split(jax.random.key(7), 1000)))
many, many_outputs = jax.device_get(look_inside(fresh.inputs))
alive = np.arange(task.steps)[:, None] < fresh.length
at = [alive & (fresh.inputs == k) for k in range(len(SYMBOLS))]

opening = np.array([[many.input_gate[:, b][steps].mean() for steps in at] for b in range(2)])
print("mean input gate at     ", "     ".join(SYMBOLS))
for b in range(2):
    print(f"           block {b + 1}  ", " ".join(f"{o:5.2f}" for o in opening[b]))

on_marks, on_letters = opening[:, 6:].min(axis=1), opening[:, 2:6].max(axis=1)
memory = int((on_marks - on_letters).argmax())
print(f"block {memory + 1} lets in the marks and hardly the letters")
assert on_marks[memory] > 0.3 and on_letters[memory] < 0.2
assert on_marks[memory] > 3 * on_letters[memory]

at_end = many_outputs[fresh.length - 1, :, np.arange(1000)]
right = (np.abs(at_end - fresh.goals[0].T) < 0.3).all(axis=1)
print(f"right: {right.sum()} of {len(right)} sequences")
assert right.mean() > 0.98

# %% [markdown]
# What do the cells of that block keep? Lay the four readings over each other.


# %%
kept = seen.cell_state[:, 2 * memory : 2 * memory + 2]  # (time, the block's cells, lanes)


def draw_four():
    _, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharex=True)
    for v, ax in enumerate(axes):
        for lane, name in enumerate(CLASSES):
            style, color = "-:"[name[0] == "Y"], (BLACK, GREY)[name[1] == "Y"]
            ax.plot(kept[:, v, lane], style, color=color, label=name)
        mark_steps(ax)
        ax.set(title=f"block {memory + 1}, cell {v + 1}", xlabel="step")
    axes[0].set_ylabel("cell state")
    axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))


draw_four()

between = slice(marks[0], marks[1])  # from the step of the first mark to that before the second
X, Y = kept[..., [0, 1]], kept[..., [2, 3]]  # the readings by their first mark
gap = np.abs(X - Y).max(axis=(1, 2))[between]
steps = np.abs(np.diff(kept, axis=0)).mean(axis=(1, 2))  # steps[t - 1] is the change at step t
at_mark = steps[marks - 1].mean()
at_letter = np.delete(steps, [*(marks - 1), -1]).mean()
print(f"difference between X and Y: {gap[0]:.2f} as the mark is read, ", end="")
print(f"never below {gap.min():.2f} in the {len(gap) - 1} steps that follow")
print(f"mean change of a state: {at_mark:.2f} at a mark, {at_letter:.3f} at a letter")

np.testing.assert_allclose(kept[: marks[0]], kept[: marks[0], :, :1].repeat(4, axis=2), atol=1e-3)
np.testing.assert_allclose(X[between, :, 0], X[between, :, 1], atol=1e-3)
np.testing.assert_allclose(Y[between, :, 0], Y[between, :, 1], atol=1e-3)
assert gap.min() > 0.9 * gap[0] and at_mark > 5 * at_letter
assert seen.output_gate.max(axis=1).mean() > 0.5
assert all(np.abs(kept[-1, :, i] - kept[-1, :, j]).max() > 0.1 for i in range(4) for j in range(i))

# %% [markdown]
# That is the carousel at work. Up to the first mark the four readings are one, for they have
# read the same. At the mark the input gate opens, the states of the readings that begin with `X`
# and with `Y` jump apart, and the gate all but shuts. What has been written stays: nothing in the
# loop wears it down, only something added later could undo it, and the difference outlives the
# letters up to the second mark, which makes four ways of two.
#
# Two things in the figures are less tidy.
#
# * The lines between the marks are not level. An input gate that is only *nearly* shut lets a
#   little in at every step, and what is written to a carousel adds up: the paper calls it
#   *internal state drift*. Its remedy is to start input gates with negative biases, here -2 and -4.
# * The output gates do not wait for the end. Before the end no output is ever judged, so
#   nothing asks them to keep the cells from the outputs. Read the bottom panel of the reading as
#   what the net would answer if it were asked at that step.
#
# So, three answers. The carousel carries an error back over any number of steps with a factor of
# exactly 1. The cut leaves that path alone, and needs a memory that does not grow with time. And
# the gates learn when to write: not because anyone marked the marks, but because the error
# reached the steps at which they were read.
#
# **To go on.** Change the key of the trials: how the two cells share the work differs from trial
# to trial, what the text says should not. Give the topology `output_gates=False`, or leave out
# the initial input-gate biases. Train with `gradients.bptt` in place of `forward_traces`: is it
# better, or just slower? Add `forget_gates=True` and see which assertion fails first: what has
# become of the 1?
