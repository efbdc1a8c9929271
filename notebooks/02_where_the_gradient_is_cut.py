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
# # Where the gradient is cut
#
# `01_the_carousel.py` shows that error rides the carousel of a memory cell for any number of
# steps, and that the gradient of Hochreiter and Schmidhuber (1997) drops every other path. Here
# we follow the error path by path.
#
# 1. Without a carousel: what becomes of an error, and is it what the paper's formula says?
# 2. On the carousel: how is it scaled at the doors, and what would the paths add that are cut?
# 3. The cut: which weights get another gradient, for an error of how long ago, before and after
#    training?
# 4. Would the carousel do without gates?
# 5. What does the cut cost, and what does it buy?
#
# Everything is computed here, with fixed seeds and in double precision, so that what is said to
# be equal can be seen to be equal. What the text claims is asserted in the code.

# %%
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import lstm_jax as lj
from lstm_jax import activations, analysis, gradients, judging, losses, stopping, tasks
from lstm_jax.cells.naive_carousel import naive_carousel

lj.tune_cpu_loops()  # before the first computation
jax.config.update("jax_enable_x64", True)
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
# ## 1. Error in a conventional net
#
# An Elman net, $y(t) = f(W y(t-1) + V x(t) + b)$ with 15 logistic units. An error that enters
# at unit $u$ at step $t$ and leaves at unit $v$ at step $t-q$ is scaled, says equation 2 of the
# paper, by a sum over all paths through $q$ steps:
#
# $$\frac{\partial \vartheta_v(t-q)}{\partial \vartheta_u(t)} =
#   \sum_{l_1 \ldots l_{q-1}} \; \prod_{m=1}^{q} f'(net_{l_m}(t-m))\, w_{l_{m-1} l_m}$$
#
# and that is at most $n\,(\|W\|/4)^q$, and at most $n\,(n\,w_{max}/4)^q$.
#
# We *measure* it without any of that. Automatic differentiation of the net itself gives
# $\partial y_u(T) / \partial b_v(t)$, as if every step had biases of its own; that is the error
# that comes out at $v$ if 1 goes in at the output of $u$. The formula must give the same numbers
# from weights and slopes alone, once its way in, the slope $f'(net_u(T))$, is put in front.

# %%
UNITS, LAGS, NETS = 15, 60, 100
drive = jax.random.uniform(jax.random.key(1), (LAGS + 1, 2), minval=-1.0)
lags = np.arange(1, 1 + LAGS)


def elman_flow(limit, key):
    """Measured and computed factors `(lags, v, u)` with the way in; computed without; bounds."""
    net = lj.elman(inputs=2, hidden=UNITS, init_scale=limit)
    params = net.init(key)
    W = params.from_context
    _, y = lj.unroll(net, params, drive)
    slopes = (y * (1 - y))[::-1]  # the most recent step first
    shares = analysis.gradient_by_step(net, params, drive).bias  # (u, time, v)
    measured = jnp.moveaxis(shares[:, -2::-1], 0, 2)
    flow = analysis.error_flow(W, slopes[1:])
    largest = analysis.vanishing_bound_by_largest(UNITS, jnp.abs(W).max(), lags)
    return measured, flow * slopes[0], flow, analysis.vanishing_bound(W, lags), largest


@jax.jit
@partial(jax.vmap, in_axes=(0, None))  # ranges of the weights
@partial(jax.vmap, in_axes=(None, 0))  # nets
def elman_flows(limit, key):
    measured, formula, flow, *bounds = elman_flow(limit, key)
    off = jnp.abs(measured - formula).max(axis=(1, 2)) / jnp.abs(formula).max(axis=(1, 2))
    top = jnp.abs(flow).max(axis=(1, 2))
    return off, top, jnp.abs(measured).max(axis=(1, 2)), jnp.abs(formula).max(axis=(1, 2)), *bounds


limits = np.array([0.2, 0.5, 1.0, 2.0, 3.9, 6.0, 8.0, 11.0, 16.0, 32.0])
keys = jax.random.split(jax.random.key(0), NETS)
off, left, measured, formula, bound, bound_by_largest = jax.device_get(elman_flows(limits, keys))
print(f"formula and measurement differ by at most {off.max():.0e} of the largest factor, in")
print(f"    {len(limits)} ranges x {NETS} nets x {LAGS} lags x {UNITS**2} pairs of units")
assert off.max() < 1e-10
assert (bound_by_largest[limits > 4 / UNITS, :, -1] > 1).all() and left[4, 0, -1] < 1e-3
assert (left <= bound * (1 + 1e-9)).all() and (bound <= bound_by_largest * (1 + 1e-9)).all()


# %%
def draw_bounds(shown=(0.2, 1.0, 3.9)):
    figure, axes = plt.subplots(1, len(shown), figsize=(9, 3.4), sharey=True)
    for ax, limit in zip(axes, shown, strict=True):
        i = list(limits).index(limit)
        ax.semilogy(lags, measured[i, 0], color=PALE, linewidth=6, label="measured")
        ax.semilogy(lags, formula[i, 0], color=BLACK, label="sum over all paths")
        ax.semilogy(lags, bound[i, 0], "--", color=BLACK, label=r"$n\,(\|W\|/4)^q$")
        ax.semilogy(lags, bound_by_largest[i, 0], ":", color=BLACK, label=r"$n\,(n\,w_{max}/4)^q$")
        ax.set(title=f"weights within {limit:g}", xlabel="lag $q$", xlim=(0, LAGS))
    axes[0].set(ylim=(1e-40, 1e20), ylabel="factor left of an error (largest)")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=4)


draw_bounds()

# %% [markdown]
# The measurement is the thick line and the formula the thin one on top of it. The bounds hold,
# as they must, but they say something only for small weights: above $4/n$ = 0.27 the second one
# grows, although the error still vanishes at more than ten times that range.
#
# Why is the sum so much smaller than the bound? The number of paths explodes; what each of them
# carries implodes. In a net of three units all paths can be listed.


# %%
@jax.jit
def list_paths(key, longest=8, u=0, v=1):
    """What is carried along each path of three units from u to v; the sums by two formulas."""
    net = lj.elman(inputs=2, hidden=3, init_scale=3.9)
    params = net.init(key)
    _, y = lj.unroll(net, params, drive)
    slopes = (y * (1 - y))[: -1 - longest : -1]
    lags = range(1, 1 + longest)
    products = [analysis.path_products(params.from_context, slopes[:q], u, v) for q in lags]
    sums = [analysis.vanishing_factor(params.from_context, slopes[:q], u, v) for q in lags]
    return products, jnp.stack(sums), analysis.error_flow(params.from_context, slopes)[:, v, u]


products, sums, flow = jax.device_get(list_paths(jax.random.key(5)))
np.testing.assert_allclose(sums, flow, rtol=1e-10)
sizes = [np.abs(p) for p in products]
print("lag   paths   largest of them   sum without signs   their sum")
for q, (size, total) in enumerate(zip(sizes, sums, strict=True), start=1):
    print(f"{q:3} {len(size):7,} {size.max():17.1e} {size.sum():19.1e} {total:11.1e}")
    assert len(size) == 3 ** (q - 1) and abs(total) <= size.sum()
    assert size.max() < (3.9 / 4) ** q

# %% [markdown]
# With $|w| < 4$ every factor $|f' w|$ is below 1, since $f' \le 1/4$: along each path the error
# decays, always. Their *sum* is another matter: many paths may outweigh it, and the paper's
# guarantee for the whole net asks for $|w| < 4/n$.
#
# What is the best that a weight can do? Take one unit with a connection to itself. If its net
# input is $w\,y$, the factor $f'(w y)\,w$ rises with $w$, is largest where
# $w = \coth(w y / 2) / y$, and falls to 0 as the logistic goes flat. If inputs hold the net
# input at 0, where the slope is 1/4, the factor is $w/4$: exactly 1 for $w = 4$, and more beyond.

# %%
lone = lj.fully_recurrent(inputs=1, units=1, outputs=1, bias=False)


@jax.jit
def factor(w, y, held):
    """dy(t)/dy(t-1) of a lone unit; `held`: the input takes its net input to 0."""
    params = lone.init(jax.random.key(0))
    params = params._replace(from_inputs=jnp.ones((1, 1)), from_context=w.reshape(1, 1))
    x = jnp.where(held, -w * y, 0.0).reshape(1)

    def step(y_tm1):
        return lone.step(params, lone.initial_state()._replace(context=y_tm1[None]), x)[1][0]

    return jax.jvp(step, (y,), (jnp.ones(()),))[1]


factors_of = jax.jit(jax.vmap(factor, in_axes=(0, None, None)))
weight = np.linspace(0.01, 24, 2400)
single = {y: np.asarray(factors_of(weight, y, False)) for y in (1.0, 0.5, 0.2)}
held = np.asarray(factors_of(weight, 0.5, True))

print("activation   best weight   coth(wy/2)/y there   factor")
for y, values in single.items():
    best = weight[values.argmax()]
    print(f"{y:10.1f} {best:13.2f} {1 / (y * np.tanh(best * y / 2)):20.2f} {values.max():8.3f}")
    assert abs(best * y * np.tanh(best * y / 2) - 1) < 0.01
    assert (values[weight < 4] < 1).all() and values[-1] < values.max()
np.testing.assert_allclose(held, weight / 4, rtol=1e-12)

grows, middle = (left[:, :, -1] > 1).mean(axis=1), np.median(left[:, :, -1], axis=1)
print(f"weights within  factor at lag {LAGS}, median   share of {NETS} nets in which it is above 1")
for limit, some, share in zip(limits, middle, grows, strict=True):
    print(f"{limit:14.1f} {some:24.0e} {share:14.2f}")
assert not grows[limits < 3].any() and grows.max() > 0.1 and grows[-1] < grows.max() / 2
assert (middle < 1e-3).all() and (np.diff(middle[limits < 4]) > 0).all() and middle[-1] < 1e-20


# %%
def draw_best_case():
    _, (one, many) = plt.subplots(1, 2, figsize=(9, 3.4))
    for (y, values), style in zip(single.items(), ("-", "--", ":"), strict=True):
        one.plot(weight, values, style, color=BLACK, label=f"$y$ = {y:g}")
    one.plot(weight, held, color=GREY, label="net input held at 0")
    one.set(xlim=(0, 24), ylim=(0, 1.6), xlabel="weight to itself", ylabel="factor of a step")
    one.set_title("one unit")
    at_end = np.maximum(left[:, :, -1], 1e-80)
    for q, style in ((0.9, "--"), (0.5, "-"), (0.1, ":")):
        name = "median" if q == 0.5 else f"{q:.0%} of the nets below"
        many.loglog(limits, np.quantile(at_end, q, axis=1), style, color=BLACK, label=name)
    many.set(xlabel="weights within", ylim=(1e-60, 1e12), ylabel=f"factor left at lag {LAGS}")
    many.set_title(f"{UNITS} units, {NETS} nets a range")
    for ax in (one, many):
        ax.axhline(1, color=GREY, linewidth=0.8)
        ax.axvline(4, color=GREY, linewidth=0.8, linestyle=":")
        ax.legend(loc="best")


draw_best_case()

# %% [markdown]
# A weight of 4 keeps an error only where the net input is 0 and stays there, a larger one only
# where its curve happens to cross 1. Beside that point the factor of one step is a little less or
# more, and its sixtieth power is what counts. In nets it is the same: as the range of the weights
# grows the error dies more slowly, in some nets it blows up, and then the units saturate and it
# dies again. There is no range at which the typical net keeps it.
#
# ## 2. Error on the carousel
#
# From here on the example is experiment 4, *adding*: in a sequence of pairs (value, mark) two are
# marked, and at the end the net has to say the sum of their values (here in about 40 steps). The
# net has the paper's two blocks of two cells, and a linear output. We train four with the
# truncated gradient, and keep four as they were drawn.

# %%
task = tasks.adding(T=40)
topology = lj.Topology(inputs=2, blocks=(2, 2))
cell = lj.memory_block(topology, lj.Initialization(input_gate=(-3.0, -6.0)))
net = lj.readout(cell, outputs=1, activation=activations.identity)

config = lj.TrialConfig(
    net=net,
    task=task,
    learner=lj.gradient_descent(gradients.forward_traces, losses.squared_error, optax.sgd(0.5)),
    judge=judging.within(0.1),
    stop=stopping.recent(500, stopping.Criterion(wrong_below=1)),
    max_sequences=60_000,
    test_sequences=500,
)
finished: list[lj.Finished] = []
trial = lj.make_trial(lambda settings: config)
records = lj.run_trials(trial, jax.random.key(2), number=4, lanes=4, on_finished=finished.append)
for r in records:
    wrong = r["test"]["wrong"]
    print(f"trial {r['trial']}: {r['phase']} after {r['sequences']:,} sequences, ", end="")
    print(f"{wrong} of 500 new ones wrong")
assert all(r["phase"] == "solved" and r["test"]["wrong"] < 25 for r in records)


def stack(trees):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


nets = {
    "untrained": jax.vmap(net.init)(jax.random.split(jax.random.key(3), 4)),
    "trained": stack([f.params for f in sorted(finished, key=lambda f: f.record["trial"])]),
}

# %% [markdown]
# 32 sequences of exactly 40 steps, to compare like with like at every lag.

# %%
drawn = jax.vmap(task.sample)(jax.random.split(jax.random.key(4), 400))
kept = np.flatnonzero(np.asarray(drawn.length) == 40)[:32]
sequences = jax.device_get(jax.tree.map(lambda leaf: leaf[kept], drawn))
inputs = sequences.inputs[:, :40]
assert inputs.shape == (32, 40, 2)


def for_all(function):
    """Over nets and sequences: results get `(nets, sequences)` in front."""
    over_sequences = jax.vmap(function, in_axes=(None, 0))
    return jax.jit(jax.vmap(over_sequences, in_axes=(0, None)))


# %% [markdown]
# **The doors.** On the carousel the factor is 1. An error is scaled once as it enters a cell,
# by $y_{out}\,h'(s)$, and once as it leaves it, by $y_{in}\,g'(net_c)$ to the cell's weights or
# by $g(net_c)\,f'(net_{in})$ to those of the input gate. No gate is above 1; the slopes of $h$,
# $g$ and $f$ are at most 1/2, 1 and 1/4, and $|g|$ is below 2. So under the cut an error is never
# *enlarged* either, however long it stays: at most 1/2 of it arrives, by any way, at any lag.


# %%
@for_all
def doors(params, x):
    """Entry and exits of all cells, and the gradient of cell outputs at the end by step."""
    shares = analysis.gradient_by_step(gradients.cut(cell), params.cell, x).bias
    entry = analysis.entry_factor(topology, params.cell, x)
    leave = analysis.exit_factors(topology, params.cell, x)
    product = entry[-1] * leave.cell, entry[-1] * leave.input_gate
    return entry, leave, product, jnp.diagonal(shares, axis1=0, axis2=2)


exits = {}
print("               entry   exit: cell   exit: input gate   both doors, largest")
for name, params in nets.items():
    entry, leave, product, measured_share = jax.device_get(doors(params, inputs))
    np.testing.assert_allclose(product[0], measured_share, rtol=1e-9, atol=1e-15)
    both = max(np.abs(p).max() for p in product)
    averages = [np.abs(v).mean() for v in (entry, leave.cell, leave.input_gate)]
    print("{:10} {:9.3f} {:12.3f} {:18.3f} {:21.3f}".format(name, *averages, both))
    assert both <= 0.5 and entry.max() <= 0.5
    assert leave.cell.max() <= 1 and np.abs(leave.input_gate).max() <= 0.5
    exits[name] = leave


# %%
marked = inputs[..., 1] == 1  # (sequences, time)
print("exit to the cell's weights, mean   at marks   elsewhere")
for name, leave in exits.items():
    by_step = leave.cell.max(axis=-1)  # the cell that is most open
    print(f"{name:32} {by_step[:, marked].mean():10.3f} {by_step[:, ~marked].mean():11.3f}")
trained_exit = exits["trained"].cell.max(axis=-1)
untrained_exit = exits["untrained"].cell.max(axis=-1)
assert trained_exit[:, marked].mean() > 3 * trained_exit[:, ~marked].mean()
assert untrained_exit[:, marked].mean() < 1.2 * untrained_exit[:, ~marked].mean()

# %% [markdown]
# Training opens the doors at the marks and all but shuts them elsewhere: where the net writes,
# there it can be corrected.
#
# **The other paths.** A state also acts, through $y_c$ and one step later, on every net input of
# the hidden layer: those of the cells, of the input gates and of the output gates. The cut drops
# all three. We can drop them one by one. A cell of this library may offer its step in two halves,
# `net_input` (net inputs out of weights, activations and inputs) and `activate` (the rest); so let
# the net inputs of chosen kinds of unit receive the last activations with their derivatives, and
# the others receive them as constants.

# %%
KINDS = ("cell", "input_gate", "output_gate")
WAYS = {"none": (), **{kind: (kind,) for kind in KINDS}, "all": KINDS}
passes = np.zeros((len(WAYS), topology.units), bool)
for row, kinds in zip(passes, WAYS.values(), strict=True):
    for kind in kinds:
        row[topology.rows(kind)] = True


def opened(passes):
    """The same layer; error goes back along the carousel and through the units that pass it."""
    parts = cell.net_inputs

    def step(params, state, x):
        rows, still = parts.rows(params), jax.lax.stop_gradient(state)
        known, constant = parts.net_input(rows, state, x), parts.net_input(rows, still, x)
        state = parts.activate(jnp.where(passes, known, constant), state)
        return state, state.activations[topology.outward]

    return cell._replace(step=step)


@jax.jit
@partial(jax.vmap, in_axes=(0, None))
def added(passes, params):
    """|ds(q)/ds(0) - 1|, the largest, for each lag; averaged over nets and sequences."""

    def flow(params, x, q):
        return analysis.uncut_jacobian(opened(passes), params.cell, x, length=q)

    over_lags = jax.vmap(flow, in_axes=(None, None, 0))
    over_sequences = jax.vmap(over_lags, in_axes=(None, 0, None))
    found = jax.vmap(over_sequences, in_axes=(0, None, None))(params, inputs[:8], steps)
    return jnp.abs(found - jnp.eye(topology.cells)).max(axis=(-1, -2)).mean(axis=(0, 1))


steps = np.arange(1, 41)
extra = {}
for name, params in nets.items():
    deviations = np.asarray(added(passes, params))
    extra |= {(name, way): values for way, values in zip(WAYS, deviations, strict=True)}
print("deviation of ds(t)/ds(t-q) from 1")
print("paths through   untrained, q = 2     10     40   trained, q = 2     10     40")
for way in WAYS:
    numbers = [extra[name, way][q - 1] for name in nets for q in (2, 10, 40)]
    print("{:16} {:15.4f} {:6.4f} {:6.4f} {:16.4f} {:6.4f} {:6.4f}".format(way, *numbers))
for name in nets:
    assert not extra[name, "none"].any() and not extra[name, "output_gate"].any()
    assert extra[name, "cell"][-1] > 5 * extra[name, "input_gate"][-1] > 0
    assert 0.8 < extra[name, "cell"][-1] / extra[name, "all"][-1] < 1.2
    assert 0 < extra[name, "all"][-1] < 0.3
assert extra["trained", "all"][-1] > 2 * extra["untrained", "all"][-1]


# %%
def draw_added():
    _, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
    looks = {
        "all": ({"color": PALE, "linewidth": 6}, "every unit"),
        "cell": ({"color": BLACK}, "cells"),
        "input_gate": ({"color": BLACK, "linestyle": "--"}, "input gates"),
        "output_gate": ({"color": GREY}, "output gates; none"),
    }
    for ax, name in zip(axes, nets, strict=True):
        for way, (look, label) in looks.items():
            ax.plot(steps, extra[name, way], **look, label=label)
        ax.set(title=name, xlabel="lag $q$", xlim=(0, 40))
    axes[0].set_ylabel(r"$|\partial s(t) / \partial s(t-q) - 1|$, largest")
    axes[1].legend(title="paths through", loc="center left", bbox_to_anchor=(1, 0.5))


draw_added()

# %% [markdown]
# Nearly all that the cut drops goes through the cells' own net inputs, little through the input
# gates. Output gates alone add nothing at all, in every bit: what they do reaches a state only
# by way of the net input of a cell or an input gate. And beside the 1 of the carousel it is not
# much, though training makes it more.
#
# ## 3. What becomes of the gradient
#
# So much for the error; now the gradient. `opened` leads from the truncated gradient, with no
# path open, to the full one, with all of them. The three forms of the truncated gradient must
# be the first, back-propagation through time and real-time recurrent learning the last.


# %%
def with_output(layer):
    return lj.readout(layer, outputs=1, activation=activations.identity)


def in_all(net, rule):
    """The gradient by a rule, over nets and sequences."""
    gradient = rule(net, losses.squared_error)
    return for_all(lambda params, sequence: gradient(params, sequence).grads)


@jax.jit
@partial(jax.vmap, in_axes=(0, None))
def partly(passes, params):
    """Back-propagation through time, some paths open."""
    return in_all(with_output(opened(passes)), gradients.bptt)(params, sequences)


def by_kind(grads):
    """A gradient as `{kind of weight: (..., numbers)}`, whatever stands in front."""
    front = grads.bias.shape[:-1]

    def put_together(leaves):
        return np.concatenate([np.reshape(leaf, (*front, -1)) for leaf in leaves], axis=-1)

    hidden = {
        kind: put_together(
            [grads.cell.from_inputs[..., topology.rows(kind), :],
             grads.cell.from_hidden[..., topology.rows(kind), :],
             grads.cell.bias[..., topology.rows(kind)]]
        )
        for kind in KINDS
    }  # fmt: skip
    return {**hidden, "output": put_together([grads.from_cell, grads.bias])}


rules = (
    gradients.by_definition,
    gradients.parallel_scan,
    gradients.forward_traces,
    gradients.bptt,
    gradients.rtrl,
)
rules = {rule.name: in_all(net, rule) for rule in rules}
grads = {}
for name, params in nets.items():
    for rule, gradient in rules.items():
        grads[name, rule] = by_kind(jax.device_get(gradient(params, sequences)))
    partial_cuts = jax.device_get(partly(passes, params))
    for i, way in enumerate(WAYS):
        grads[name, way] = by_kind(jax.tree.map(lambda leaf, i=i: leaf[i], partial_cuts))


def cosine(a, b):
    """Of vectors along the last axis; 0 where one of them is."""
    size = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return (a * b).sum(axis=-1) / np.where(size > 0, size, 1)


def everything(gradient):
    return np.concatenate(list(gradient.values()), axis=-1)


def apart(a, b):
    """The largest difference, relative to the largest entry of b."""
    return np.abs(everything(a) - everything(b)).max() / np.abs(everything(b)).max()


for name in nets:
    print(f"{name:24} apart from truncated   from full   cosine with full")
    cut, full = grads[name, "by_definition"], grads[name, "bptt"]
    for rule in (*rules, *WAYS):
        this, title = grads[name, rule], rule if rule in rules else f"paths open: {rule}"
        same = np.median(cosine(everything(this), everything(full)))
        print(f"{title:24} {apart(this, cut):20.0e} {apart(this, full):11.0e} {same:18.5f}")
    for rule in ("parallel_scan", "forward_traces", "none"):
        assert apart(grads[name, rule], cut) < 1e-10
    for rule in ("rtrl", "all"):
        assert apart(grads[name, rule], full) < 1e-10
    assert apart(full, cut) > 1e-5

# %% [markdown]
# Two gradients under seven names, and between them the partial cuts. Now the cosine of truncated
# and full gradient, one kind of weight at a time; the numbers are quantiles over nets and
# sequences, each sequence with a gradient of its own.

# %%
print("weights of         untrained: 10 %  median      90 %   trained: 10 %  median      90 %")
same = {
    (name, kind): cosine(grads[name, "forward_traces"][kind], grads[name, "bptt"][kind])
    for name in nets
    for kind in (*KINDS, "output")
}
for kind in (*KINDS, "output"):
    numbers = [np.quantile(same[name, kind], q) for name in nets for q in (0.1, 0.5, 0.9)]
    print("{:19} {:14.3f} {:7.3f} {:9.3f} {:15.3f} {:7.3f} {:9.3f}".format(kind, *numbers))
for name in nets:
    assert same[name, "output"].min() > 1 - 1e-12
    assert min(same[name, "cell"].min(), same[name, "input_gate"].min()) > 0.99
    assert 0.8 < np.median(same[name, "output_gate"]) < 0.999
assert np.quantile(same["trained", "output_gate"], 0.1) < 0.8

# %% [markdown]
# The weights of the output layer do not notice the cut; those of cells and input gates hardly do.
# The output gates do: as a rule their gradient still points much the same way, but in one of
# ten sequences of the trained nets the cosine falls far below that. To see why, ask for the
# shares of single steps: what does an error at the end say of the use of the weights $q$ steps
# before?


# %%
@for_all
def by_lag(params, x):
    """Full and truncated gradient of the output at the end, `(lag, ...)`."""
    layers = net, gradients.cut(net)
    shares = [analysis.gradient_by_step(layer, params, x) for layer in layers]
    return jax.tree.map(lambda leaf: leaf[0, ::-1], shares)


lag_shares = {}
for name, params in nets.items():
    full, cut = map(by_kind, jax.device_get(by_lag(params, inputs)))
    for kind in KINDS:
        lag_shares[name, kind] = full[kind], cut[kind]

shown = (0, 1, 2, 5, 10, 20, 39)
print("cosine of the shares, median; lag " + "".join(f"{q:8}" for q in shown))
for (name, kind), (full, cut) in lag_shares.items():
    middle = np.median(cosine(full, cut), axis=(0, 1))
    print(f"{name:12} {kind:20} " + "".join(f"{middle[q]:8.3f}" for q in shown))
    np.testing.assert_allclose(full[:, :, 0], cut[:, :, 0], rtol=1e-12, atol=1e-18)
    if kind == "output_gate":
        assert not cut[:, :, 1:].any() and (np.abs(full[:, :, 1:]).max(axis=-1) > 0).all()
    else:
        dropped, kept = (
            np.median(np.linalg.norm(a, axis=-1), axis=(0, 1)) for a in (full - cut, cut)
        )
        assert (middle > 0.9).all() and (dropped < 0.5 * kept).all()


# %%
def draw_lags():
    figure, axes = plt.subplots(2, 3, figsize=(9, 5), sharex=True, sharey=True)
    for (name, kind), (full, cut) in lag_shares.items():
        ax = axes[list(nets).index(name), KINDS.index(kind)]
        sizes = [np.median(np.linalg.norm(a, axis=-1), axis=(0, 1)) for a in (cut, full - cut)]
        kept, dropped = (np.where(size > 0, size, np.nan) for size in sizes)
        ax.semilogy(kept, ".-" if kind == "output_gate" else "-", color=BLACK, label="kept")
        ax.semilogy(dropped, "--", color=BLACK, label="dropped")
        ax.set_title(f"{name}, {kind.replace('_', ' ')}s")
    for ax in axes[1]:
        ax.set(xlabel="lag $q$", xlim=(-1, 40))
    for ax in axes[:, 0]:
        ax.set_ylabel("share in the gradient")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2)


draw_lags()

# %% [markdown]
# At lag 0 nothing is cut: the paths that are dropped take a step back at least. Further back,
# cells and input gates keep the greater part at every lag. For an output gate there is no further
# back: under the cut it is told how far it should have been open at the very step of the error,
# and nothing else, not even one step earlier. All that it did for the other units of the hidden
# layer, by letting the cells out to them, is dropped. That is where the truncated gradient is
# another gradient.
#
# ## 4. A carousel without gates
#
# What if there were no gates at all: a linear unit with self-weight 1, one weight $w_{ji}$ into
# it and one, $w_{kj}$, out of it? Its error flow is perfect, and still it does not learn. The
# paper names two conflicts, which we put to the test with two tasks.
#
# * *Hold*: values come in at all of 12 steps; the unit is to take on the first of them and keep
#   it. The *input weight* has to store one input and to protect the unit from the others.
# * *Retrieve*: the unit holds a value; unit $k$ is to say it at the last step and to say nothing
#   before. The *output weight* has to fetch the content and to protect $k$ from it.
#
# Beside it a memory cell with one gate, a second input marks the step that counts, and the gate
# is open there (0.99) and closed elsewhere (0.01). Its weights are set by hand; that gates learn
# such things was seen above. Both cells are linear otherwise. `update_signals` gives what the error
# of each step asks of a weight, and `conflict` how far these demands cancel: 0 if all agree, 1 if
# nothing is left of them.

# %%
STEPS = 12
values = jax.random.uniform(jax.random.key(6), (64, STEPS), minval=-1.0)
first, last = np.eye(STEPS)[[0, -1]]
hold = values, jnp.repeat(values[:, :1], STEPS, axis=1), first  # inputs, targets, marks
retrieve = values * first, values[:, :1] * last, last


def naive(task, w):
    """The naive carousel; the weight in question is w, the other one is 1."""
    layer = naive_carousel(inputs=2)
    weights = jnp.array([[w if task == "hold" else 1.0, 0.0]])
    return layer, layer.init(jax.random.key(0))._replace(from_inputs=weights)


def gated(task, w):
    """The same with a gate where the conflict is, which receives the marks."""
    kind = {"hold": "input_gate", "retrieve": "output_gate"}[task]
    layer = lj.memory_block(
        lj.Topology(
            inputs=2,
            blocks=(1,),
            input_gates=kind == "input_gate",
            output_gates=kind == "output_gate",
            recurrence="none",
            biased=(kind,),
            squash_input=None,
            squash_state=None,
        ),
        lj.Initialization(**{kind: -5.0}),
    )
    weights = jnp.array([[w if task == "hold" else 1.0, 0.0], [0.0, 10.0]])
    return layer, layer.init(jax.random.key(0))._replace(from_inputs=weights)


def pulls(make, task, w):
    """Demands `(sequences, time)` on the weight, and the error left, relative to that at w = 0."""
    values, targets, marks = {"hold": hold, "retrieve": retrieve}[task]
    layer, inner = make(task, w)
    whole = lj.readout(layer, 1, activation=activations.identity, bias=False)
    out = jnp.array([[w if task == "retrieve" else 1.0]])
    params = whole.init(jax.random.key(0))._replace(cell=inner, from_cell=out)

    def one(values, targets):
        x, d = jnp.stack([values, jnp.asarray(marks)], axis=1), targets[:, None]
        signals = analysis.update_signals(whole, losses.squared_error, params, x, d)
        asked = signals.cell.from_inputs[:, 0, 0] if task == "hold" else signals.from_cell[:, 0, 0]
        return asked, ((d - lj.unroll(whole, params, x)[1]) ** 2).sum()

    asked, error = jax.vmap(one)(values, targets)
    return asked, error.sum() / (targets**2).sum()


weight = np.linspace(0, 1.2, 121)
half = list(weight.round(2)).index(0.5)
asked, error, torn = {}, {}, {}
for task_name in ("hold", "retrieve"):
    for make in (naive, gated):
        ask = jax.jit(jax.vmap(partial(pulls, make, task_name)))
        key = task_name, make.__name__
        asked[key], error[key] = map(np.asarray, ask(weight))
        demands = asked[key].reshape(len(weight), -1).T  # all steps of all sequences
        torn[key] = np.asarray(analysis.conflict(demands))

paper = jax.vmap(partial(analysis.input_weight_signals, 0.5))(*hold[:2])
np.testing.assert_allclose(asked["hold", "naive"][half], paper, atol=1e-12)
paper = jax.vmap(partial(analysis.output_weight_signals, 0.5))(values[:, 0], retrieve[1])
np.testing.assert_allclose(asked["retrieve", "naive"][half], paper, atol=1e-12)

print(
    "task       cell    best weight   error left there   conflict at the naive cell's best weight"
)
for (task_name, name), errors in error.items():
    compared = torn[task_name, name][error[task_name, "naive"].argmin()]
    best = errors.argmin()
    print(f"{task_name:10} {name:6} {weight[best]:12.2f} {errors[best]:18.4f} {compared:18.3f}")
    assert errors[best] > 0.8 if name == "naive" else errors[best] < 0.01
    assert compared > 0.9 if name == "naive" else compared < 0.01
    assert (np.abs(asked[task_name, name][best]).max() < 0.1) == (name == "gated")
for task_name, marks in (("hold", first), ("retrieve", last)):
    naive_asks, gated_asks = (asked[task_name, n][half].mean(axis=0) for n in ("naive", "gated"))
    assert ((naive_asks > 0) == (marks == 1)).all() and (gated_asks > -1e-3).all()
    assert torn[task_name, "gated"][weight < 0.9].max() < 0.05


# %%
def draw_conflicts():
    figure, axes = plt.subplots(2, 3, figsize=(9, 5), sharex="col")
    circle = {"markersize": 7, "fillstyle": "none"}
    looks = {
        "naive": ({"color": GREY}, circle),
        "gated": ({"color": BLACK, "linestyle": "--"}, {"markersize": 3}),
    }
    for row, task_name in zip(axes, ("hold", "retrieve"), strict=True):
        for name, (line, dot) in looks.items():
            key = task_name, name
            demand = asked[key][half].mean(axis=0)
            row[0].plot(np.arange(1, 1 + STEPS), demand, "o", color=line["color"], **dot)
            row[1].plot(weight, torn[key], **line, label=name)
            row[2].plot(weight, error[key], **line)
        row[0].axhline(0, color=PALE, linewidth=0.8, zorder=0)
        row[0].set(ylabel="asked for at weight 0.5", title=task_name, xticks=(1, 4, 8, 12))
        row[1].set(ylabel="conflict", ylim=(-0.05, 1.05), title=task_name)
        row[2].set(ylabel="error left", ylim=(-0.05, 2.05), title=task_name)
    for ax, name in zip(axes[1], ("step", "weight", "weight"), strict=True):
        ax.set_xlabel(name)
    figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside lower center", ncols=2)


draw_conflicts()

# %% [markdown]
# On the left, what the steps ask for on average (circles: naive; dots: gated). Without a gate it is
# up where the value is to be stored or retrieved, and down at all other steps; with a gate no
# step pulls down to speak of. So the naive weight comes to rest where the demands cancel, near
# 1/10, at a conflict of almost 1 and with nine tenths of the error left. With a gate the weight
# meets no conflict on its way to 1, where the task is solved and what cancels is next to nothing.
#
# It is not for want of the marks. The naive unit may receive them too, by a weight of their own;
# but it can only *add* them, and a gate multiplies. The best that any two weights do:

# %%
with_marks = {
    "hold": (np.cumsum(hold[0], axis=1), np.cumsum(np.tile(first, (64, 1)), axis=1), hold[1]),
    "retrieve": (np.tile(values[:, :1], STEPS), np.tile(last, (64, 1)), retrieve[1]),
}
for task_name, (content, marks, wanted) in with_marks.items():
    sources, goal = np.stack([np.ravel(content), np.ravel(marks)], axis=1), np.ravel(wanted)
    rest = goal - sources @ np.linalg.lstsq(sources, goal)[0]
    print(f"{task_name:10} error left {(rest**2).sum() / (goal**2).sum():.2f}")
    assert (rest**2).sum() > 0.8 * (goal**2).sum()

# %% [markdown]
# ## 5. What the cut costs and what it buys
#
# **Costs.** What can be learnt only by way of the dropped paths cannot be learnt. Take the output
# weights of the second block away, so that only the other units of the hidden layer receive it:
# a block that prepares something for another block. Error reaches it along recurrent connections
# and in no other way.

# %%
no_output = nets["trained"]._replace(from_cell=nets["trained"].from_cell.at[..., 2:].set(0))
second = [2, 3, topology.rows("input_gate").start + 1, topology.rows("output_gate").start + 1]
arrived = {}
for rule in ("by_definition", "forward_traces", "bptt"):
    found = rules[rule](no_output, sequences).cell
    parts = [leaf[:, :, second].reshape(*leaf.shape[:2], -1) for leaf in found]
    arrived[rule] = np.linalg.norm(np.concatenate(parts, axis=-1), axis=-1)
    low, high = arrived[rule].min(), arrived[rule].max()
    print(f"{rule:21} gradient of the second block from {low:.1e} to {high:.1e}")
assert not arrived["by_definition"].any() and not arrived["forward_traces"].any()
assert (arrived["bptt"] > 0).all()

# %% [markdown]
# Under the cut its gradient is zero. (The paper itself names another limit, the strongly delayed
# exclusive-or, where to store one of two inputs does not reduce the error; that is an experiment of
# its own.)
#
# **Buys.** What a rule that carries the past forward has to remember: the truncated gradient one
# trace for each weight into a cell or its input gate (and each cell of the block), the exact one
# the sensitivity of *every* component of the state to *every* weight that reaches it.
# Back-propagation remembers the states, but those of every step. In numbers:

# %%
SEQUENCE = 1000


def memory(blocks):
    """Numbers kept by on-line truncated gradient, RTRL, and back-propagation at least."""
    layout = lj.Topology(inputs=2, blocks=(2,) * blocks)
    whole = with_output(lj.memory_block(layout))
    params = jax.eval_shape(whole.init, jax.random.key(0))

    def numbers(make, *args):
        return sum(leaf.size for leaf in jax.tree.leaves(jax.eval_shape(make, *args)))

    state = numbers(whole.initial_state)
    kept = [
        numbers(rule.online(whole, losses.squared_error).init, params) - state
        for rule in (gradients.forward_traces, gradients.rtrl)
    ]
    assert kept[0] == analysis.trace_memory(layout)
    touched = analysis.operations(layout, outputs=1)
    return analysis.weight_count(whole), *kept, SEQUENCE * state, touched.traces / touched.forward


table = {blocks: memory(blocks) for blocks in (2, 8, 32)}
print(f"blocks   weights   truncated        RTRL   back-propagation, {SEQUENCE} steps")
for blocks, (weights, traces, sensitivities, states, ratio) in table.items():
    print(f"{blocks:6} {weights:9,} {traces:11,} {sensitivities:11,} {states:18,}")
    assert traces < 2 * weights and 0.5 < ratio < 1.5
assert table[32][2] > 60 * table[32][1]

# %% [markdown]
# The traces grow with the weights alone; a step costs some operations per weight, and so does its
# memory, whatever the length of the sequence. Each trace is made of what is found at its own two
# ends: the source of the connection and the cell. That is what *local in space and time* means,
# and the cut is its price: an output gate that looks no further than its own step, and units that
# do not learn to prepare something for others.
#
# **To go on.** Train with `gradients.bptt` and compare the output gates. Give the topology
# `recurrence="none"`: what is left to cut? Add `forget_gates=True` and watch which assertions fail.
# Try your own range of weights in the first figure, and a hidden layer with `activations` of
# another slope.
