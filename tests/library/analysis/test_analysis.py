"""Costs and error flow as the papers state them; beside each law a control that must fail."""

from dataclasses import replace
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from lstm_jax import analysis
from lstm_jax.cells.memory_block import Initialization, MemoryBlockParams, memory_block
from lstm_jax.cells.naive_carousel import naive_carousel
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import forward_traces, truncated
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.networks.unroll import record, unroll
from lstm_jax.ops.activations import identity, logistic
from lstm_jax.types import Carousel, Cell, Sequence

pytestmark = pytest.mark.usefixtures("x64")

CLOSE = {"rtol": 1e-10, "atol": 1e-13}
KEY = jax.random.key(0)
STEPS, LAG = 10, 5
GATES = ("input_gate", "output_gate")
BUT_OUTPUT_GATES = ("cell", "input_gate", "forget_gate", "hidden")


# ---------------------------------------------------------------- counts


class Counted(NamedTuple):
    """A net of the paper: its hidden layer, its output layer and the number of its weights."""

    topology: Topology
    outputs: int
    weights: int
    bias: bool = False
    direct: bool = False

    @property
    def options(self) -> dict:
        return {"bias": self.bias, "direct": self.direct}

    @property
    def net(self) -> Cell:
        return readout(memory_block(self.topology), self.outputs, **self.options)


TWO_AB = Topology(101, (1,), output_gates=False, recurrence="none", biased=())
PAPER = {
    "1, 4x1": Counted(Topology(7, (1,) * 4, biased=GATES), 7, 264),
    "1, 3x2": Counted(Topology(7, (2,) * 3, biased=GATES), 7, 276),
    "2a, 2b": Counted(TWO_AB, 101, 10504, direct=True),
    **{
        f"2c, p={p}": Counted(Topology(p + 4, (1, 1), biased=()), 2, weights)
        for p, weights in ((50, 364), (100, 664), (200, 1264), (500, 3064), (1000, 6064))
    },
    "3": Counted(Topology(1, (1,) * 3), 1, 102),
    "4, 5": Counted(Topology(2, (2, 2)), 1, 93, bias=True),
    "6a": Counted(Topology(8, (2, 2)), 4, 156, bias=True),
    "6b": Counted(Topology(8, (2, 2, 2)), 8, 308, bias=True),
}
paper = pytest.mark.parametrize("counted", PAPER.values(), ids=PAPER.keys())


@paper
def test_weight_counts_of_the_paper(counted):
    assert analysis.weight_count(counted.net) == counted.weights
    assert sum(analysis.weights_by_part(counted.net).values()) == counted.weights


def test_weights_by_part_names_every_array():
    assert analysis.weights_by_part(PAPER["6a"].net) == {
        "cell.from_inputs": 8 * 8, "cell.from_hidden": 8 * 8, "cell.bias": 8,
        "from_cell": 4 * 4, "bias": 4,
    }  # fmt: skip


@paper
def test_the_forward_pass_touches_every_weight_once(counted):
    done = analysis.operations(counted.topology, counted.outputs, **counted.options)
    assert done.forward == counted.weights


def test_control_another_net_touches_other_weights():
    counted = PAPER["4, 5"]
    for other in ({"recurrence": "cells"}, {"biased": GATES}, {"hidden": 1}, {"blocks": (4,)}):
        topology = replace(counted.topology, **other)
        done = analysis.operations(topology, counted.outputs, **counted.options)
        assert done.forward != counted.weights
    assert analysis.operations(counted.topology, counted.outputs, bias=False).forward == 92


@paper
def test_the_gradient_costs_order_one_per_weight(counted):
    done = analysis.operations(counted.topology, counted.outputs, **counted.options)
    size = max(counted.topology.blocks)
    assert counted.weights <= done.gradient <= size * counted.weights
    assert (done.gradient == counted.weights) == (size == 1)
    assert done.traces <= done.gradient


@pytest.mark.parametrize(
    "blocks, size, inputs, outputs", [(1, 1, 1, 1), (3, 2, 5, 4), (2, 3, 2, 7)]
)
def test_equations_47_to_49_of_the_tutorial(blocks, size, inputs, outputs):
    topology = Topology(inputs, (size,) * blocks, forget_gates=True, recurrence="cells", biased=())
    B, C, In, Out = blocks, size, inputs, outputs
    eq_47 = B * (C * (B * C + B * C + B * C) + B * C)
    eq_48 = In * (3 * B * C + B)
    eq_49 = Out * B * C
    done = analysis.operations(topology, outputs, bias=False)
    assert done.gradient == eq_47 + eq_48 + eq_49
    fed_back_by_gates = replace(topology, recurrence="all")
    assert analysis.operations(fed_back_by_gates, outputs, bias=False).gradient != done.gradient


@paper
def test_trace_memory_is_two_numbers_a_cell_and_source(counted):
    topology = counted.topology
    cells, fan_in = topology.cells, topology.inputs + len(topology.recurrent)
    biased = len({"cell", "input_gate"} & set(topology.biased))
    assert analysis.trace_memory(topology) == cells * (2 * fan_in + biased)


@pytest.mark.parametrize("switch", [{}, {"input_gates": False}, {"forget_gates": True}])
def test_the_online_form_stores_the_trace_memory_and_no_more(switch):
    topology = Topology(3, (2, 1), **switch)
    net = readout(memory_block(topology), 2)
    rule = forward_traces.online(net, squared_error)
    traces = jax.eval_shape(lambda key: rule.init(net.init(key)), KEY)
    stored = sum(leaf.size for leaf in jax.tree.leaves(traces.rows))
    assert stored == analysis.trace_memory(topology)
    assert stored != analysis.trace_memory(replace(topology, hidden=1))


# ---------------------------------------------------------------- the carousel

SMALL = {
    "one cell": Topology(1, (1,)),
    "blocks of unequal size": Topology(3, (2, 1)),
    "no input gates": Topology(2, (2,), input_gates=False),
    "hidden units, no output gates": Topology(
        2, (1, 1), output_gates=False, hidden=1, squash_input=(-0.5, 0.5), squash_state=None
    ),
    "cells feed back, no biases": Topology(2, (2, 2), recurrence="cells", biased=()),
}
FORGETFUL = {
    "forget gates": Topology(3, (2, 1), forget_gates=True),
    "forget gates only": Topology(
        1, (2,), input_gates=False, output_gates=False, forget_gates=True, hidden=1
    ),
}
small = pytest.mark.parametrize("topology", SMALL.values(), ids=SMALL.keys())
forgetful = pytest.mark.parametrize("topology", FORGETFUL.values(), ids=FORGETFUL.keys())
every = pytest.mark.parametrize(
    "topology", [*SMALL.values(), *FORGETFUL.values()], ids=[*SMALL, *FORGETFUL]
)


class Flow(NamedTuple):
    """What autodiff says about the flow of error, with or without the cut.

    Attributes:
      jacobians: `(lags, cells, cells)`, ds(lag)/ds(0) from lag 0 on.
      shares: `gradient_by_step`, of the cells only.
    """

    jacobians: np.ndarray
    shares: MemoryBlockParams


class Run(NamedTuple):
    """One run of a random hidden layer, and all that the tests ask of it."""

    inputs: np.ndarray
    activations: np.ndarray
    entry: np.ndarray
    exits: analysis.ExitFactors
    kept: np.ndarray
    cut: Flow
    uncut: Flow


@cache
def run(topology: Topology, constant_inputs: bool = False, cut_only: bool = False) -> Run:
    """Weights in [-1.5, 1.5]; everything in one compilation."""
    net = memory_block(topology, Initialization(scale=1.5))

    def flow(jacobian, stepping, params, inputs):
        at_lag = jax.vmap(lambda lag: jacobian(net, params, inputs, length=lag))
        shares = analysis.gradient_by_step(stepping, params, inputs)
        own = jax.tree.map(lambda share: share[: topology.cells], shares)
        return Flow(at_lag(jnp.arange(STEPS + 1)), own)

    @jax.jit
    def everything(key):
        params, shape = net.init(key), (STEPS, topology.inputs)
        inputs = jnp.ones(shape) if constant_inputs else jax.random.normal(key, shape)
        shown = record(net, params, inputs, lambda params, state, x: state.activations)
        factors = (analysis.entry_factor, analysis.exit_factors, analysis.carousel_factor)
        cut = flow(analysis.carousel_jacobian, truncated.cut(net), params, inputs)
        uncut = cut if cut_only else flow(analysis.uncut_jacobian, net, params, inputs)
        return Run(inputs, shown, *(f(topology, params, inputs) for f in factors), cut, uncut)

    return jax.tree.map(np.asarray, everything(KEY))


@small
def test_error_flow_in_the_carousel_is_exactly_one_at_every_lag(topology):
    assert (run(topology).cut.jacobians == np.eye(topology.cells)).all()


@small
def test_control_without_the_cut_error_flow_is_not_one(topology):
    flow, one = run(topology).uncut.jacobians, np.eye(topology.cells)
    assert (flow[:2] == one).all(), "a recurrent path takes two steps"
    assert (np.abs(flow[2:] - one).max(axis=(1, 2)) > 1e-3).all()


def test_without_recurrent_weights_there_is_nothing_to_cut():
    topology = Topology(2, (2,), recurrence="none")
    assert (run(topology).uncut.jacobians == np.eye(2)).all()


def test_error_flow_through_an_output_layer_from_the_middle_of_a_sequence():
    net = readout(memory_block(Topology(2, (2,)), Initialization(scale=1.5)), 2)
    params, inputs = net.init(KEY), jax.random.normal(KEY, (STEPS, 2))

    @jax.jit
    def flows():
        middle, _ = unroll(net, params, inputs[:5])
        kinds = (analysis.carousel_jacobian, analysis.uncut_jacobian)
        later = [flow(net, params, inputs[5:], state=middle) for flow in kinds]
        return *later, analysis.uncut_jacobian(net, params, inputs[5:])

    cut, from_the_middle, from_the_start = flows()
    assert (cut == np.eye(2)).all()
    assert np.abs(from_the_middle - from_the_start).max() > 1e-3


@forgetful
def test_forget_gates_scale_error_by_their_product(topology):
    flow, kept = run(topology).cut.jacobians, run(topology).kept
    for lag in range(STEPS + 1):
        np.testing.assert_allclose(flow[lag], np.diag(kept[:lag].prod(axis=0)), **CLOSE)
    assert (np.diag(flow[-1]) < 0.9).all(), "with forget gates it is not 1"


# ------------------------------------------------- in at t, out q steps earlier


def predicted(topology: Topology) -> np.ndarray:
    """dy_c(T)/dnet_u(t) = entry(T) * carousel * exit(t), `(cells, time, units)`, by hand."""
    entry, out, kept = run(topology).entry[-1], run(topology).exits, run(topology).kept
    after = np.array([kept[t + 1 :].prod(axis=0) for t in range(STEPS)])
    block = np.repeat(np.arange(len(topology.blocks)), topology.blocks)
    flow = np.zeros((topology.cells, STEPS, topology.units))
    for kind in ("cell", "input_gate", "forget_gate"):
        for c in range(topology.cells * bool(topology.count(kind))):
            row = topology.rows(kind).start + (c if kind == "cell" else block[c])
            flow[c, :, row] = entry[c] * after[:, c] * getattr(out, kind)[:, c]
    return flow


@every
def test_error_is_scaled_on_entry_and_on_exit_and_nowhere_else(topology):
    seen, flow, rows = run(topology), predicted(topology), topology.rows_of(BUT_OUTPUT_GATES)
    shares, heard = seen.cut.shares, seen.activations[:, topology.recurrent]
    for share, source in ((shares.from_inputs, seen.inputs), (shares.from_hidden, heard)):
        expected = flow[..., None] * source[None, :, None, :]
        np.testing.assert_allclose(share[:, :, rows], expected[:, :, rows], **CLOSE)
    if topology.count("output_gate"):
        gates = shares.from_inputs[:, :, topology.rows("output_gate")]
        assert not gates[:, :-1].any() and gates[:, -1].any(), "they get error when it arrives"


@every
def test_control_uncut_error_is_scaled_by_more_than_entry_and_exit(topology):
    flow = predicted(topology)[..., None] * run(topology).inputs[None, :, None, :]
    rows, shares = topology.rows("cell"), run(topology).uncut.shares.from_inputs
    assert np.abs(shares - flow)[:, :-2, rows].max() > 1e-6
    np.testing.assert_allclose(shares[:, -1, rows], flow[:, -1, rows], **CLOSE)


def at_constant_gates(topology: Topology) -> np.ndarray:
    """The error delivered to cell and input gate at every step of constant inputs."""
    shares = run(topology, constant_inputs=True, cut_only=True).cut.shares
    return shares.from_inputs[:, :, topology.rows_of(("cell", "input_gate")), 0]


def test_what_leaves_a_cell_does_not_depend_on_how_long_it_was_inside():
    delivered = at_constant_gates(Topology(2, (2,), recurrence="none"))
    assert np.abs(delivered).max() > 1e-3
    np.testing.assert_allclose(delivered, delivered[:, :1].repeat(STEPS, axis=1), **CLOSE)


def test_control_behind_a_forget_gate_it_does():
    delivered = at_constant_gates(Topology(2, (1,), forget_gates=True, recurrence="none"))
    ratios = delivered[0, :-1, 0] / delivered[0, 1:, 0]
    np.testing.assert_allclose(ratios, ratios[0], **CLOSE)
    assert ratios[0] < 0.9


def test_the_shares_of_all_steps_make_the_gradient():
    net = readout(
        memory_block(Topology(2, (2,)), Initialization(scale=1.5)), 1, activation=identity
    )
    params, inputs = net.init(KEY), jax.random.normal(KEY, (STEPS, 2))
    target = jnp.array([[0.3]])
    sequence = Sequence(inputs, target, target, jnp.array([True]), jnp.array(STEPS), "end")

    @jax.jit
    def gap(params):
        """Between the rule's truncated gradient and the sum of shares, cut or not."""
        learned = truncated.by_definition(net, squared_error)(params, sequence)
        error = learned.outputs[0, 0] - target[0, 0]
        shares = [
            analysis.gradient_by_step(each, params, inputs) for each in (truncated.cut(net), net)
        ]
        flat = [ravel_pytree(jax.tree.map(lambda s: s[0].sum(axis=0), s))[0] for s in shares]
        return [jnp.abs(error * f - ravel_pytree(learned.grads)[0]).max() for f in flat]

    cut, uncut = gap(params)
    assert cut < 1e-12 and uncut > 1e-4


# ---------------------------------------------------------------- conventional nets


class Weights(NamedTuple):
    from_hidden: jax.Array
    from_inputs: jax.Array


class Net(NamedTuple):
    net: jax.Array


def fully_recurrent(units: int) -> Cell:
    """net(t) = W f(net(t-1)) + V x(t) with the logistic f; outputs net(t)."""

    def step(params: Weights, state: Net, x):
        net = params.from_hidden @ logistic(state.net) + params.from_inputs @ x
        return Net(net), net

    def initial_state(lanes=(), dtype=None) -> Net:
        return Net(jnp.zeros((units, *lanes), dtype))

    carousel = Carousel.of_fields("net", diagonal=False)
    return Cell(lambda key: None, initial_state, step, 2, units, carousel)


class Driven(NamedTuple):
    """A net in the middle of a sequence.

    Attributes:
      weights: `(n, n)`.
      slopes: `(q, n)`, f'(net(t-1)), ..., f'(net(t-q)).
      jacobian: `(n, n)`, [u, v] is d net_u(t)/d net_v(t-q), by autodiff.
      flow: `error_flow(weights, slopes)`.
      products: `path_products` from unit 0 to the last one.
    """

    weights: np.ndarray
    slopes: np.ndarray
    jacobian: np.ndarray
    flow: np.ndarray
    products: np.ndarray


@jax.jit
def follow(params: Weights, begin: Net, inputs) -> Driven:
    units = len(begin.net)
    net = fully_recurrent(units)
    jacobian = analysis.uncut_jacobian(net, params, inputs, state=begin)
    nets = jnp.stack([begin.net, *unroll(net, params, inputs, begin)[1]])
    slopes = jax.vmap(jax.vmap(jax.grad(logistic)))(nets[:-1][::-1])
    flow = analysis.error_flow(params.from_hidden, slopes)
    products = analysis.path_products(params.from_hidden, slopes, 0, units - 1)
    return Driven(params.from_hidden, slopes, jacobian, flow, products)


def driven(units: int, lag: int, weights: float, drive: float, seed: int) -> Driven:
    """Weights uniform in [-weights, weights], normal inputs of a size."""
    random = np.random.default_rng(seed)
    params = Weights(*(random.uniform(-weights, weights, (units, k)) for k in (units, 2)))
    begin, inputs = Net(random.normal(0, drive, units)), random.normal(0, drive, (lag, 2))
    return jax.tree.map(np.asarray, follow(params, begin, inputs))


@pytest.mark.parametrize("units, lag", [(1, 1), (1, LAG), (2, 1), (2, LAG), (4, LAG)])
def test_the_sum_over_paths_is_the_matrix_product_is_the_jacobian(units, lag):
    weights, slopes, jacobian, flow, products = driven(units, lag, 3.0, 1.0, seed=units + lag)
    assert flow.shape == (lag, units, units) and products.shape == (units ** (lag - 1),)
    np.testing.assert_allclose(flow[-1], jacobian.T, **CLOSE)
    for u, v in np.ndindex(units, units):
        factor = analysis.vanishing_factor(weights, slopes, u, v)
        np.testing.assert_allclose(factor, jacobian[u, v], **CLOSE)


@pytest.mark.parametrize("units", [2, 4])
def test_control_neither_the_order_of_units_nor_that_of_time_can_be_turned_round(units):
    weights, slopes, jacobian, flow, _ = driven(units, LAG, 3.0, 1.0, seed=units + LAG)
    other_units = analysis.error_flow(weights.T, slopes)[-1]
    other_time = analysis.error_flow(weights, slopes[::-1])[-1]
    for wrong in (flow[-1].T, other_units, other_time):
        assert np.abs(wrong - jacobian.T).max() > 1e-6


def test_error_flow_has_every_lag():
    weights, slopes, _, flow, _ = driven(2, LAG, 3.0, 1.0, seed=1)
    product = np.eye(2)
    for lag in range(LAG):
        product = np.diag(slopes[lag]) @ weights.T @ product
        np.testing.assert_allclose(flow[lag], product, **CLOSE)


def test_too_many_paths_are_refused():
    with pytest.raises(ValueError, match="use error_flow"):
        analysis.path_products(jnp.ones((10, 10)), jnp.ones((9, 10)), 0, 0)


LAGS = np.arange(1, LAG + 1)
ROUNDING = 1 + 1e-12
nets = given(
    units=st.sampled_from([1, 2, 4]),
    weights=st.floats(0.1, 8.0),
    drive=st.floats(0.0, 3.0),
    seed=st.integers(0, 10**6),
)


@nets
def test_error_flow_never_exceeds_its_bounds(units, weights, drive, seed):
    net = driven(units, LAG, weights, drive, seed)
    by_slopes = analysis.vanishing_bound(net.weights, LAGS, net.slopes.max())
    by_norm = analysis.vanishing_bound(net.weights, LAGS)
    by_largest = analysis.vanishing_bound_by_largest(units, np.abs(net.weights).max(), LAGS)
    assert (np.abs(net.flow).max(axis=(1, 2)) <= by_slopes * ROUNDING).all()
    assert np.abs(net.jacobian).max() <= by_slopes[-1] * ROUNDING
    assert (by_slopes <= by_norm * ROUNDING).all() and (by_norm <= by_largest * ROUNDING).all()


def test_the_norm_is_the_largest_row_sum():
    """A strong row beside a weak one: its own unit meets a bound that no other row could give."""
    weights, slopes = np.array([[0.5, -0.5], [0.0, -8.0]]), jnp.full((LAG, 2), 0.25)
    bound = analysis.vanishing_bound(weights, LAGS)
    np.testing.assert_allclose(bound, 2 * (np.linalg.norm(weights, np.inf) / 4) ** LAGS, **CLOSE)
    flow = np.abs(analysis.error_flow(weights, slopes))
    np.testing.assert_allclose(flow[:, 1, 1], bound / 2, **CLOSE)
    assert (flow.max(axis=(1, 2)) <= bound).all()


def test_control_half_the_slope_is_no_bound():
    """At net = 0 the logistic is steepest, and one unit meets its bound."""
    weights, slopes = jnp.array([[3.0]]), jnp.full((5, 1), 0.25)
    flow = analysis.error_flow(weights, slopes)[-1, 0, 0]
    np.testing.assert_allclose(flow, analysis.vanishing_bound(weights, 5), **CLOSE)
    assert flow > analysis.vanishing_bound(weights, 5, steepest=0.125)


@nets
def test_weights_below_four_over_n_make_error_vanish(units, weights, drive, seed):
    tau = weights / 8.01
    flow = driven(units, LAG, 4.0 * tau / units, drive, seed).flow
    assert (np.abs(flow).max(axis=(1, 2)) <= units * tau**LAGS * ROUNDING).all()


@nets
def test_weights_below_four_make_the_product_along_every_path_vanish(units, weights, drive, seed):
    factor = weights / 8.01
    products = driven(units, LAG, 4.0 * factor, drive, seed).products
    assert np.abs(products).max() <= factor**LAG * ROUNDING


@pytest.mark.parametrize("weight", [3.0, 4.0, 8.0])
def test_control_above_four_error_can_blow_up(weight):
    """A logistic unit that its inputs hold at net = 0, where f' = 1/4."""
    params = Weights(np.array([[weight]]), np.array([[1.0, 0.0]]))
    inputs = np.full((LAG, 2), -weight / 2)  # W f(0) + x = 0
    net = follow(params, Net(np.zeros(1)), inputs)
    np.testing.assert_allclose(net.jacobian[0, 0], (weight / 4) ** LAG, **CLOSE)


@given(st.floats(1.1, 3.0), st.floats(0.1, 0.9), st.integers(0, 1), st.integers(0, 1))
def test_cases_22_and_23_of_the_tutorial(more, less, u, v):
    """|f' w| > 1 everywhere: every product grows; |f' w| < 1 everywhere: every one decays."""
    slopes, signs = jnp.full((LAG, 2), 0.25), jnp.array([[1.0, -1.0], [-1.0, 1.0]])
    for scale in (more, less):
        products = analysis.path_products(4.0 * scale * signs, slopes, u, v)
        np.testing.assert_allclose(np.abs(products), scale**LAG, **CLOSE)


def test_large_weights_do_not_help_a_unit_that_they_saturate():
    """|f'(net) w| is largest at w = coth(net/2) / y, and goes to zero for larger weights."""
    y, w = 0.9, np.linspace(0.01, 60.0, 600_000)
    net = w * y
    factor = np.exp(-net) / (1 + np.exp(-net)) ** 2 * w
    best = factor.argmax()
    np.testing.assert_allclose(w[best], 1 / (y * np.tanh(net[best] / 2)), rtol=1e-3)
    assert (factor[w < 4.0] < 1.0).all() and factor[-1] < 1e-20


# ---------------------------------------------------------------- the naive carousel

input_weight_signals = jax.jit(analysis.input_weight_signals)
output_weight_signals = jax.jit(analysis.output_weight_signals)
N = 6
T = np.arange(1, N + 1)
ALWAYS, FIRST, LAST = np.ones(N), np.eye(N)[0], np.eye(N)[-1]


@pytest.mark.parametrize("steps", [1, 1000])
def test_the_naive_carousel_keeps_its_error(steps):
    net = naive_carousel(inputs=2, units=3)
    flow = analysis.uncut_jacobian(net, net.init(KEY), jnp.ones((steps, 2)))
    assert (np.asarray(flow) == np.eye(3)).all()


def test_the_naive_carousel_runs_in_lanes_and_reads_symbols():
    net = naive_carousel(inputs=2, units=3)
    params = net.init(KEY)
    symbols = jnp.array([[0, 1], [1, 1], [1, 0]])  # three steps, two lanes
    one_hot = jnp.moveaxis(jnp.eye(2)[symbols], 2, 1)
    expected = jnp.cumsum(jnp.einsum("ui,til->tul", params.from_inputs, one_hot), axis=0)
    for inputs in (symbols, one_hot):
        np.testing.assert_allclose(unroll(net, params, inputs)[1], expected, **CLOSE)


@pytest.mark.parametrize("weight", [0.9, 1.1])
def test_control_any_other_self_weight_does_not_keep_it(weight):
    net = fully_recurrent(1)._replace(
        init=lambda key: jnp.zeros(()),
        inputs=1,
        step=lambda w, state, x: (Net(w * state.net + x), state.net),
    )
    flow = analysis.uncut_jacobian(net, jnp.array(weight), jnp.ones((50, 1)))
    np.testing.assert_allclose(flow[0, 0], weight**50)


@given(weight=st.floats(0.51, 0.99))
def test_storing_and_protecting_pull_the_input_weight_in_opposite_directions(weight):
    """Unit j is to switch on at the first input and to ignore the same input later."""
    signals = input_weight_signals(weight, ALWAYS, ALWAYS)
    np.testing.assert_allclose(signals, (1 - weight * T) * T, **CLOSE)
    storing, protecting = signals[0], signals[1:]
    assert storing > 0 and (protecting < 0).all()


@given(weight=st.floats(-0.99, 0.99), size=st.floats(0.1, 2.0))
def test_control_without_later_inputs_the_input_weight_has_no_conflict(weight, size):
    signals = input_weight_signals(weight / size, size * FIRST, ALWAYS)
    assert (signals > 0).all() and abs(analysis.conflict(signals)) < 1e-12


def test_where_the_signals_cancel_the_input_weight_solves_nothing():
    """The best weight is sum t / sum t^2: it feels no pull, and the first error is large."""
    best = T.sum() / (T**2).sum()
    signals = input_weight_signals(best, ALWAYS, ALWAYS)
    np.testing.assert_allclose(analysis.conflict(signals), 1.0, **CLOSE)
    assert np.abs(1 - best * T).max() > 0.7


@given(part=st.floats(0.01, 0.99), content=st.floats(0.1, 3.0), sign=st.sampled_from([-1.0, 1.0]))
def test_retrieving_and_protecting_pull_the_output_weight_in_opposite_directions(
    part, content, sign
):
    """Unit k is to hear the content at the last step and to be left alone before."""
    content, weight = sign * content, part / (sign * content)
    signals = output_weight_signals(weight, content, LAST)
    np.testing.assert_allclose(signals, (LAST - weight * content) * content, **CLOSE)
    retrieving, protecting = sign * signals[-1], sign * signals[:-1]
    assert retrieving > 0 and (protecting < 0).all()


def test_where_the_signals_cancel_the_output_weight_solves_nothing():
    """The best weight is 1/N: it feels no pull, and k receives 1/N of what it should."""
    signals = output_weight_signals(1 / N, 1.0, LAST)
    np.testing.assert_allclose(analysis.conflict(signals), 1.0, **CLOSE)


def test_control_retrieving_all_the_time_the_output_weight_has_no_conflict():
    signals = output_weight_signals(1 / N, 1.0, ALWAYS)
    assert (signals > 0).all() and abs(analysis.conflict(signals)) < 1e-12


def gated(gate: str, weight: float) -> tuple[Cell, MemoryBlockParams]:
    """A linear carousel with one gate, open when the second input is 1 and closed when it is 0."""
    topology = Topology(
        2, (1,), recurrence="none", biased=(gate,), squash_input=None, squash_state=None,
        input_gates=gate == "input_gate", output_gates=gate == "output_gate",
    )  # fmt: skip
    from_inputs = jnp.array([[weight, 0.0], [0.0, 60.0]])
    return memory_block(topology), MemoryBlockParams(from_inputs, None, jnp.array([-30.0]))


def test_an_input_gate_resolves_the_input_conflict():
    net, params = gated("input_gate", weight=0.75)
    inputs = jnp.stack([ALWAYS, FIRST], axis=1)
    signals = analysis.update_signals(net, squared_error, params, inputs, ALWAYS[:, None])
    assert abs(analysis.conflict(signals.from_inputs[:, 0, 0])) < 1e-10
    ungated = input_weight_signals(0.75, ALWAYS, ALWAYS)
    assert analysis.conflict(ungated) > 0.01


def test_an_output_gate_resolves_the_output_conflict():
    cell, cell_params = gated("output_gate", weight=1.0)
    net = readout(cell, 1, activation=identity, bias=False)
    params = net.init(KEY)._replace(cell=cell_params, from_cell=jnp.array([[0.5]]))
    inputs = jnp.stack([FIRST, LAST], axis=1)
    signals = analysis.update_signals(net, squared_error, params, inputs, LAST[:, None])
    assert abs(analysis.conflict(signals.from_cell[:, 0, 0])) < 1e-10
    ungated = output_weight_signals(0.5, 1.0, LAST)
    assert analysis.conflict(ungated) > 0.1


def test_signals_sum_to_minus_the_gradient():
    net = readout(memory_block(Topology(2, (2,))), 2)
    params, inputs = net.init(KEY), jax.random.normal(KEY, (STEPS, 2))
    targets = jax.random.uniform(KEY, (STEPS, 2))

    @jax.jit
    def both(params):
        def error(params):
            return 0.5 * jnp.sum((targets - unroll(net, params, inputs)[1]) ** 2)

        signals = analysis.update_signals(net, squared_error, params, inputs, targets)
        total = jax.tree.map(lambda signal: signal.sum(axis=0), signals)
        return ravel_pytree(total)[0], ravel_pytree(jax.grad(error)(params))[0]

    total, gradient = both(params)
    np.testing.assert_allclose(total, -gradient, **CLOSE)


@given(st.lists(st.floats(-5, 5), min_size=N, max_size=N))
def test_conflict_lies_between_agreement_and_cancellation(signals):
    assume(max(map(abs, signals)) > 1e-3)
    signals = np.array(signals)
    there_and_back = np.concatenate([signals, -signals])
    assert -1e-12 <= analysis.conflict(signals) <= 1 + 1e-12
    assert abs(analysis.conflict(np.abs(signals))) < 1e-12
    assert abs(analysis.conflict(there_and_back) - 1) < 1e-12


def test_a_weight_without_signals_has_no_conflict():
    assert analysis.conflict(jnp.zeros((3, 2))).tolist() == [0.0, 0.0]
