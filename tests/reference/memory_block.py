"""The 1997 memory-block net and its gradients in float64, as plain loops over time and units.

It follows appendix A.1 in the order of the experiments: inputs, hidden layer from the
activations of one step before, outputs from the current cells. It says what is right,
not what is fast: nothing is batched or fused, and every unit has its own line of algebra.

Four computations of a gradient of E = 1/2 sum_t sum_k (target_k - y_k)^2 stand here:
`truncated_traces` (the paper's algorithm), `truncated_by_differences` (what truncation
means, by finite differences), `full_gradient` (backpropagation through time, derived by
hand), `numeric_full` (finite differences of E). Gradients are dE/dw in the order of the
weights (see `topology`); weight changes are their negatives times the learning rate.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .topology import OUTPUT, G, H, Topology, df, f

Array = np.ndarray
Traces = dict[tuple[int, int], Array]  # ds_c/dw_u by cell c and row u of the weights


class Trajectory(NamedTuple):
    """Everything that happens in a sequence, time in front; one step of it without time.

    Attributes:
      outputs: y_k `(L, outputs)`.
      states: s_c `(L, cells)`.
      hidden: activations of the hidden layer, gates included, `(L, units)`.
      net_hidden: its net inputs `(L, units)`.
      net_outputs: net_k `(L, outputs)`.
    """

    outputs: Array
    states: Array
    hidden: Array
    net_hidden: Array
    net_outputs: Array


class Traced(NamedTuple):
    """The error of a sequence, its gradient, and what every step contributes to it."""

    error: float
    gradient: Array
    steps: Array


# ---------------------------------------------------------------- the forward pass


def silence(topology: Topology) -> Trajectory:
    """The moment before the first step: all activations and states are 0."""
    sizes = (topology.outputs, len(topology.block_of), topology.units, topology.units)
    return Trajectory(*map(np.zeros, sizes), np.zeros(topology.outputs))


def opening(topology: Topology, y: Array, kind: str, j: int) -> float:
    """The activation of block j's gate, or 1 if the blocks have no such gate."""
    row = topology.gate(kind, j)
    return 1.0 if row is None else y[row]


def step(topology: Topology, weights: Array, x: Array, y_tm1: Array, s_tm1: Array) -> Trajectory:
    """One time step, given the input, the hidden layer's activations and the states before."""
    g, h, f_k = G[topology.g].value, H[topology.h].value, OUTPUT[topology.output].value
    net, y_t = np.zeros(topology.units), np.zeros(topology.units)
    for u in range(topology.units):  # net_u(t) = sum of w [x(t); y_hidden(t-1); 1]
        net[u] = weights[topology.hidden_slices[u]] @ topology.hidden_sources(u, x, y_tm1)
        if u not in topology.rows["cell"]:
            y_t[u] = f(net[u])  # y_in, y_out, y_phi and conventional units

    s_t = np.zeros(len(topology.block_of))
    for c, j in enumerate(topology.block_of):
        y_in = opening(topology, y_t, "input gate", j)
        y_out = opening(topology, y_t, "output gate", j)
        y_phi = opening(topology, y_t, "forget gate", j)
        s_t[c] = y_phi * s_tm1[c] + y_in * g(net[c])  # 1997: y_phi = 1, the carousel
        y_t[c] = y_out * h(s_t[c])

    net_k, y_k = np.zeros(topology.outputs), np.zeros(topology.outputs)
    for k in range(topology.outputs):  # from the current cells, never from a gate
        net_k[k] = weights[topology.output_slices[k]] @ topology.output_sources(x, y_t)
        y_k[k] = f_k(net_k[k])
    return Trajectory(y_k, s_t, y_t, net, net_k)


def forward(
    topology: Topology, weights: Array, inputs: Array, held: Array | None = None
) -> Trajectory:
    """Runs a sequence of inputs `(L, inputs)` through the net.

    `held` `(L, units)`, if given, is read by the hidden layer at each step in place of its
    own activations of the step before: the recurrent activations become constants.
    """
    moments, before = [], silence(topology)
    for t in range(len(inputs)):
        y_tm1 = before.hidden if held is None else held[t]
        before = step(topology, weights, inputs[t], y_tm1, before.states)
        moments.append(before)
    return Trajectory(*map(np.stack, zip(*moments, strict=True)))


def shifted(values: Array) -> Array:
    """The values of one step earlier; zeros before the first step."""
    return np.concatenate([np.zeros_like(values[:1]), values[:-1]])


def misses(outputs: Array, targets: Array, mask: Array) -> Array:
    """target_k - y_k `(L, outputs)`, 0 without an error signal; mask `(L,)` or `(L, outputs)`."""
    mask = np.reshape(np.asarray(mask, bool), (len(outputs), -1))
    return np.where(mask, targets - outputs, 0.0)


def squared_error(outputs: Array, targets: Array, mask: Array) -> float:
    """E = 1/2 sum_t sum_k (target_k - y_k)^2 over the masked steps."""
    return 0.5 * float(np.sum(misses(outputs, targets, mask) ** 2))


# ------------------------------------------------ truncated: the paper's on-line traces


def feeding_rows(topology: Topology, c: int) -> list[int]:
    """The hidden units whose incoming weights change s_c: c, its input and forget gates."""
    j = topology.block_of[c]
    gates = [topology.gate(kind, j) for kind in ("input gate", "forget gate")]
    return [c] + [row for row in gates if row is not None]


def state_slope(topology: Topology, c: int, u: int, now: Trajectory, s_tm1: Array) -> float:
    """ds_c(t)/dnet_u(t) for a unit u of `feeding_rows`, everything else held still."""
    g, net = G[topology.g], now.net_hidden
    if u == c:  # y_in g'(net_c)
        return opening(topology, now.hidden, "input gate", topology.block_of[c]) * g.slope(net[c])
    if u in topology.rows["input gate"]:  # g(net_c) f'(net_in)
        return g.value(net[c]) * df(net[u])
    return s_tm1[c] * df(net[u])  # s_c(t-1) f'(net_phi)


def no_traces(topology: Topology) -> Traces:
    """ds_c/dw_u before the first step: zeros for every cell c and row u that feeds it."""
    lengths = [part.stop - part.start for part in topology.hidden_slices]
    cells = topology.rows["cell"]
    return {(c, u): np.zeros(lengths[u]) for c in cells for u in feeding_rows(topology, c)}


def grown_traces(
    topology: Topology, traces: Traces, x: Array, before: Trajectory, now: Trajectory
) -> Traces:
    """ds_c(t)/dw_u = y_phi ds_c(t-1)/dw_u + ds_c(t)/dnet_u y_u(t-1), with y_u a constant."""
    grown = {}
    for (c, u), trace in traces.items():
        y_phi = opening(topology, now.hidden, "forget gate", topology.block_of[c])
        sources = topology.hidden_sources(u, x, before.hidden)
        slope = state_slope(topology, c, u, now, before.states)
        grown[c, u] = y_phi * trace + slope * sources
    return grown


def output_errors(topology: Topology, now: Trajectory, miss: Array) -> Array:
    """e_k = f'(net_k) (target_k - y_k)."""
    return np.array([OUTPUT[topology.output].slope(n) for n in now.net_outputs]) * miss


def arriving(topology: Topology, weights: Array, e_k: Array) -> Array:
    """sum_k w_ku e_k `(units,)`: what the outputs' errors send to cells and hidden units."""
    skipped = topology.inputs * topology.direct
    sums = np.zeros(topology.units)
    for k, part in enumerate(topology.output_slices):
        for place, u in enumerate(topology.readable):
            sums[u] += weights[part][skipped + place] * e_k[k]
    return sums


def weight_changes(
    topology: Topology, weights: Array, traces: Traces,
    x: Array, before: Trajectory, now: Trajectory, miss: Array,
) -> Array:  # fmt: skip
    """-dE(t)/dw under the cut: the changes at one step for a learning rate of 1."""
    h, net, changes = H[topology.h], now.net_hidden, np.zeros(topology.weight_count)
    e_k = output_errors(topology, now, miss)
    back = arriving(topology, weights, e_k)
    sources = [topology.hidden_sources(u, x, before.hidden) for u in range(topology.units)]
    for k, part in enumerate(topology.output_slices):  # dw_k = e_k y
        changes[part] += e_k[k] * topology.output_sources(x, now.hidden)

    for c, j in enumerate(topology.block_of):
        y_out = opening(topology, now.hidden, "output gate", j)
        e_s = y_out * h.slope(now.states[c]) * back[c]  # e_s = y_out h'(s) sum_k w_kc e_k
        for u in feeding_rows(topology, c):  # dw_c = e_s ds/dw_c, dw_in = sum_v e_s ds_v/dw_in
            changes[topology.hidden_slices[u]] += e_s * traces[c, u]
        u = topology.gate("output gate", j)
        if u is not None:  # e_out = f'(net_out) sum_v h(s_v) sum_k w_kv e_k; dw_out = e_out y_u
            e_out = df(net[u]) * h.value(now.states[c]) * back[c]
            changes[topology.hidden_slices[u]] += e_out * sources[u]

    for u in topology.rows["hidden"]:  # e_i = f'(net_i) sum_k w_ki e_k; dw_i = e_i y_u
        e_i = df(net[u]) * back[u]
        changes[topology.hidden_slices[u]] += e_i * sources[u]
    return changes


def truncated_traces(
    topology: Topology, weights: Array, inputs: Array, targets: Array, mask: Array, rate=0.0
) -> Traced:
    """The paper's algorithm: activations, states and traces forward, an error whenever it comes.

    Nothing of the past is stored but the step before. With a `rate` the weights also
    change at every step, so that `weights - rate * gradient` is where they end.
    """
    error, contributions = 0.0, []
    before, traces = silence(topology), no_traces(topology)
    for t in range(len(inputs)):
        x = inputs[t]
        now = step(topology, weights, x, before.hidden, before.states)
        traces = grown_traces(topology, traces, x, before, now)
        miss = misses(now.outputs[None], targets[t][None], mask[t])[0]
        changes = weight_changes(topology, weights, traces, x, before, now, miss)
        error += 0.5 * float(miss @ miss)
        contributions.append(-changes)
        weights, before = weights + rate * changes, now
    return Traced(error, np.sum(contributions, axis=0), np.stack(contributions))


# ------------------------------------------------ full: backpropagation through time


def backpropagated(
    topology: Topology, weights: Array, inputs: Array, targets: Array, mask: Array, cut: bool
) -> tuple[float, Array]:
    """The error and its gradient by one pass back through the stored sequence.

    `cut` drops the one term that truncation drops: errors leaving a net input at t+1 for
    the activations at t that it has read.
    """
    run = forward(topology, weights, inputs)
    y_tm1, s_tm1 = shifted(run.hidden), shifted(run.states)
    miss = misses(run.outputs, targets, mask)
    gradient = np.zeros(topology.weight_count)
    e_y, e_s = np.zeros(topology.units), np.zeros(len(topology.block_of))  # from step t+1
    for t in reversed(range(len(inputs))):
        now = Trajectory(*(values[t] for values in run))
        e_k = output_errors(topology, now, miss[t])
        e_y = e_y + arriving(topology, weights, e_k)
        e_net, e_s = net_errors(topology, now, s_tm1[t], e_y, e_s)
        for k, part in enumerate(topology.output_slices):
            gradient[part] -= e_k[k] * topology.output_sources(inputs[t], now.hidden)
        for u, part in enumerate(topology.hidden_slices):
            gradient[part] -= e_net[u] * topology.hidden_sources(u, inputs[t], y_tm1[t])
        e_y = np.zeros(topology.units) if cut else sent_back(topology, weights, e_net)
    return squared_error(run.outputs, targets, mask), gradient


def net_errors(
    topology: Topology, now: Trajectory, s_tm1: Array, e_y: Array, e_s: Array
) -> tuple[Array, Array]:
    """-dE/dnet_u(t) of all hidden units, and -dE/ds_c(t-1) by way of s_c(t) alone.

    `e_y` is what arrives at the activations at t, `e_s` what arrives at s(t) from s(t+1).
    """
    h, net = H[topology.h], now.net_hidden
    e_net, e_s_tm1 = np.zeros(topology.units), np.zeros_like(e_s)
    for c, j in enumerate(topology.block_of):
        y_out = opening(topology, now.hidden, "output gate", j)
        u_out = topology.gate("output gate", j)
        if u_out is not None:  # y_c = y_out h(s)
            e_net[u_out] += df(net[u_out]) * h.value(now.states[c]) * e_y[c]
        e = e_s[c] + y_out * h.slope(now.states[c]) * e_y[c]  # -dE/ds_c(t)
        for u in feeding_rows(topology, c):
            e_net[u] += e * state_slope(topology, c, u, now, s_tm1)
        e_s_tm1[c] = opening(topology, now.hidden, "forget gate", j) * e  # 1997: e itself
    for u in range(topology.units):  # what reached gates and hidden units as activations
        if u not in topology.rows["cell"]:
            e_net[u] += df(net[u]) * e_y[u]
    return e_net, e_s_tm1


def sent_back(topology: Topology, weights: Array, e_net: Array) -> Array:
    """sum_u w_ul e_u(t) `(units,)` for every recurrent source l: -dE/dy_l(t-1)."""
    sums = np.zeros(topology.units)
    for u, part in enumerate(topology.hidden_slices):
        for place, source in enumerate(topology.recurrent):
            sums[source] += weights[part][topology.inputs + place] * e_net[u]
    return sums


def full_gradient(
    topology: Topology, weights: Array, inputs: Array, targets: Array, mask: Array
) -> tuple[float, Array]:
    """The error and its untruncated gradient, by backpropagation through time."""
    return backpropagated(topology, weights, inputs, targets, mask, cut=False)


# ------------------------------------------------ both by finite differences


def central_differences(error: Callable[[Array], float], weights: Array, width=1e-5) -> Array:
    """(E(w + width) - E(w - width)) / (2 width), one weight after the other."""
    gradient = np.zeros_like(weights)
    for i in range(len(weights)):
        nudge = np.zeros_like(weights)
        nudge[i] = width
        gradient[i] = (error(weights + nudge) - error(weights - nudge)) / (2.0 * width)
    return gradient


def truncated_by_differences(
    topology: Topology, weights: Array, inputs: Array, targets: Array, mask: Array
) -> Array:
    """What truncation means: the gradient of E with every y_hidden(t-1) that the hidden layer
    reads held at the value it has with the weights undisturbed."""
    held = shifted(forward(topology, weights, inputs).hidden)

    def error(disturbed: Array) -> float:
        return squared_error(forward(topology, disturbed, inputs, held).outputs, targets, mask)

    return central_differences(error, weights)


def numeric_full(
    topology: Topology, weights: Array, inputs: Array, targets: Array, mask: Array
) -> Array:
    """The untruncated gradient of E by finite differences."""

    def error(disturbed: Array) -> float:
        return squared_error(forward(topology, disturbed, inputs).outputs, targets, mask)

    return central_differences(error, weights)
