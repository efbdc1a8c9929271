"""The contract of a cell, and of its net inputs: every cell of the catalogue keeps it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.memory_block import memory_block
from lstm_jax.cells.simple import elman, fully_recurrent, jordan
from lstm_jax.cells.topology import Topology
from lstm_jax.networks.readout import readout
from tests.reference.catalogue import SMALL
from tests.support.bridge import KEY, assert_close, assert_same, lane, net_of, real, side_by_side

CELLS = {
    "memory block": memory_block(Topology(inputs=3, blocks=(2, 1))),
    "forget gates alone": net_of(SMALL["forget gates alone"]),
    "bottom-up": net_of(SMALL["bottom-up as in 2a"]),
    "everything": net_of(SMALL["everything"]),
    "two readouts": readout(net_of(SMALL["1997"]), 1, direct=True),
    "elman": readout(elman(inputs=3, hidden=4), 2, direct=True),
    "fully recurrent": fully_recurrent(inputs=3, units=4, outputs=2, bias=False),
    "jordan": jordan(inputs=3, hidden=4, outputs=2),
}


def those(fit):
    """Arguments of `pytest.mark.parametrize` for the cells that are fit for a test."""
    fitting = {name: cell for name, cell in CELLS.items() if fit(cell)}
    return pytest.mark.parametrize("cell", fitting.values(), ids=fitting.keys())


cells = those(lambda cell: True)
taken_apart = those(lambda cell: cell.net_inputs)
with_carousel = those(lambda cell: cell.carousel)


def moment(cell, seed: int = 0):
    """Parameters, a state in the middle of a sequence, and an input: any numbers."""
    random = np.random.default_rng(seed)

    def fill(like):
        return real(random.uniform(-1.0, 1.0, like.shape))

    shapes = jax.eval_shape(cell.init, KEY), jax.eval_shape(cell.initial_state)
    return (*jax.tree.map(fill, shapes), real(random.uniform(-1.0, 1.0, cell.inputs)))


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


def spread(lanes: tuple[int, ...], params):
    """Weights of each lane."""
    return jax.tree.map(lambda leaf: jnp.zeros((*leaf.shape, *lanes), leaf.dtype), params)


def assert_closed(cell, lanes: tuple[int, ...], params) -> None:
    """A step's state is like the one before; outputs and lanes are as promised."""
    state = cell.initial_state(lanes)
    x = jax.ShapeDtypeStruct((cell.inputs, *lanes), float)
    after, y = jax.eval_shape(cell.step, params, state, x)
    assert shapes(after) == shapes(state)
    assert y.shape == (cell.outputs, *lanes)


@cells
def test_a_step_is_closed_in_any_lanes(cell):
    params = jax.eval_shape(cell.init, KEY)
    for lanes in ((), (3,), (3, 2)):
        assert_closed(cell, lanes, params)
        assert_closed(cell, lanes, jax.eval_shape(partial(spread, lanes), params))
    with pytest.raises((TypeError, ValueError, AssertionError)):  # control
        assert_closed(cell._replace(inputs=cell.inputs + 1), (), params)


@cells
def test_the_start_is_zero_and_the_carousel_is_there(cell):
    state = cell.initial_state((2,))
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(state))
    if cell.carousel is not None:
        part, rebuild = cell.carousel.split(state)
        assert jax.tree.leaves(part)
        assert_same(rebuild(part), state)
        ones = rebuild(jax.tree.map(jnp.ones_like, part))  # control: it is a part of the state
        assert sum(np.sum(leaf) for leaf in jax.tree.leaves(ones)) > 0
        assert all(np.all(leaf == 1) for leaf in jax.tree.leaves(cell.carousel.split(ones)[0]))


@cells
def test_compiled_is_not_compiled(cell, x64):
    params, state, x = moment(cell)
    assert_close(jax.jit(cell.step)(params, state, x), cell.step(params, state, x), 1e-14)
    with pytest.raises(AssertionError):
        assert_close(
            jax.jit(cell.step)(params, state, x + 1e-9), cell.step(params, state, x), 1e-14
        )


@cells
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_lanes_are_a_loop_and_so_is_vmap(cell, shared, x64):
    several = [moment(cell, seed) for seed in range(3)]
    params, state, x = side_by_side(*several)
    if shared:
        params = several[0][0]
        several = [(params, *rest) for _, *rest in several]
    step = jax.jit(cell.step)
    together = step(params, state, x)
    mapped = jax.jit(jax.vmap(cell.step, in_axes=(None if shared else -1, -1, -1), out_axes=-1))
    assert_close(mapped(params, state, x), together, 1e-14)
    for i, one in enumerate(several):
        assert_close(lane(together, i), step(*one), 1e-14)
    with pytest.raises(AssertionError):
        assert_close(lane(together, 0), step(*several[1]), 1e-14)


@cells
def test_precision_is_that_of_the_parameters(cell):
    with jax.enable_x64(True):
        params, state, x = moment(cell)
        double = jax.jit(cell.step)(params, state, x)
        halved = jax.tree.map(lambda leaf: leaf.astype(np.float32), (params, state, x))
        single = jax.jit(cell.step)(*halved)
        begun = cell.initial_state((), np.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(double)} == {np.dtype(np.float64)}
    assert {leaf.dtype for leaf in jax.tree.leaves((single, begun))} == {np.dtype(np.float32)}
    assert_close(single, double, 1e-5)
    with pytest.raises(AssertionError):  # control: there is a difference
        assert_close(single, double, 1e-11)


@cells
def test_new_numbers_are_no_new_trace(cell):
    traced = []

    def step(params, state, x):
        traced.append(None)
        return cell.step(params, state, x)

    compiled, (params, state, _) = jax.jit(step), moment(cell)
    for seed in range(3):
        state, _ = compiled(params, state, moment(cell, seed)[2])
    assert len(traced) == 1
    compiled(*side_by_side(moment(cell), moment(cell)))  # control
    assert len(traced) == 2


# ---------------------------------------------------------------- the step taken apart


@taken_apart
def test_net_inputs_put_together_are_the_step(cell, x64):
    params, state, x = moment(cell)
    parts = cell.net_inputs

    def together(params, off):
        return parts.activate(parts.net_input(parts.rows(params), state, x) + off, state)

    whole = jax.jit(cell.step)(params, state, x)[0]
    assert_close(jax.jit(together)(params, 0.0), whole, 1e-14)
    with pytest.raises(AssertionError):
        assert_close(jax.jit(together)(params, 1e-6), whole, 1e-14)


def carousel_of(cell, state):
    return jnp.concatenate(jax.tree.leaves(cell.carousel.split(state)[0]))


def jacobian(function, at):
    return jax.tree.map(np.asarray, jax.jit(jax.jacfwd(function))(at))


@with_carousel
def test_each_component_is_fed_by_its_own_rows_only(cell, x64):
    params, state, _ = moment(cell)
    parts = cell.net_inputs
    rows = jax.tree.leaves(jax.eval_shape(parts.rows, params))[0].shape[0]
    net = np.linspace(-1.0, 1.0, rows)
    slopes = jacobian(lambda n: carousel_of(cell, parts.activate(n, state)), net)
    components = np.arange(slopes.shape[0])
    assert {len(rows) for rows in parts.carousel_rows} == {len(components)}
    fed = np.zeros_like(slopes, bool)
    for rows in parts.carousel_rows:
        fed[components, list(rows)] = True
    np.testing.assert_array_equal(slopes != 0, fed)
    assert len(components) == 1 or not fed.all()  # control: there is what feeds another one


@with_carousel
def test_the_carousel_is_diagonal(cell, x64):
    params, state, x = moment(cell)
    part, rebuild = cell.carousel.split(state)
    (values,), tree = jax.tree.flatten(part)

    def after(values):
        return carousel_of(cell, cell.step(params, rebuild(tree.unflatten([values])), x)[0])

    slopes = jacobian(after, values)
    assert cell.carousel.diagonal
    np.testing.assert_array_equal(slopes != 0, np.eye(len(slopes), dtype=bool))
    assert cell.net_inputs.constant_error == np.array_equal(slopes, np.eye(len(slopes)))


@taken_apart
def test_outer_products_add_what_the_net_inputs_read(cell, x64):
    """d net_row / d weights_row, found by autodiff, is what `add_outer` adds, however often."""
    params, state, x = moment(cell)
    parts = cell.net_inputs
    weights = jax.tree.map(np.asarray, jax.jit(parts.rows)(params))
    slopes = jacobian(lambda w: parts.net_input(w, state, x), weights)
    every = np.arange(len(jax.tree.leaves(weights)[0]))
    fed = np.array(parts.carousel_rows, int).reshape(-1)
    for rows in (fed, every, np.concatenate([every, every])):
        eligibility = np.arange(1.0, len(rows) + 1)
        before = jax.tree.map(lambda w, rows=rows: np.ones_like(w[rows]), weights)
        after = jax.jit(parts.add_outer)(before, eligibility, state, x)
        for found, slope in zip(jax.tree.leaves(after), jax.tree.leaves(slopes), strict=True):
            read = slope[rows, rows]
            scale = eligibility.reshape(-1, *[1] * (read.ndim - 1))
            np.testing.assert_allclose(found, 1 + scale * read, rtol=1e-14)
    assert np.any(np.asarray(jax.tree.leaves(after)[0]) != 1)  # control


@taken_apart
def test_a_net_input_reads_its_own_row_only(cell, x64):
    params, state, x = moment(cell)
    parts = cell.net_inputs
    weights = jax.tree.map(np.asarray, jax.jit(parts.rows)(params))
    slopes = jacobian(lambda w: parts.net_input(w, state, x), weights)
    for slope in jax.tree.leaves(slopes):
        elsewhere = ~np.eye(len(slope), dtype=bool)
        assert not np.any(slope[elsewhere])
        assert np.any(slope) == (slope.size > 0)  # control


@taken_apart
def test_no_other_parameters_reach_the_state(cell, x64):
    params, state, x = moment(cell)
    weights, pull = jax.vjp(cell.net_inputs.rows, params)
    reaching = jax.tree.leaves(pull(jax.tree.map(jnp.ones_like, weights)))
    slopes = jacobian(lambda p: jnp.concatenate(cell.step(p, state, x)[0]), params)
    for reaches, slope in zip(reaching, jax.tree.leaves(slopes), strict=True):
        assert np.any(slope) == np.any(reaches)
