"""A net evaluated on a set of strings: against the twin, finite differences, invariances."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.methods.cascade_correlation import (
    activations,
    candidate_slopes,
    cascade_net,
    covariances,
    evaluate,
    output_slopes,
)
from lstm_jax.methods.cascade_correlation.pool import add_unit, draw_pool
from lstm_jax.networks.unroll import unroll
from lstm_jax.training.judging import most_active
from tests.library.methods.cascade_correlation.tiny import (
    POOL,
    SYMBOLS,
    UNITS,
    net_of,
    output_matrix,
    pool_vectors,
    sequence,
    strings,
    units_list,
    units_of,
)
from tests.reference import cascade_correlation as twin
from tests.support.bridge import KEY, assert_close

THERE = 2  # hidden units


def net_and_pool(seed: int = 0):
    random = np.random.default_rng(seed)
    pool = units_of(random, POOL, UNITS)
    return net_of(random, THERE), pool._replace(
        from_units=pool.from_units * (np.arange(UNITS) < THERE)
    )


@jax.jit
def everything(params, pool, given):
    """What is seen, and all slopes."""
    seen = evaluate(params, given)
    slopes, found = candidate_slopes(pool, given, seen)
    return seen, output_slopes(params, given, seen), slopes, found


def of_the_twin(params, pool, memory: bool = True):
    heard = [twin.hidden(units_list(params, THERE), x) for x, _, _ in strings()]
    matrix = output_matrix(params, THERE)
    errors = [
        twin.residuals(twin.answers(matrix, rows), targets)
        for rows, (_, targets, _) in zip(heard, strings(), strict=True)
    ]
    candidates = pool_vectors(pool, THERE)
    return heard, matrix, [twin.correlate(w, heard, errors, memory) for w in candidates]


def test_what_is_seen_is_what_the_twin_sees(x64):
    params, pool = net_and_pool()
    seen, *_ = everything(params, pool, sequence())
    heard, matrix, _ = of_the_twin(params, pool)
    answers = [twin.answers(matrix, rows) for rows in heard]
    pairs = list(zip(answers, strings(), strict=True))
    error = sum(np.sum((y - targets) ** 2) for y, (_, targets, _) in pairs)
    np.testing.assert_allclose(seen.error, error, rtol=1e-12)
    assert seen.cases == sum(map(len, heard))
    wrong = most_active(seen.outputs, sequence()).wrong
    assert wrong.tolist() == [not twin.right(y, goals) for y, (_, _, goals) in pairs]
    for i, (y, (_, targets, _)) in enumerate(pairs):
        np.testing.assert_allclose(seen.outputs[: len(y), :, i], y, rtol=1e-12)
        residual = twin.residuals(y, targets).T
        np.testing.assert_allclose(seen.residual[:, : len(y), i], residual, rtol=1e-11)
        assert not np.any(seen.residual[:, len(y) :, i])


def test_slopes_are_those_that_the_twin_carries_forward(x64):
    params, pool = net_and_pool()
    _, outputs, candidates, found = everything(params, pool, sequence())
    heard, matrix, expected = of_the_twin(params, pool)
    slopes = twin.output_slopes(matrix, heard, strings())
    assert_close(output_matrix(outputs, THERE), slopes, 1e-12)
    assert_close(np.asarray(found), np.stack([c for c, _ in expected]), 1e-12)
    climbs = -np.stack([slope for _, slope in expected])
    assert_close(pool_vectors(candidates, THERE), climbs, 1e-12)
    _, _, forgetful = of_the_twin(params, pool, memory=False)  # control
    assert np.max(np.abs(climbs + np.stack([slope for _, slope in forgetful]))) > 1e-3


def test_slopes_of_what_is_not_there_are_zero():
    params, pool = net_and_pool()
    _, outputs, candidates, _ = everything(params, pool, sequence())
    assert not np.any(outputs.from_cell[:, THERE:]) and np.all(outputs.from_cell[:, :THERE])
    assert not np.any(candidates.from_units[:, THERE:])
    assert np.all(candidates.from_units[:, :THERE])


def differences(function, tree, width: float = 1e-6):
    """Central differences, one number after the other."""
    leaves, structure = jax.tree.flatten(tree)
    slopes = [np.zeros(leaf.shape) for leaf in leaves]
    for k, leaf in enumerate(leaves):
        for at in np.ndindex(leaf.shape):

            def moved(by, k=k, at=at):
                others = [np.array(leaf) for leaf in leaves]
                others[k][at] += by
                return function(jax.tree.unflatten(structure, others))

            slopes[k][at] = (moved(width) - moved(-width)) / (2 * width)
    return jax.tree.unflatten(structure, slopes)


def test_slopes_are_finite_differences(x64, monkeypatch):
    params, pool = net_and_pool(1)
    given, into = sequence(), params._replace(cell=())

    def score(pool) -> float:
        return -float(np.sum(np.abs(everything(params, pool, given)[3])))

    assert_close(everything(params, pool, given)[2], differences(score, pool), 1e-8)

    def half_error(into) -> float:
        return float(everything(into._replace(cell=params.cell), pool, given)[0].error) / 2

    expected = differences(half_error, into)
    with pytest.raises(AssertionError):  # control: f' is enlarged
        assert_close(everything(params, pool, given)[1], expected, 1e-3)
    monkeypatch.setattr(sys.modules[evaluate.__module__], "SLOPE_OFFSET", 0.0)
    everything.clear_cache()
    assert_close(everything(params, pool, given)[1], expected, 1e-8)
    everything.clear_cache()


def test_padding_and_order_change_nothing(x64):
    params, pool = net_and_pool()
    plain = everything(params, pool, sequence())
    longer = everything(params, pool, sequence(steps=9))
    back = jax.tree.map(lambda leaf: leaf[..., ::-1], sequence())
    for other in (longer, everything(params, pool, back)):
        assert_close(other[1:], plain[1:], 1e-13)
        assert_close((other[0].error, other[0].cases), (plain[0].error, plain[0].cases), 1e-13)
    bare = sequence().replace(mask=jnp.ones((6, 4), bool))  # control
    with pytest.raises(AssertionError):
        assert_close(everything(params, pool, bare)[1:], plain[1:], 1e-3)


def test_vectors_and_symbols_are_the_same(x64):
    params, pool = net_and_pool()
    seen, *slopes = everything(params, pool, sequence())
    other, *others = everything(params, pool, sequence(vectors=True))
    assert_close(others, slopes, 1e-12)
    for name in ("error", "cases", "residual"):
        assert_close(getattr(other, name), getattr(seen, name), 1e-12)


def test_single_precision_is_near():
    with jax.enable_x64(True):
        params, pool = net_and_pool()
        double = everything(params, pool, sequence())
    halved = jax.tree.map(lambda leaf: leaf.astype(np.float32), (params, pool))
    single = everything(*halved, sequence())
    assert {leaf.dtype for leaf in jax.tree.leaves(single[1:])} == {np.dtype(np.float32)}
    assert_close(single[1:], double[1:], 1e-5)


# ---------------------------------------------------------------- covariances


def cases(seed: int = 0):
    random = np.random.default_rng(seed)
    mask = random.uniform(size=(5, 4)) < 0.7
    values, residual = random.normal(size=(3, 5, 4)), random.normal(size=(2, 5, 4))
    return values, residual * mask, mask


def test_covariances_are_those_of_the_cases(x64):
    values, residual, mask = cases()
    found = covariances(*cases())
    together = np.concatenate([values[:, mask], residual[:, mask]])
    expected = np.cov(together, bias=True)[:3, 3:] * mask.sum() / np.sum(residual**2)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(covariances(values + 5, residual, mask), found, atol=1e-12)
    np.testing.assert_allclose(covariances(2 * values, -residual / 3, mask), -6 * found, atol=1e-12)
    with pytest.raises(AssertionError):  # control
        np.testing.assert_allclose(covariances(values**2, residual, mask), found, atol=1e-2)


def test_without_an_error_there_is_nothing_to_go_along_with():
    values, residual, mask = cases()
    assert not np.any(covariances(values, 0 * residual, mask))


# ---------------------------------------------------------------- candidates become units


def test_an_added_candidate_says_what_it_said(x64):
    params, pool = net_and_pool()
    given = sequence()
    seen, _, _, found = everything(params, pool, given)
    said = activations(pool, given.inputs, seen.values)
    for best in range(POOL):
        grown = add_unit(params, pool, jnp.array(best), jnp.array(THERE), found[best])
        now = everything(grown, pool, given)[0]
        np.testing.assert_allclose(now.values[THERE], said[best], rtol=1e-12)
        np.testing.assert_array_equal(now.values[:THERE], seen.values[:THERE])
        np.testing.assert_array_equal(grown.from_cell[:, THERE], -found[best])
        changed = jax.tree.map(lambda a, b: np.sum(np.asarray(a) != b), grown, params)
        assert changed.cell.from_inputs == SYMBOLS and changed.cell.from_itself == 1
        assert changed.from_inputs == 0
    assert not np.allclose(said[0], said[1])  # control


def test_pools_are_drawn_in_range_and_receive_who_is_there():
    pool = draw_pool(KEY, 50, 7, 9, jnp.array(4), init_scale=0.5)
    numbers = np.concatenate([np.ravel(leaf) for leaf in pool])
    there = numbers[numbers != 0]
    assert len(there) == 50 * (7 + 4 + 1 + 1) and not np.any(pool.from_units[:, 4:])
    assert np.all(np.abs(there) <= 0.5) and abs(np.mean(there)) < 0.05
    assert np.max(there) > 0.45 and np.min(there) < -0.45
    other = draw_pool(KEY, 50, 7, 9, 5, init_scale=0.5)
    np.testing.assert_array_equal(other.from_units[:, :4], pool.from_units[:, :4])


def test_the_net_is_a_cell_that_says_what_is_seen(x64):
    params, pool = net_and_pool()
    given = sequence()
    outputs = unroll(cascade_net(SYMBOLS, 3, UNITS), params, given.inputs)[1]
    seen = everything(params, pool, given)[0]
    error = np.where(given.mask[:, None], outputs - given.targets, 0)
    np.testing.assert_allclose(np.sum(error**2), seen.error, rtol=1e-12)
