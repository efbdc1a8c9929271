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
from lstm_jax import activations, analysis, losses, stopping, tasks, truncated

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
sequence = jax.jit(task.sample)(jax.random.key(2))
letters = sequence.inputs[: int(sequence.length)]  # integers: symbols are never one-hot matrices
marks = [int(t) for t in np.flatnonzero(letters >= SYMBOLS.index("X"))]
answer = int(sequence.goals[0].argmax())

print("".join(SYMBOLS[i] for i in letters))
print(f"{len(letters)} steps, marks at steps {marks[0]} and {marks[1]}, class {CLASSES[answer]}")

# %% [markdown]
# ## 1. An error that neither fades nor grows
#
# A conventional hidden layer is $y(t) = f(W\,y(t-1) + V x(t))$. Going one step back, an error
# is multiplied by $W^\top$ and by the slopes $f'$, and the slope of the logistic is at most 1/4.
# Here is such a net. To this library a net is a pair of functions, `init` and `step`, and a
# state to start from.


# %%
def conventional(inputs: int, units: int, limit: float) -> lj.Cell:
    """Logistic units, each connected to all, with weights drawn from [-limit, limit]."""

    def init(key):
        for_inputs, for_hidden = jax.random.split(key)
        return {
            "V": jax.random.uniform(for_inputs, (units, inputs), minval=-limit, maxval=limit),
            "W": jax.random.uniform(for_hidden, (units, units), minval=-limit, maxval=limit),
        }

    def start(lanes=(), dtype=None):
        return jnp.zeros((units, *lanes), dtype)

    def step(params, y_tm1, symbol):
        y = activations.logistic(params["V"][:, symbol] + params["W"] @ y_tm1)
        return y, y

    return lj.Cell(init, start, step, carousel=(), inputs=inputs, outputs=units)


# %% [markdown]
# We run three such nets over the sequence, keep the slopes $f' = y(1-y)$, and multiply the
# factors of all steps together. If the decay is what the weights make of it, then the factor
# lost per step should be about the largest eigenvalue of $\overline{f'}\,W^\top$.

# %%
flows = {}
print("weights within   factor per step   from the weights   left after 40 steps")
for limit in (0.4, 2.0, 8.0):
    old = conventional(inputs=8, units=8, limit=limit)
    weights = old.init(jax.random.key(3))
    _, y = lj.unroll(old, weights, letters)
    slopes = (y * (1 - y))[::-1]  # the most recent step first
    flow = jnp.abs(analysis.error_flow(weights["W"], slopes)).max(axis=(1, 2))
    flows[limit] = np.asarray(flow)

    measured = (flow[39] / flow[9]) ** (1 / 30)
    expected = np.abs(np.linalg.eigvals(slopes.mean(axis=0)[:, None] * weights["W"].T)).max()
    print(f"{limit:10.1f} {measured:17.3f} {expected:18.3f} {flow[39]:20.0e}")
    lags = jnp.arange(1, 1 + len(flow))
    assert (flow <= 1.001 * analysis.vanishing_bound(weights["W"], lags)).all()
    assert limit > 2 or abs(measured / expected - 1) < 0.3

# %% [markdown]
# Small and middling weights lose the error at the rate that can be read off them. Large ones
# drive the units to where the logistic is flat, except when they happen to be on their way from
# one side to the other: the factors of single steps are now very small or large, their mean says
# little, and what they multiply to hangs on the weights and on the inputs. It may shrink or blow
# up; nothing makes it 1. (Every curve is also held against the paper's bound
# $n\,(f'_{\max}\|W\|)^q$, of which only small weights have any use.)
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
cell = lj.memory_block(topology, lj.Initial(input_gate=(-2.0, -4.0)))
net = lj.readout(cell, outputs=4)
params = net.init(jax.random.key(0))
print("weights:", analysis.weight_count(net), "(the paper counts 156)")
assert analysis.weight_count(net) == 156


def deviations(jacobian, lags=(1, 10, 100, 1000)):
    """Largest difference between ds(t)/ds(t-k) and the identity, for each lag k."""
    text = jax.random.randint(jax.random.key(5), (max(lags),), 0, len(SYMBOLS))
    ask = jax.vmap(lambda lag: jacobian(net, params, text, length=lag))
    return np.abs(ask(jnp.array(lags)) - np.eye(topology.cells)).max(axis=(1, 2))


carousel = deviations(analysis.carousel_jacobian)
print("deviation of ds(t)/ds(t-k) from 1 at lags 1, 10, 100, 1000:", carousel)
assert not carousel.any()

# %% [markdown]
# Not nearly 1: 1, in every bit.


# %%
def draw_flow():
    _, axes = plt.subplots(figsize=(7, 3.4))
    axes.axhline(1, color=BLACK, linewidth=2)
    axes.annotate("memory cell: 1 at every lag", (99, 2), ha="right", va="bottom")
    for (limit, flow), style in zip(flows.items(), (":", "--", "-"), strict=True):
        label = f"conventional, weights within {limit:g}"
        axes.semilogy(np.arange(1, 1 + len(flow)), flow, style, color=BLACK, label=label)
    axes.set(xlim=(0, 100), ylim=(1e-30, 1e3), xlabel="steps that the error has travelled back")
    axes.set_ylabel("factor left of it (largest)")
    axes.legend(loc="lower left", bbox_to_anchor=(0.42, 0.42))


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
shares = analysis.gradient_by_step(truncated.cut(cell), params.cell, letters).bias
entry = analysis.entry_factor(topology, params.cell, letters)[-1]
leaving = analysis.exit_factors(topology, params.cell, letters)
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
# * `truncated.definition`: that `stop_gradient`, and back-propagation through the whole sequence;
# * `truncated.time_parallel`: no loop backwards, because what is left is a cumulative sum;
# * `truncated.online`: the algorithm of the paper's appendix, nothing goes backwards at all.
#
# `bptt` is the full gradient. All four have one signature. We give them the same untrained net
# and the same sequence.

# %%
rules = {
    "bptt (full)": lj.bptt,
    "truncated.definition": truncated.definition,
    "truncated.time_parallel": truncated.time_parallel,
    "truncated.online": truncated.online,
}


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


def cosine(a, b):
    return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))


grads = {
    name: jax.jit(rule(net, losses.squared_error))(params, sequence).grads
    for name, rule in rules.items()
}
full, cut = grads["bptt (full)"], grads["truncated.definition"]
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
# How far back do they reach? For each step: how much of the gradient of the four outputs at the
# end comes from the use of the hidden layer's weights at that step.


# %%
def reach(net, params):
    """Norm of the share that each step has in the gradient of the last outputs."""
    shares = analysis.gradient_by_step(net, params, letters).cell
    squares = [jnp.sum(s**2, axis=(0, *range(2, s.ndim))) for s in jax.tree.leaves(shares)]
    return np.sqrt(sum(squares))


old = lj.readout(conventional(inputs=8, units=8, limit=2.0), outputs=4)
reaches = {
    "memory cells, full": (reach(net, params), {"color": PALE, "linewidth": 5}),
    "memory cells, truncated": (reach(truncated.cut(net), params), {"color": BLACK}),
    "conventional, weights within 2": (
        reach(old, old.init(jax.random.key(3))),
        {"color": BLACK, "linestyle": "--"},
    ),
}


def draw_reach():
    _, axes = plt.subplots(figsize=(7, 3.4))
    for name, (share, style) in reaches.items():
        axes.semilogy(share, label=name, **style)
    for t in marks:
        axes.axvline(t, color=GREY, linewidth=0.8, linestyle=":")
        axes.annotate(SYMBOLS[letters[t]], (t + 1, 1e2), color="0.3", weight="bold")
    axes.set(xlim=(0, len(letters)), ylim=(1e-30, 1e3), xlabel="step at which weights are used")
    axes.set_ylabel("share in the gradient")
    axes.legend(loc="lower left", bbox_to_anchor=(0.1, 0.25))


draw_reach()
for name, (share, _) in reaches.items():
    print(f"{name:31} share of the first mark / share of the last step: ", end="")
    print(f"{share[marks[0]] / share[-1]:.0e}")
full_reach, cut_reach, old_reach = (share for share, _ in reaches.values())
assert cut_reach[marks[0]] > 1e-3 * cut_reach[-1] and old_reach[marks[0]] < 1e-12 * old_reach[-1]

# %% [markdown]
# To the conventional net the marks are as good as invisible: nothing at the end says that the
# weights should have done something else there. The memory cells hear of every step, before any
# training, and the cut takes next to nothing from that.
#
# What is gained by the cut: what must be known of the past fits into one number for each weight
# that leads to a cell or its input gate, $\partial s / \partial w$, carried *forward*. Nothing
# has to be stored for a way back. We ask the compiler how much working memory each form needs as
# sequences grow, without running anything (the adding task, whose lengths can be chosen).


# %%
def working_memory(rule, steps):
    """Bytes that the compiled gradient needs besides its arguments and its result."""
    adding = tasks.adding(steps)
    adder = lj.readout(lj.memory_block(lj.Topology(inputs=2, blocks=(2, 2))), outputs=1)
    shapes = (
        jax.eval_shape(adder.init, jax.random.key(0)),
        jax.eval_shape(adding.sample, jax.random.key(0)),
    )
    compiled = jax.jit(rule(adder, losses.squared_error)).lower(*shapes).compile()
    return compiled.memory_analysis().temp_size_in_bytes


print("bytes for sequences of       100      1000     10000 steps")
for name in ("bptt (full)", "truncated.online"):
    needed = [working_memory(rules[name], steps) for steps in (100, 1000, 10_000)]
    print(f"{name:20}", *(f"{n:10,}" for n in needed))
    grows = needed[-1] > 50 * needed[0]
    assert grows if name == "bptt (full)" else needed[0] == needed[-1]

# %% [markdown]
# ## 3. Gates at work
#
# Now we train: the paper's net and settings for experiment 6a, learning rate 0.5, on-line
# truncated gradient, one update a sequence. Eight trials with different weights and sequences
# run side by side in lanes. A trial stops when the mean error of its 2000 most recent
# sequences is below 0.1 and all of them were right (every output within 0.3 of its target);
# it is then tested on 2560 new ones.

# %%
experiment = lj.Experiment(
    net=net,
    task=task,
    rule=truncated.online,
    loss=losses.squared_error,
    optimizer=optax.sgd(0.5),
    judge=stopping.within(0.3),
    stop=stopping.recent(2000, stopping.Criterion(wrong_below=1, error_below=0.1)),
    cap=60_000,
    test=2560,
)
finished: list[lj.Finished] = []
records = lj.run_trials(
    lj.make_trial(lambda settings: experiment),
    jax.random.key(0),
    number=8,
    lanes=8,
    on_finished=finished.append,
)
print("trial   ended as   after sequences   wrong in the test")
for r in records:
    wrong = r["test"]["wrong"] if r["test"] else "-"
    print(f"{r['trial']:5} {r['phase']:>10} {r['sequences']:17,} {wrong:>19}")

# %% [markdown]
# (The paper reports 31,390 sequences, the mean of 20 trials.) Take the trial that was quickest
# and look inside while it reads the sequence from above. `watch` calls a function at every step
# and stacks what it returns; `gates` is the function that returns what is in the hidden layer.

# %%
solved = [f for f in finished if f.record["phase"] == "solved"]
quickest = min(solved, key=lambda f: f.record["sequences"])
trained = jax.tree.map(jnp.asarray, quickest.params)


@jax.jit
def look_inside(inputs):
    """Gates and states at every step, and the outputs, for one sequence or for lanes of them."""
    look = partial(lj.gates, topology)
    seen = lj.watch(cell, trained.cell, inputs, look)
    _, outputs = lj.unroll(net, trained, inputs)
    return seen, outputs


seen, outputs = jax.device_get(look_inside(letters))
assert (np.abs(outputs[-1] - np.eye(4)[answer]) < 0.3).all()


def draw_inside():
    styles = [{"color": BLACK}, {"color": GREY}]
    figure, axes = plt.subplots(5, sharex=True, figsize=(7, 8), height_ratios=(0.7, 1, 1, 1, 1))
    for t, symbol in enumerate(np.asarray(letters)):
        known = SYMBOLS[symbol] in "abcd"
        look = {"color": GREY, "fontsize": 6} if known else {"color": BLACK, "weight": "bold"}
        axes[0].text(t, symbol if known else 3.5, SYMBOLS[symbol], ha="center", va="center", **look)
    axes[0].set(ylim=(1, 6), yticks=[], ylabel="input")
    for block, style in enumerate(styles):
        name = f"block {block + 1}"
        axes[1].plot(seen.input_gate[:, block], **style, label=name)
        axes[3].plot(seen.output_gate[:, block], **style, label=name)
        cells = seen.cell_state[:, 2 * block : 2 * block + 2]
        axes[2].plot(cells[:, 0], **style, label=name)
        axes[2].plot(cells[:, 1], **style, linestyle="--")
    for k, style in enumerate(("-", "--", "-.", ":")):
        right = k == answer
        label = CLASSES[k] + (" (right)" if right else "")
        axes[4].plot(outputs[:, k], style, color=BLACK if right else GREY, label=label)
    names = ("input gates", "cell states", "output gates", "outputs")
    for ax, name in zip(axes[1:], names, strict=True):
        ax.set_ylabel(name)
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        for t in marks:
            ax.axvline(t, color=GREY, linewidth=0.8, linestyle=":")
    for ax in (axes[1], axes[3], axes[4]):
        ax.set_ylim(-0.05, 1.05)
    axes[4].set(xlabel="step", xlim=(-1, len(letters)))
    figure.align_ylabels()


draw_inside()

# %% [markdown]
# One block has specialised: its input gate is nearly shut on the letters and flies open on the
# two marks. To see whether this holds beyond one sequence, read 1000 new ones and average the
# gates over all steps with the same symbol.

# %%
fresh = jax.vmap(task.sample, out_axes=-1)(jax.random.split(jax.random.key(7), 1000))
many, many_outputs = jax.device_get(look_inside(fresh.inputs))
symbols, lanes = np.asarray(fresh.inputs), np.arange(1000)
alive = np.arange(task.steps)[:, None] < fresh.length

opening = np.array(
    [
        [many.input_gate[:, b][alive & (symbols == k)].mean() for k in range(len(SYMBOLS))]
        for b in range(2)
    ]
)
print("mean input gate at    ", "     ".join(SYMBOLS))
for b in range(2):
    print(f"             block {b + 1}", " ".join(f"{o:5.2f}" for o in opening[b]))

on_marks, on_letters = opening[:, 6:].min(axis=1), opening[:, 2:6].max(axis=1)
memory = int((on_marks - on_letters).argmax())  # the block that keeps the marks
print(f"\nblock {memory + 1} lets marks in and letters not")
assert on_marks[memory] > 0.3 and on_letters[memory] < 0.2
assert on_marks[memory] > 3 * on_letters[memory]

ends = many_outputs[np.asarray(fresh.length) - 1, :, lanes]
right = (np.abs(ends - fresh.goals[0].T) < 0.3).all(axis=1)
print(f"right: {right.sum()} of {len(right)}")
assert right.mean() > 0.98

# %% [markdown]
# What do its cells keep? An experiment answers that better than a guess: the same sequence four
# times, letter by letter the same, with nothing changed but the marks. Lanes make it one call.

# %%
four = np.repeat(np.asarray(letters)[:, None], 4, axis=1)
for lane, (first, second) in enumerate(CLASSES):
    four[marks[0], lane], four[marks[1], lane] = SYMBOLS.index(first), SYMBOLS.index(second)
seen_four, outputs_four = jax.device_get(look_inside(jnp.asarray(four)))
kept = seen_four.cell_state[:, 2 * memory : 2 * memory + 2]  # (time, the block's cells, lanes)


def draw_four():
    _, axes = plt.subplots(1, 2, figsize=(7, 3.2), sharex=True)
    for v, ax in enumerate(axes):
        for lane, name in enumerate(CLASSES):
            style, color = "-:"[name[0] == "Y"], (BLACK, GREY)[name[1] == "Y"]
            ax.plot(kept[:, v, lane], style, color=color, label=name)
        for t in marks:
            ax.axvline(t, color=GREY, linewidth=0.8, linestyle=":")
        ax.set(title=f"block {memory + 1}, cell {v + 1}", xlabel="step")
    axes[0].set_ylabel("cell state")
    axes[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))


draw_four()
