"""Weighted sums and outer products lane by lane are NumPy's, one lane after the other."""

import jax
import numpy as np
import pytest
from hypothesis import given as hypothesise
from hypothesis import settings
from hypothesis import strategies as st

from lstm_jax.ops.linear import add_outer, is_symbol, linear

SHAPES = [(), (3,), (2, 3)]
lanes_of_any_shape = pytest.mark.parametrize("lanes", SHAPES, ids=["no lanes", "lanes", "two axes"])
ROWS = 4
FEW, MANY = 5, 40  # lanes look among few symbols and index many
number = pytest.mark.parametrize("count", [FEW, MANY], ids=["few", "many"])
RANDOM = np.random.default_rng(0)
compiled, added = jax.jit(linear), jax.jit(add_outer)


def draw(*shape: int) -> np.ndarray:
    return RANDOM.uniform(-1, 1, shape).astype(np.float32)


def symbols(count: int, *lanes: int) -> np.ndarray:
    return RANDOM.integers(count, size=lanes).astype(np.int32)


def one_hot(count: int, symbol: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.eye(count, dtype=np.float32)[symbol % count], -1, 0)


def assert_near(one, other) -> None:
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_symbols_are_integers():
    assert is_symbol(symbols(FEW, 3)) and is_symbol(np.uint8(1))
    assert not is_symbol(draw(3)) and not is_symbol(np.array(True))


@lanes_of_any_shape
def test_shared_weights(lanes):
    weights, sources = draw(ROWS, FEW), draw(FEW, *lanes)
    assert_near(compiled(weights, sources), np.einsum("rs,s...->r...", weights, sources))
    with pytest.raises(AssertionError):
        assert_near(compiled(weights, sources), np.einsum("rs,s...->r...", weights, -sources))


@lanes_of_any_shape
def test_weights_of_each_lane(lanes):
    weights, sources = draw(ROWS, FEW, *lanes), draw(FEW, *lanes)
    assert_near(compiled(weights, sources), np.einsum("rs...,s...->r...", weights, sources))


@number
@lanes_of_any_shape
@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
def test_a_symbol_is_a_one_hot_vector(lanes, own, count):
    weights, symbol = draw(ROWS, count, *(lanes if own else ())), symbols(count, *lanes)
    found = compiled(weights, symbol)
    np.testing.assert_array_equal(found, compiled(weights, one_hot(count, symbol)))
    with pytest.raises(AssertionError):
        np.testing.assert_array_equal(found, compiled(weights, one_hot(count, symbol + 1)))


@lanes_of_any_shape
def test_outer_products_are_added(lanes):
    total, rows, sources = draw(ROWS, FEW, *lanes), draw(ROWS, *lanes), draw(FEW, *lanes)
    expected = total + np.einsum("r...,s...->rs...", rows, sources)
    assert_near(added(total, rows, sources), expected)
    with pytest.raises(AssertionError):
        assert_near(added(total, -rows, sources), expected)


@number
@lanes_of_any_shape
def test_a_symbol_adds_to_its_column(lanes, count):
    total, rows, symbol = draw(ROWS, count, *lanes), draw(ROWS, *lanes), symbols(count, *lanes)
    found = np.asarray(added(total, rows, symbol))
    assert_near(found, added(total, rows, one_hot(count, symbol)))
    others = np.broadcast_to(one_hot(count, symbol) == 0, found.shape)
    np.testing.assert_array_equal(found[others], total[others])
    assert np.all(found[~others] != total[~others])  # control


@number
@lanes_of_any_shape
@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
def test_the_slope_of_a_symbol_is_that_of_its_one_hot_vector(lanes, own, count):
    weights, symbol = draw(ROWS, count, *(lanes if own else ())), symbols(count, *lanes)
    toward = draw(ROWS, *lanes)

    @jax.jit
    def slope(sources):
        return jax.grad(lambda w: (toward * linear(w, sources)).sum())(weights)

    assert_near(slope(symbol), slope(one_hot(count, symbol)))
    with pytest.raises(AssertionError):
        assert_near(slope(symbol), slope(one_hot(count, symbol + 1)))


@number
@pytest.mark.parametrize("function", [linear, add_outer])
def test_vmap_is_a_loop(function, count):
    several = [[draw(ROWS, count), symbols(count)] for _ in range(3)]
    if function is add_outer:
        several = [[total, draw(ROWS), symbol] for total, symbol in several]
    stacked = [np.stack(values, axis=-1) for values in zip(*several, strict=True)]
    mapped = jax.jit(jax.vmap(function, in_axes=-1, out_axes=-1))(*stacked)
    alone = [jax.jit(function)(*one) for one in several]
    assert_near(mapped, np.stack(alone, axis=-1))
    assert_near(mapped, jax.jit(function)(*stacked))
    with pytest.raises(AssertionError):
        assert_near(mapped[..., 0], alone[1])


@settings(max_examples=15)
@hypothesise(
    st.sampled_from([FEW, MANY]), st.lists(st.integers(0, FEW - 1), min_size=6, max_size=6)
)
def test_any_run_of_symbols_counts_them(count, run):
    """Adding ones for every symbol of a run leaves a histogram."""
    total = np.zeros((1, count, 2), np.float32)
    for symbol in run:
        both = np.array([symbol, count - 1 - symbol], np.int32)
        total = added(total, np.ones((1, 2), np.float32), both)
    counts = np.bincount(run, minlength=count)
    np.testing.assert_array_equal(total[0, :, 0], counts)
    np.testing.assert_array_equal(total[0, :, 1], counts[::-1])


def operations(weights, sources) -> float:
    """Arithmetic that the compiled program does."""
    return jax.jit(linear).lower(weights, sources).compile().cost_analysis().get("flops", 0)


@pytest.mark.parametrize("lanes", [(), (3,)], ids=["shared", "own"])
def test_the_cost_of_a_symbol_does_not_grow_with_their_number(lanes):
    few, many = (np.zeros((2, number, *lanes), np.float32) for number in (100, 1000))
    symbol = np.zeros(lanes, np.int32)
    assert operations(many, symbol) == operations(few, symbol)
    vectors = [np.zeros((len(w[0]), *lanes), np.float32) for w in (few, many)]  # control
    assert operations(many, vectors[1]) > 8 * operations(few, vectors[0])


# ---------------------------------------------------------------- symbols that there are not


def outside(count: int, lanes: tuple[int, ...]) -> list[np.ndarray]:
    """Symbols out of range, in every lane; and beside lanes with symbols in range."""
    wrong = [np.full(lanes, value, np.int32) for value in (-1, -count, count, 2**31 - 1, -(2**31))]
    beside = symbols(count, *lanes)
    return wrong if not lanes else [*wrong, np.where(np.arange(lanes[-1]) == 1, wrong[0], beside)]


def as_vectors(count: int, symbol: np.ndarray) -> np.ndarray:
    return np.moveaxis(np.asarray(jax.nn.one_hot(symbol, count)), -1, 0)


@jax.jit
def sums_and_slopes(weights, sources, tangent, toward):
    """The weighted sum, its derivative along a tangent, and that of its product with a number."""
    value, forward = jax.jvp(lambda w: linear(w, sources), (weights,), (tangent,))
    (backward,) = jax.vjp(lambda w: linear(w, sources), weights)[1](toward)
    return value, forward, backward


@number
@lanes_of_any_shape
@pytest.mark.parametrize("own", [False, True], ids=["shared", "own"])
def test_a_symbol_without_a_column_is_a_vector_of_zeros(lanes, own, count):
    weights, tangent = (draw(ROWS, count, *(lanes if own else ())) for _ in range(2))
    toward = draw(ROWS, *lanes)
    for symbol in outside(count, lanes):
        found = sums_and_slopes(weights, symbol, tangent, toward)
        expected = sums_and_slopes(weights, as_vectors(count, symbol), tangent, toward)
        for one, other in zip(found, expected, strict=True):
            assert_near(one, other)
        inside = np.clip(symbol, 0, count - 1)  # control: the nearest column
        with pytest.raises(AssertionError):
            assert_near(found[0], sums_and_slopes(weights, inside, tangent, toward)[0])


@number
@lanes_of_any_shape
def test_nothing_is_added_to_a_column_that_is_not_there(lanes, count):
    total, rows = draw(ROWS, count, *lanes), draw(ROWS, *lanes)
    for symbol in outside(count, lanes):
        found = added(total, rows, symbol)
        assert_near(found, added(total, rows, as_vectors(count, symbol)))
        with pytest.raises(AssertionError):  # control
            assert_near(found, added(total, rows, np.clip(symbol, 0, count - 1)))
