"""Elman, Jordan and fully recurrent nets are the twin's; their weights are counted and drawn."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.simple import elman, fully_recurrent, jordan, partially_recurrent
from lstm_jax.conformance import check_cell
from lstm_jax.gradients import bptt, by_definition, forward_traces, parallel_scan, rtrl
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.networks.unroll import unroll
from lstm_jax.ops.activations import identity
from tests.reference import recurrent as twin
from tests.support.bridge import assert_close, gap, to_elman, to_jordan, to_recurrent, to_sequence

KEY = jax.random.key(0)
INPUTS, HIDDEN, OUTPUTS, STEPS = 3, 4, 2, 7
biased = pytest.mark.parametrize("bias", [False, True], ids=["no bias", "bias"])


def tables(kind: str, bias: bool, seed: int = 0) -> tuple:
    """The twin's weights: of the hidden layer (or of all units), then of the outputs."""
    random = np.random.default_rng(seed)
    context = {"elman": HIDDEN, "fully recurrent": HIDDEN, "jordan": OUTPUTS}[kind]
    hidden = random.uniform(-2, 2, (HIDDEN, INPUTS + context + bias))
    top = random.uniform(-2, 2, (OUTPUTS, HIDDEN + bias))
    return (hidden,) if kind == "fully recurrent" else (hidden, top)


@lru_cache
def net_of(kind: str, bias: bool):
    if kind == "jordan":
        return jordan(INPUTS, HIDDEN, OUTPUTS, bias=bias)
    if kind == "fully recurrent":
        return fully_recurrent(INPUTS, HIDDEN, OUTPUTS, bias=bias)
    return readout(elman(INPUTS, HIDDEN, bias=bias), OUTPUTS, bias=bias)


def params_of(kind: str, given: tuple):
    convert = {"elman": to_elman, "fully recurrent": to_recurrent, "jordan": to_jordan}[kind]
    return convert(*given, INPUTS)


def expect(kind: str, given: tuple, inputs) -> np.ndarray:
    """The twin's outputs."""
    if kind == "fully recurrent":
        return twin.fully_recurrent(*given, inputs)[:, :OUTPUTS]
    return {"elman": twin.elman, "jordan": twin.jordan}[kind](*given, inputs)


def one_hot_inputs(seed: int = 0):
    symbols = np.random.default_rng(seed).integers(INPUTS, size=STEPS).astype(np.int32)
    return symbols, np.eye(INPUTS)[symbols]


@biased
@pytest.mark.parametrize("kind", ["elman", "fully recurrent", "jordan"])
def test_outputs_are_the_twins(kind, bias, x64):
    given, params = tables(kind, bias), params_of(kind, tables(kind, bias))
    net = net_of(kind, bias)
    run = jax.jit(lambda params, inputs: unroll(net, params, inputs)[1])
    inputs = np.random.default_rng(1).uniform(-1, 1, (STEPS, INPUTS))
    np.testing.assert_allclose(run(params, inputs), expect(kind, given, inputs), rtol=1e-12)
    symbols, one_hot = one_hot_inputs()
    np.testing.assert_allclose(run(params, symbols), expect(kind, given, one_hot), rtol=1e-12)
    like = jax.tree.map(lambda w: (w.shape, w.dtype), jax.eval_shape(net.init, KEY))
    assert like == jax.tree.map(lambda w: (w.shape, w.dtype), params)

    other = params_of(kind, tables(kind, bias, seed=1))  # control
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(run(other, inputs), expect(kind, given, inputs), rtol=1e-12)


def test_the_first_units_are_the_outputs():
    net = fully_recurrent(2, 5, 3)
    params = net.init(KEY)
    state, y = net.step(params, net.initial_state(), jnp.ones(2))
    np.testing.assert_array_equal(y, state.context[:3])
    assert state.context.shape == (5,) and len(set(np.asarray(state.context).tolist())) == 5


def test_activations_are_arguments(x64):
    given = tables("jordan", True)
    net = jordan(INPUTS, HIDDEN, OUTPUTS, activation=jnp.tanh, output_activation=identity)
    x = np.array([0.5, -1.0, 2.0])
    _, y = net.step(params_of("jordan", given), net.initial_state(), x)
    hidden = np.tanh(given[0] @ [*x, 0, 0, 1])
    np.testing.assert_allclose(y, given[1] @ [*hidden, 1], rtol=1e-12)
    layer = elman(INPUTS, HIDDEN, activation=jnp.tanh)
    (table,) = tables("fully recurrent", True)
    _, y = layer.step(to_recurrent(table, INPUTS), layer.initial_state(), x)
    np.testing.assert_allclose(y, np.tanh(table @ [*x, 0, 0, 0, 0, 1]), rtol=1e-12)


# ---------------------------------------------------------------- weights


def weights_of(net) -> int:
    shapes = jax.eval_shape(net.init, KEY)
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def table_2(p: int, **words):
    """RTRL's and BPTT's net of Table 2: each layer reads all layers below."""
    layer = elman(p + 1, 1, bias=False)
    return readout(layer, p + 1, **{"direct": True, "bias": False, **words})


def test_weight_counts_of_the_paper():
    for hidden, count in ((3, 170), (12, 494)):
        assert weights_of(fully_recurrent(7, 7 + hidden, 7, bias=False)) == count
        assert weights_of(fully_recurrent(7, 7 + hidden, 7)) == count + 7 + hidden
    assert weights_of(readout(elman(7, 15, bias=False), 7, bias=False)) == 435
    assert weights_of(readout(elman(7, 15), 7)) == 435 + 15 + 7
    for p, count in ((4, 36), (10, 144), (100, 10404)):
        assert weights_of(table_2(p)) == count
        assert weights_of(table_2(p, direct=False)) != count  # controls
        assert weights_of(table_2(p, bias=True)) != count
    assert weights_of(jordan(7, 15, 7, bias=False)) == 15 * (7 + 7) + 7 * 15
    assert weights_of(jordan(7, 15, 7)) == 15 * (7 + 7 + 1) + 7 * (15 + 1)


@pytest.mark.parametrize(
    "build",
    [elman, lambda inputs, units, **words: fully_recurrent(inputs, units, 9, **words),
     lambda inputs, units, **words: jordan(inputs, units, 60, **words)],
    ids=["elman", "fully recurrent", "jordan"],
)  # fmt: skip
def test_where_weights_begin(build):
    drawn = build(80, 60, init_scale=0.2).init(KEY)
    for values in drawn:
        values = np.asarray(values).reshape(-1) / 0.2
        assert 0.9 < np.max(values) <= 1.0 and -1.0 <= np.min(values) < -0.9
        assert abs(np.mean(values)) < 0.2 and len(set(values.tolist())) > 0.99 * len(values)
    np.testing.assert_array_equal(build(80, 60, initial_bias=-1.5).init(KEY).bias, -1.5)
    assert build(80, 60, bias=False).init(KEY).bias is None
    with pytest.raises(ValueError, match=r"initial_bias: expected None .* write bias=True"):
        build(80, 60, bias=False, initial_bias=-1.5).init(KEY)
    assert np.any(build(80, 60).init(jax.random.key(1)).bias != build(80, 60).init(KEY).bias)
    each = np.arange(len(drawn.bias))
    np.testing.assert_array_equal(build(80, 60, initial_bias=each).init(KEY).bias, each)
    wide = jax.vmap(lambda w: build(80, 60, init_scale=w).init(KEY))(jnp.array([0.2, 0.4]))
    np.testing.assert_allclose(wide.from_context[1], 2 * drawn.from_context, rtol=1e-6)
    with pytest.raises(ValueError, match=rf"a number or {len(each)} numbers, .*\(3,\)"):
        build(80, 60, initial_bias=np.zeros(3)).init(KEY)


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: elman(0, 1), r"expected inputs >= 1 and hidden >= 1, got 0, 1"),
        (lambda: elman(1, 0), r"expected inputs >= 1 and hidden >= 1, got 1, 0"),
        (lambda: jordan(1, 1, 0), r"hidden >= 1 and outputs >= 1, got 1, 1, 0"),
        (lambda: fully_recurrent(1, 2, 0), r"units >= 1 and outputs >= 1, got 1, 2, 0"),
        (lambda: fully_recurrent(1, 2, 3), r"units that include the 3 outputs, got units=2"),
    ],
)
def test_what_is_no_net_is_refused(build, complaint):
    with pytest.raises(ValueError, match=complaint):
        build()
    assert fully_recurrent(1, 2, 2) and elman(1, 1) and jordan(1, 1, 1)  # controls


# ---------------------------------------------------------------- one-step training


@biased
def test_under_the_cut_an_elman_net_learns_by_one_step_training(bias, x64):
    given = tables("elman", bias)
    net, params = net_of("elman", bias), params_of("elman", given)
    random = np.random.default_rng(2)
    inputs, targets = random.uniform(-1, 1, (STEPS, INPUTS)), random.random((STEPS, OUTPUTS))
    mask = np.arange(STEPS) % 3 != 1
    expected = to_elman(*twin.one_step(*given, inputs, targets, mask), INPUTS)
    sequence = to_sequence(inputs, targets, mask, steps=STEPS + 2)
    for rule in (by_definition, parallel_scan):
        learned = jax.jit(rule(net, squared_error))(params, sequence)
        assert_close(learned.grads, expected, 1e-12)
    full = jax.jit(bptt(net, squared_error))(params, sequence).grads  # control
    assert gap(full.cell.from_context, expected.cell.from_context) > 1e-3
    np.testing.assert_allclose(full.from_cell, expected.from_cell, rtol=1e-12)


def test_without_a_carousel_there_are_no_traces():
    for net in (net_of("elman", True), net_of("fully recurrent", True), net_of("jordan", True)):
        assert net.carousel is None
        with pytest.raises(ValueError, match="without a carousel; use bptt"):
            forward_traces(net, squared_error)


def test_a_context_that_reads_itself_fades(x64):
    """Jordan's own context units: c(t) = decay c(t-1) + y(t)."""
    given = tables("jordan", True)
    inputs = np.random.default_rng(5).normal(size=(9, INPUTS))
    net = jordan(INPUTS, HIDDEN, OUTPUTS, context_decay=0.6)
    params = to_jordan(*given, INPUTS)
    found = unroll(net, params, jnp.asarray(inputs))[1]
    assert_close(found, twin.jordan(*given, inputs, decay=0.6), 1e-12)
    none = unroll(jordan(INPUTS, HIDDEN, OUTPUTS, context_decay=0.0), params, jnp.asarray(inputs))[
        1
    ]
    assert_close(none, twin.jordan(*given, inputs), 1e-12)
    assert gap(none, found) > 1e-3  # control
    check_cell(net)


def test_a_context_that_grows_is_refused():
    with pytest.raises(ValueError, match=r"context_decay: expected a number in \[0, 1\), got 1"):
        jordan(INPUTS, HIDDEN, OUTPUTS, context_decay=1)


# ---------------------------------------------------------------- some of the connections

CHAIN = np.eye(HIDDEN, dtype=bool) | np.eye(HIDDEN, k=1, dtype=bool)


def recurrent_part(table: np.ndarray) -> np.ndarray:
    return table[:, INPUTS : INPUTS + HIDDEN]


@pytest.mark.parametrize("rule", [bptt, rtrl], ids=lambda rule: rule.name)
def test_a_partially_recurrent_net_is_the_twin_without_some_weights(rule, x64):
    (table,) = tables("fully recurrent", True)
    net = partially_recurrent(INPUTS, HIDDEN, OUTPUTS, CHAIN)
    thin = table.copy()
    recurrent_part(thin)[~CHAIN] = 0
    random = np.random.default_rng(3)
    inputs, targets = random.normal(size=(STEPS, INPUTS)), random.uniform(size=(STEPS, OUTPUTS))
    mask = np.ones(STEPS, bool)
    learn = jax.jit(rule(net, squared_error))
    # weights of connections that are not there may be anything
    found = learn(to_recurrent(table, INPUTS), to_sequence(inputs, targets, mask))
    expected = twin.rtrl(thin, inputs, targets, mask).gradient
    np.testing.assert_allclose(found.outputs, expect("fully recurrent", (thin,), inputs), 1e-12)
    assert np.abs(recurrent_part(expected)[~CHAIN]).max() > 1e-6  # control: the full net has some
    recurrent_part(expected)[~CHAIN] = 0
    assert gap(np.column_stack(found.grads[:2]), expected[:, :-1]) < 1e-12
    np.testing.assert_allclose(found.grads.bias, expected[:, -1], rtol=1e-10)


def test_with_all_connections_it_is_fully_recurrent():
    one, other = (
        make(INPUTS, HIDDEN, OUTPUTS, *more).init(KEY)
        for make, *more in ((fully_recurrent,), (partially_recurrent, np.ones((HIDDEN, HIDDEN))))
    )
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_a_partially_recurrent_net_keeps_the_contract():
    check_cell(partially_recurrent(2, 3, 1, np.tri(3)))


@pytest.mark.parametrize(
    ("connections", "says"),
    [
        (np.ones((2, 3)), r"expected 3 rows of 3, a row a unit, got shape \(2, 3\)"),
        (((1, 0), (0, 1)), r"expected 3 rows of 3, a row a unit, got shape \(2, 2\)"),
        (0.5 * np.ones((3, 3)), "expected booleans or 0 and 1, got values of float64"),
    ],
)
def test_connections_that_do_not_fit_are_refused(connections, says):
    with pytest.raises(ValueError, match=f"connections: {says}"):
        partially_recurrent(2, 3, 1, connections)
