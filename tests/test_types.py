"""The contract of a cell, and of its net inputs: every cell of the catalogue keeps it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.memory_block import Topology, memory_block
from lstm_jax.wiring import readout, unroll
from tests.bridge import assert_close, lane, net_of, side_by_side
from tests.reference.catalogue import SMALL

KEY = jax.random.key(0)
CELLS = {
    "memory block": memory_block(Topology(inputs=3, blocks=(2, 1))),
    "with a readout": net_of(SMALL["1997"]),
    "forget gates": net_of(SMALL["forget gates"]),
    "no input gates": net_of(SMALL["no input gates"]),
    "bottom-up": net_of(SMALL["bottom-up as in 2a"]),
    "everything": net_of(SMALL["everything"]),
    "two readouts": readout(net_of(SMALL["1997"]), 1, direct=True),
}
STEPS = 4
cells = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS.keys())


def inputs_of(cell, lanes: tuple[int, ...] = (), seed: int = 1):
    return jax.random.normal(jax.random.key(seed), (STEPS, cell.inputs, *lanes))


def moment(cell):
    """Parameters, a state in the middle of a sequence, and an input."""
    params = jax.tree.map(lambda leaf: 10 * leaf, cell.init(KEY))
    state, _ = unroll(cell, params, inputs_of(cell))
    return params, state, inputs_of(cell, seed=2)[0]


def shapes(tree):
    return jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)


def assert_closed(cell, lanes: tuple[int, ...], params) -> None:
    """A step's state is like the one before; outputs and lanes are as promised."""
    state = cell.start(lanes)
    x = jax.ShapeDtypeStruct((cell.inputs, *lanes), float)
    after, y = jax.eval_shape(cell.step, params, state, x)
    assert shapes(after) == shapes(state)
    assert y.shape == (cell.outputs, *lanes)


@cells
def test_a_step_is_closed_in_any_lanes(cell):
    params = jax.eval_shape(cell.init, KEY)
    for lanes in ((), (3,), (3, 2)):
        assert_closed(cell, lanes, params)
        own = jax.tree.map(lambda w: jax.ShapeDtypeStruct((*w.shape, *lanes), w.dtype), params)
        assert_closed(cell, lanes, own)
    with pytest.raises((TypeError, ValueError, AssertionError)):  # control
        assert_closed(cell._replace(inputs=cell.inputs + 1), (), params)


@cells
def test_the_start_is_silent_and_the_carousel_is_there(cell):
    state = cell.start((2,))
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(state))
    assert set(cell.carousel) <= set(state._fields) and cell.carousel


@cells
def test_compiled_is_not_compiled(cell, x64):
    params, state, x = moment(cell)
    assert_close(jax.jit(cell.step)(params, state, x), cell.step(params, state, x), 1e-14)
    with pytest.raises(AssertionError):
        assert_close(jax.jit(cell.step)(params, state, x + 1e-9), cell.step(params, state, x), 1e-14)


@cells
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "own"])
def test_lanes_are_a_loop_and_so_is_vmap(cell, shared, x64):
    several = [jax.tree.map(lambda leaf, i=i: leaf * i, moment(cell)) for i in (1.0, 2.0, 3.0)]
    params, state, x = side_by_side(*several)
    if shared:
        params = several[0][0]
        several = [(params, *rest) for _, *rest in several]
    step = jax.jit(cell.step)
    together = step(params, state, x)
    mapped = jax.jit(jax.vmap(cell.step, in_axes=(None if shared else -1, -1, -1), out_axes=-1))
    assert_close(mapped(params, state, x), together, 1e-14)
    for i, one in enumerate(several):
        assert_close(lane(together, i), lane(step(*one), ...), 1e-14)
    with pytest.raises(AssertionError):
        assert_close(lane(together, 0), lane(step(*several[1]), ...), 1e-14)


@cells
def test_precision_is_that_of_the_parameters(cell):
    with jax.enable_x64(True):
        params, state, x = moment(cell)
        double = jax.jit(cell.step)(params, state, x)
        halved = jax.tree.map(lambda leaf: leaf.astype(np.float32), (params, state, x))
        single = jax.jit(cell.step)(*halved)
        begun = unroll(cell, halved[0], jnp.zeros((1, cell.inputs), jnp.float32))
    assert {leaf.dtype for leaf in jax.tree.leaves(double)} == {np.dtype(np.float64)}
    assert {leaf.dtype for leaf in jax.tree.leaves((single, begun))} == {np.dtype(np.float32)}
    assert_close(lane(single, ...), lane(double, ...), 1e-5)
    with pytest.raises(AssertionError):  # control: there is a difference
        assert_close(lane(single, ...), lane(double, ...), 1e-11)


@cells
def test_new_numbers_are_no_new_trace(cell):
    traced = []

    def step(params, state, x):
        traced.append(None)
        return cell.step(params, state, x)

    compiled, params = jax.jit(step), cell.init(KEY)
    state = cell.start()
    for x in inputs_of(cell):
        state, _ = compiled(params, state, x)
    assert len(traced) == 1
    compiled(params, cell.start((2,)), inputs_of(cell, (2,))[0])  # control
    assert len(traced) == 2


# ---------------------------------------------------------------- the step taken apart


@cells
def test_net_inputs_put_together_are_the_step(cell, x64):
    params, state, x = moment(cell)
    parts = cell.net_inputs
    net = parts.combine(parts.weights(params), state, x)
    assert_close(parts.fire(net, state), cell.step(params, state, x)[0], 1e-14)
    with pytest.raises(AssertionError):
        assert_close(parts.fire(net + 1e-6, state), cell.step(params, state, x)[0], 1e-14)


def carousel_of(cell, state):
    return jnp.concatenate([getattr(state, name) for name in cell.carousel])


@cells
def test_each_component_is_fed_by_its_own_rows_only(cell, x64):
    params, state, x = moment(cell)
    parts = cell.net_inputs
    net = parts.combine(parts.weights(params), state, x)
    slopes = np.asarray(jax.jacfwd(lambda n: carousel_of(cell, parts.fire(n, state)))(net))
    components = np.arange(slopes.shape[0])
    assert parts.feeds.shape[1] == len(components)
    fed = np.zeros_like(slopes, bool)
    for rows in parts.feeds:
        fed[components, rows] = True
    np.testing.assert_array_equal(slopes != 0, fed)
    swapped = fed[:, ::-1]  # control
    assert np.any((slopes != 0) != swapped)


@cells
def test_the_carousel_is_diagonal(cell, x64):
    params, state, x = moment(cell)
    (name,) = cell.carousel

    def after(values):
        return getattr(cell.step(params, state._replace(**{name: values}), x)[0], name)

    slopes = np.asarray(jax.jacfwd(after)(getattr(state, name)))
    np.testing.assert_array_equal(slopes != 0, np.eye(len(slopes), dtype=bool))
    recurrent = jax.jacfwd(  # control: the activations are not
        lambda y: cell.step(params, state._replace(activations=y), x)[0].cell_state
    )(state.activations)
    rows = [row for row in np.asarray(recurrent) if np.sum(row != 0) > 1]
    assert bool(rows) == bool(cell.net_inputs.weights(params).from_hidden.size)


@cells
def test_accumulating_adds_what_the_net_inputs_read(cell, x64):
    """d net_row / d weights_row, found by autodiff, is what `accumulate` adds."""
    params, state, x = moment(cell)
    parts = cell.net_inputs
    rows = parts.feeds.reshape(-1)
    weights = parts.weights(params)
    eligibility = jnp.arange(1.0, len(rows) + 1)
    slopes = jax.jacfwd(lambda w: parts.combine(w, state, x))(weights)
    before = jax.tree.map(lambda w: jnp.ones_like(w[rows]), weights)
    after = parts.accumulate(before, eligibility, state, x)
    for found, slope in zip(jax.tree.leaves(after), jax.tree.leaves(slopes), strict=True):
        read = np.stack([np.asarray(slope)[row, row] for row in rows])
        scale = np.asarray(eligibility).reshape(-1, *[1] * (read.ndim - 1))
        np.testing.assert_allclose(found, 1 + scale * read, rtol=1e-14)
    assert np.any(np.asarray(jax.tree.leaves(after)[0]) != 1)  # control
