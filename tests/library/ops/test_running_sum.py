"""Sums of very many numbers stay exact where a plain sum stops growing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.ops.running_sum import RunningSum
from lstm_jax.training.growth import when_slow
from lstm_jax.training.judging import Judgement
from lstm_jax.training.records import Curve, add_to_tally, curve_points, extend_curve, no_tally

ERROR, MANY, MORE = 0.3, 10**8, 10**6
# a sum of numbers of 0.3 as it is after so many of them, at best
SO_FAR = np.float32(ERROR * MANY)


@jax.jit
def added(numbers):
    def both(_, sums):
        return sums[0].add(jnp.float32(ERROR)), sums[1] + jnp.float32(ERROR)

    return jax.lax.fori_loop(0, numbers, both, (RunningSum.zeros(()), jnp.zeros(())))


def test_a_hundred_million_errors_have_their_mean():
    kept, plain = added(MANY)
    np.testing.assert_allclose(float(kept.value) / MANY, ERROR, rtol=1e-6)
    assert float(plain) / MANY < 0.1  # control: it stopped growing long ago


def run(step, begin):
    return jax.jit(lambda state: jax.lax.fori_loop(0, MORE, lambda _, s: step(s), state))(begin)


def test_a_tally_goes_on_growing():
    begin = no_tally(jnp.zeros(()))._replace(
        sequences=jnp.int32(MANY),
        error=RunningSum(jnp.float32(SO_FAR), jnp.float32(0)),
        squared=RunningSum(jnp.float32(SO_FAR), jnp.float32(0)),
    )
    error = jnp.float32(ERROR)
    tally = run(lambda tally: add_to_tally(tally, jnp.array(False), error, error), begin)
    for mean in (tally.mean_error, tally.mean_squared):
        np.testing.assert_allclose(mean, ERROR, rtol=1e-6)
    plain = run(lambda total: total + error, jnp.float32(SO_FAR))  # control
    assert abs(plain / (MANY + MORE) - ERROR) > 1e-3


def test_so_does_a_curve():
    points = np.array([2 * MANY], np.int32)
    sums = RunningSum(jnp.float32(SO_FAR), jnp.float32(0))
    begin = Curve(jnp.int32(0), sums, jnp.int32(MANY), jnp.zeros(1)), jnp.int32(MANY)

    def step(state):
        curve, sequences = state
        sequences = sequences + 1
        return extend_curve(curve, sequences, jnp.float32(ERROR), points), sequences

    curve, sequences = run(step, begin)
    curve = extend_curve(curve, jnp.int32(points[0]), jnp.float32(ERROR), points)
    assert sequences == MANY + MORE and curve.at == 1
    np.testing.assert_allclose(curve.error[0], ERROR, rtol=1e-6)


@pytest.mark.parametrize("falls", [False, True])
def test_and_a_stretch_of_growth(falls):
    growth = when_slow(lambda n: n + 1, window=MANY + MORE, ratio=0.9999)
    begin = growth.init()._replace(
        seen=jnp.int32(MANY),
        total=RunningSum(jnp.float32(SO_FAR), jnp.float32(0)),
        before=jnp.float32(ERROR * (1.001 if falls else 1)),
    )
    judgement = Judgement(jnp.array(True), *[jnp.float32(ERROR)] * 2)

    def step(state):
        return growth.update(*state, judgement, jnp.array(True))

    slope, units = run(step, (begin, jnp.int32(0)))
    assert slope.seen == 0 and units == (0 if falls else 1)  # a plain sum would see it fall 1 %


def test_points_of_the_longest_curve_grow():
    points = curve_points(2**31 - 2**20)
    assert np.all(np.diff(points.astype(np.int64)) > 0) and points[-1] >= 2**31 - 2**20
