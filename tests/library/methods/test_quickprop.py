"""Quickprop against the routine of Fahlman's programs, weight by weight, and its laws."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.methods.quickprop import QuickpropState, quickprop
from tests.reference.cascade_correlation import quickprop as by_hand
from tests.support.bridge import assert_close

EPSILON, MU, DECAY = 0.3, 1.75, 0.01


def moments(number: int = 400) -> np.ndarray:
    """Weights, last steps, slopes, last slopes of all sizes, some of them 0."""
    random = np.random.default_rng(0)
    numbers = random.normal(size=(4, number)) * 10.0 ** random.integers(-3, 2, (4, number))
    numbers[:, :40] *= random.integers(0, 2, (4, 40))
    step, before = numbers[1], numbers[3]
    numbers[3] = np.where(step == 0, before, -np.sign(step) * np.abs(before))
    return numbers


def following(numbers, **options):
    weight, step, slope, before = jnp.asarray(numbers)
    rule = quickprop(EPSILON, **({"mu": MU, "decay": DECAY} | options))
    return jax.jit(rule.update)(slope, QuickpropState(step, before), weight)


def test_every_weight_steps_as_in_the_programs(x64):
    steps, memory = following(moments())
    expected = [by_hand(*column, EPSILON, DECAY, MU) for column in moments().T]
    np.testing.assert_allclose(steps, [step for step, _ in expected], rtol=1e-12)
    np.testing.assert_allclose(memory.slope, [slope for _, slope in expected], rtol=1e-12)
    np.testing.assert_array_equal(memory.step, steps)
    for options in ({"mu": 2.0}, {"decay": 0.0}):  # control
        with pytest.raises(AssertionError):
            np.testing.assert_allclose(following(moments(), **options)[0], steps, rtol=1e-6)


def test_all_cases_occur():  # control: of the comparison above
    _, step, slope, before = moments()
    slope = slope + DECAY * moments()[0]
    way = np.sign(step)
    far = way * (slope - MU / (1 + MU) * before) <= 0
    for case in (step == 0, way * slope < 0, way * slope > 0, far & (step != 0), ~far):
        assert np.sum(case) > 20


def test_the_parabola_of_two_slopes_has_its_minimum_there(x64):
    """From w_1 to w_2 = w_1 + d; E = (w - 1)^2 / 2 + 5 and other parabolas."""
    for curvature in (0.1, 1.0, 7.0):
        w, rule = jnp.array(3.0), quickprop(1e-3, mu=1e6)
        state = rule.init(w)
        step, state = rule.update(curvature * (w - 1), state, w)
        w = w + step
        slope = curvature * (w - 1)
        step, state = rule.update(slope, state, w)
        assert abs(w + step + 1e-3 * slope - 1) < 1e-10  # but for the gradient's part
        assert abs(w + step - 1) > 1e-5  # control


def test_steps_lead_downhill_and_grow_by_mu_at_most(x64):
    """Along a path on which slopes come as they please."""
    random, w, rule = np.random.default_rng(1), jnp.zeros(50), quickprop(0.01, mu=MU)
    state = rule.init(w)
    for _ in range(30):
        slope = jnp.asarray(random.normal(size=50))
        before = state.step
        step, state = rule.update(slope, state, w)
        assert np.all(step * slope <= 0) and np.any(step * slope < 0)
        limit = np.where(before * step > 0, MU * np.abs(before), np.inf) + 0.01 * np.abs(slope)
        assert np.all(np.abs(step) <= limit * (1 + 1e-12))
    assert np.any(np.abs(step) > 0.9 * limit)  # control


def test_weights_that_are_not_there_stay_away():
    w = {"there": jnp.ones(3), "not there": jnp.zeros(3)}
    rule = quickprop(0.5, decay=0.1)
    state = rule.init(w)
    for _ in range(4):
        slopes = {"there": jnp.cos(w["there"]), "not there": jnp.zeros(3)}
        steps, state = rule.update(slopes, state, w)
        w = jax.tree.map(jnp.add, w, steps)
    assert not np.any(w["not there"]) and not np.any(state.slope["not there"])
    assert np.all(w["there"] != 1)  # control


def test_numbers_may_differ_between_lanes():
    numbers = moments()[:, 100:103].astype(np.float32)
    mus = np.float32([1.0, 1.75, 2.5])
    together = following(numbers, mu=jnp.asarray(mus))[0]
    for i, mu in enumerate(mus):
        assert_close(together[i], following(numbers[:, i], mu=mu)[0], 1e-6)


def test_decay_needs_the_weights():
    rule = quickprop(0.1)
    with pytest.raises(ValueError, match=r"update\(grads, state, params\)"):
        rule.update(jnp.ones(2), rule.init(jnp.ones(2)))
