"""Stopping rules against a plain deque, sequence by sequence, lane by lane."""

from collections import deque
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given as hypothesise
from hypothesis import strategies as st

from lstm_jax.training.judging import Judgement, at_last, most_active, within
from lstm_jax.training.stopping import Criterion, recent, streak, validation
from lstm_jax.types import Sequence
from tests.support.bridge import lane

LANES, TICKS = 3, 24
CRITERIA = (Criterion(2, 0.6), Criterion(1), Criterion(1, 0.4))


# ---------------------------------------------------------------- judging


def sequence(goals, mask) -> Sequence:
    goals, mask = np.asarray(goals, np.float32), np.asarray(mask)
    off = np.full_like(goals, 9.0)  # targets that are no goals: judging must not look at them
    return Sequence(np.zeros((4, 1, *mask.shape[1:])), off, goals, mask, np.full(mask.shape[1:], 4))


judge = jax.jit(within(0.25))


def test_wrong_is_what_is_off_by_the_tolerance_or_more():
    goals = sequence(np.zeros((2, 2, 5)), np.ones((2, 5), bool))
    outputs = np.zeros((2, 2, 5), np.float32)
    outputs[1, 0] = [0.2, 0.25, -0.25, 0.75, np.nan]
    wrong, error, squared = judge(outputs, goals)
    np.testing.assert_array_equal(wrong, [False, True, True, True, True])
    np.testing.assert_allclose(error, np.abs(outputs[1, 0]) / 4, rtol=1e-6)
    np.testing.assert_allclose(squared, outputs[1, 0] ** 2 / 4, rtol=1e-6)


def test_only_masked_steps_are_judged():
    mask = np.array([[True, False], [False, True], [False, False]])
    goals = np.zeros((3, 1, 2), np.float32)
    outputs = np.array([0.1, 9.0, np.nan], np.float32)[:, None, None] * np.ones((3, 1, 2))
    wrong, error, _ = judge(outputs, sequence(goals, mask))
    np.testing.assert_array_equal(wrong, [False, True])
    np.testing.assert_allclose(error, [0.1, 9.0], rtol=1e-6)


def test_without_an_error_signal_nothing_is_wrong():
    nothing = sequence(np.ones((2, 1, 2)), np.array([[True, False], [True, False]]))
    wrong, error, squared = judge(np.zeros((2, 1, 2), np.float32), nothing)
    np.testing.assert_array_equal(wrong, [True, False])
    assert error[1] == squared[1] == 0 and error[0] == 1


def most_active_by_hand(outputs, goals, mask) -> bool:
    """Wrong if at some step some goal's output does not exceed that of another symbol."""
    for t in np.flatnonzero(mask):
        for k in np.flatnonzero(goals[t] == 1):
            for other in np.flatnonzero(goals[t] == 0):
                if not outputs[t, k] > outputs[t, other]:
                    return True
    return False


def test_goals_are_to_be_the_most_active_outputs():
    random = np.random.default_rng(2)
    shape = (3, 4, 200)
    goals = (random.uniform(size=shape) < 0.5).astype(np.float32)
    outputs = (goals + random.integers(-3, 4, shape) / 5).astype(np.float32)  # ties occur
    outputs[0, 0, :9] = np.nan
    mask = random.uniform(size=(3, 200)) < 0.6
    found = jax.jit(most_active)(outputs, sequence(goals, mask))
    columns = [(outputs[..., i], goals[..., i], mask[:, i]) for i in range(200)]
    np.testing.assert_array_equal(found.wrong, [most_active_by_hand(*c) for c in columns])
    assert 40 < np.sum(found.wrong) < 160  # control
    assert not np.array_equal(found.wrong, jax.jit(most_active)(-outputs, sequence(goals, mask))[0])
    for one, other in zip(found[1:], judge(outputs, sequence(goals, mask))[1:], strict=True):
        np.testing.assert_array_equal(one, other)


def test_judging_lanes_is_a_loop():
    random = np.random.default_rng(0)
    outputs, goals = random.uniform(0, 0.4, (2, 4, 2, LANES)).astype(np.float32)
    given = sequence(goals, random.uniform(size=(4, LANES)) < 0.5)
    together = judge(outputs, given)
    for i in range(LANES):
        alone = judge(outputs[..., i], lane(given, i))
        for one, other in zip(lane(together, i), alone, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6)
    assert not np.allclose(lane(together, 0).error, lane(together, 1).error)  # control


# ---------------------------------------------------------------- histories


class History(NamedTuple):
    """Judgements and activity, `(ticks, lanes)`; errors in quarters, so that sums are exact."""

    wrong: np.ndarray
    error: np.ndarray
    active: np.ndarray


def history(seed: int, mostly: float = 0.8) -> History:
    random = np.random.default_rng(seed)
    wrong = random.uniform(size=(TICKS, LANES)) < 0.15
    error = random.integers(0, 5, (TICKS, LANES)).astype(np.float32) / 4
    return History(wrong, error, random.uniform(size=(TICKS, LANES)) < mostly)


histories = st.builds(history, st.integers(0, 10**6), st.sampled_from([1.0, 0.8, 0.3]))


@lru_cache
def runner(rule, *arguments):
    """The rule through a whole history: `(state, held (ticks, criteria, lanes))`."""
    stop = rule(*arguments)

    def body(state, tick):
        wrong, error, active = tick
        return stop.update(state, Judgement(wrong, error, error**2), active)

    @jax.jit
    def run(given: History):
        lanes = given.wrong.shape[1:]
        begin = jax.tree.map(lambda s: jnp.stack([s] * LANES, axis=-1) if lanes else s, stop.init())
        return jax.lax.scan(body, begin, given)

    return run


def recent_by_hand(given: History, window: int, criteria) -> np.ndarray:
    """What `recent` must say in active lanes, from deques; False elsewhere."""
    held = np.zeros((TICKS, len(criteria), LANES), bool)
    for i in range(LANES):
        last: deque = deque(maxlen=window)
        for t in range(TICKS):
            if not given.active[t, i]:
                continue
            last.append((given.wrong[t, i], given.error[t, i]))
            wrong, error = (np.sum(values) for values in zip(*last, strict=True))
            for k, (wrong_below, error_below) in enumerate(criteria):
                full = len(last) == window
                held[t, k, i] = full and wrong < wrong_below and error / window < error_below
    return held


def streak_by_hand(given: History, length: int) -> np.ndarray:
    held = np.zeros((TICKS, 1, LANES), bool)
    for i in range(LANES):
        right = 0
        for t in range(TICKS):
            if given.active[t, i]:
                right = 0 if given.wrong[t, i] else right + 1
                held[t, 0, i] = right >= length
    return held


def in_active_lanes(held, given: History) -> np.ndarray:
    return np.asarray(held) & given.active[:, None]


@pytest.mark.parametrize("window", [1, 4, 7])
@hypothesise(given=histories)
def test_recent_is_a_deque(window, given):
    _, held = runner(recent, window, *CRITERIA)(given)
    expected = recent_by_hand(given, window, CRITERIA)
    np.testing.assert_array_equal(in_active_lanes(held, given), expected)


def test_recent_is_no_other_deque():  # control
    given = history(3, 1.0)
    _, held = runner(recent, 4, *CRITERIA)(given)
    assert np.any(recent_by_hand(given, 4, CRITERIA), axis=(0, 2)).all()  # each holds somewhere
    for other in (recent_by_hand(given, 3, CRITERIA), recent_by_hand(given, 4, CRITERIA[::-1])):
        assert not np.array_equal(in_active_lanes(held, given), other)
    assert not np.array_equal(held, recent_by_hand(history(4, 1.0), 4, CRITERIA))


@hypothesise(given=histories)
def test_a_streak_is_counted(given):
    _, held = runner(streak, 3)(given)
    np.testing.assert_array_equal(in_active_lanes(held, given), streak_by_hand(given, 3))


def test_a_streak_is_no_other_streak():  # control
    given = history(3, 1.0)
    _, held = runner(streak, 3)(given)
    assert np.any(held) and not np.array_equal(held, streak_by_hand(given, 4))


@pytest.mark.parametrize("rule", [(recent, 4, *CRITERIA), (streak, 3)], ids=["recent", "streak"])
def test_lanes_are_a_loop(rule):
    given = history(5)
    state, held = runner(*rule)(given)
    for i in range(LANES):
        alone, said = runner(*rule)(lane(given, i))
        np.testing.assert_array_equal(held[..., i], said)
        jax.tree.map(np.testing.assert_array_equal, lane(state, i), alone)
    assert not np.array_equal(held[..., 0], said)  # control


@pytest.mark.parametrize("rule", [(recent, 4, *CRITERIA), (streak, 3)], ids=["recent", "streak"])
def test_idle_lanes_keep_their_state(rule):
    given, stop = history(6, 1.0), rule[0](*rule[1:])
    state, _ = runner(*rule)(given)
    new = Judgement(np.zeros(LANES, bool), np.full(LANES, np.nan, np.float32), np.zeros(LANES))
    after, _ = jax.jit(stop.update)(state, new, np.array([True, False, True]))
    jax.tree.map(np.testing.assert_array_equal, lane(after, 1), lane(state, 1))
    with pytest.raises(AssertionError):  # control
        jax.tree.map(np.testing.assert_array_equal, lane(after, 0), lane(state, 0))


def test_sums_of_a_long_window_do_not_drift():
    """A sum kept by adding and subtracting alone would carry every rounding along."""
    window, ticks = 50, 20_000
    error = np.random.default_rng(0).uniform(0, 1, ticks).astype(np.float32) ** 8
    error[:1000] *= 1e6  # a bad beginning, long ago
    given = History(np.zeros(ticks, bool), error, np.ones(ticks, bool))
    state, _ = runner(recent, window, Criterion(1))(given)
    exact = np.sum(error[-window:].astype(np.float64))
    np.testing.assert_allclose(state.error_sum, exact, rtol=1e-5)
    naive = np.cumsum(error, dtype=np.float32)  # control
    assert abs(naive[-1] - naive[-window - 1] - exact) > 1e-2 * exact


# ---------------------------------------------------------------- what a rule declares


def test_rules_say_how_they_are_counted():
    assert (
        streak(10).test_window == 10
        and streak(10).validate_every == 0
        and len(streak(10).criteria) == 1
    )
    assert recent(9, *CRITERIA).test_window == 0 and recent(9, *CRITERIA).criteria == CRITERIA
    tried = validation(256, 20, *CRITERIA)
    assert (tried.validation_size, tried.validate_every, tried.test_window) == (256, 20, 0)


def test_a_validation_never_holds_in_training():
    stop = validation(5, 2, *CRITERIA)
    new = Judgement(np.zeros(LANES, bool), np.zeros(LANES), np.zeros(LANES))
    _, held = stop.update(stop.init(), new, np.ones(LANES, bool))
    assert held.shape == (3, LANES) and not np.any(held)


@pytest.mark.parametrize(
    ("wrong", "error", "holds"),
    [(1, 0.1, True), (2, 0.1, False), (1, 0.5, False), (0, np.nan, False), (0, 0.0, True)],
)
def test_criteria_are_strict(wrong, error, holds):
    assert Criterion(2, 0.5).holds(np.array(wrong), np.array(error)) == holds
    assert Criterion(1).holds(np.array(0), np.array(1e30))


def of_goals(goals, mask) -> Sequence:
    goals, mask = jnp.asarray(goals, float), jnp.asarray(mask)
    return Sequence(jnp.zeros(len(goals), int), goals, goals, mask, jnp.int32(len(goals)))


def test_at_last_judges_the_last_step_with_an_error():
    goals, outputs = jnp.zeros((4, 1)), jnp.array([[0.9], [0.1], [0.9], [0.9]])
    sequence = of_goals(goals, [True, True, False, False])
    judgement = at_last(within(0.5))(outputs, sequence)
    assert not judgement.wrong and np.isclose(judgement.error, 0.1)
    assert within(0.5)(outputs, sequence).wrong  # control
    assert at_last(within(0.5))(outputs, of_goals(goals, [True, True, True, False])).wrong


def test_at_last_judges_so_many_steps_before():
    goals, outputs = jnp.zeros((4, 1)), jnp.array([[0.9], [0.1], [0.9], [0.9]])
    sequence = of_goals(goals, [True, True, True, False])
    assert not at_last(within(0.5), before=1)(outputs, sequence).wrong
    assert at_last(within(0.5), before=2)(outputs, sequence).wrong
    assert not at_last(within(0.5), before=3)(outputs, sequence).wrong  # there is none
