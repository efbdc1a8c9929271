"""Weight guessing: against a trial in plain Python, and what it can and cannot do."""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.methods.random_guessing import all_right, random_guessing
from lstm_jax.ops.activations import between
from lstm_jax.ops.linear import linear
from lstm_jax.tasks import two_sequence
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.judging import within
from lstm_jax.training.records import IDLE, PHASES
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.training.trial import make_trial
from lstm_jax.trials import run_trials
from lstm_jax.types import Cell, Sequence, Task
from tests.support.bridge import KEY, assert_close, assert_same, begin, lane, numbers

LIMIT, SIZE, CAP, TEST, TICKS, LANES = 16.0, 3, 20, 5, 40, 8
CRITERION = Criterion(2, 0.8)
CAP_3 = 1000


class Line(NamedTuple):
    """A straight line, and a number that nobody reads."""

    slope: Any
    unread: Any


def seen(key) -> Sequence:
    """A number, of which the line must make less than 1."""
    x, zero = jax.random.uniform(key, (1, 1)), jnp.zeros((1, 1))
    return Sequence(x, zero, zero, jnp.ones(1, bool), jnp.int32(1))


def line(settings=None) -> TrialConfig:
    """What the trial looks at; `init` is asked for shapes alone."""

    def init(key):
        return Line(jnp.full((1, 1), jnp.nan), jnp.zeros(2))

    cell = Cell(init, lambda *_: (), lambda p, state, x: (state, linear(p.slope, x)), 1, 1)
    return TrialConfig(
        cell,
        Task(seen, 1, 1, 1),
        random_guessing(LIMIT),
        within(1.0),
        all_right(SIZE, CRITERION),
        CAP,
        TEST,
    )


TRIAL = make_trial(line)


@lru_cache
def played() -> tuple[Any, Any]:
    """The states after every tick, and the last one."""

    def body(state, _):
        state = TRIAL.advance(state, 1)
        return state, state

    first = begin(TRIAL, None, range(LANES))
    last, states = jax.jit(lambda state: jax.lax.scan(body, state, length=TICKS))(first)
    return numbers(states), numbers(last)


# ---------------------------------------------------------------- against plain Python


def words(key, number: int) -> np.ndarray:
    """Three weights of a guess, from the documented words of its key."""
    bits = np.asarray(jax.random.bits(jax.random.fold_in(key, number), (3,), jnp.uint32))
    return LIMIT * (2 * (bits >> 8) / 2**24 - 1)


def by_hand(seed: int):
    """Phase, sequences, guesses and slope after every tick; and why guesses failed."""
    key = jax.random.fold_in(KEY, seed)
    guesses, errors, sequences, tested, phase, history, failures = 1, [], 0, 0, "training", [], []
    for _ in range(TICKS):
        stream, index = (0, sequences) if phase == "training" else (2, tested)
        key_t = jax.random.fold_in(jax.random.fold_in(key, 1 + stream), index)
        slope = words(jax.random.fold_in(key, 0), guesses)[0]
        error = abs(slope * float(jax.random.uniform(key_t, (1, 1))[0, 0]))
        if phase == "training":
            sequences += 1
            errors.append(error)
            phase = "capped" if sequences == CAP else phase
            if sum(e >= 1 for e in errors) >= 2 or (len(errors) == SIZE and np.mean(errors) >= 0.8):
                failures.append(len(errors) == SIZE)
                guesses, errors = guesses + 1, []
            elif len(errors) == SIZE:
                phase = "testing"
        elif phase == "testing":
            tested += 1
            phase = "solved" if tested == TEST else phase
        slope = words(jax.random.fold_in(key, 0), guesses)[0]
        history.append((phase, sequences, guesses, slope))
    return history, failures


def test_a_trial_is_a_state_machine_by_hand():
    (states, _), early_and_late = played(), []
    for seed in range(LANES):
        history, failures = by_hand(seed)
        early_and_late += failures
        phases, sequences, guesses, slopes = zip(*history, strict=True)
        assert [PHASES[phase] for phase in states.phase[:, seed]] == list(phases)
        np.testing.assert_array_equal(states.sequences[:, seed], sequences)
        np.testing.assert_array_equal(states.learner.memory.number[:, seed], guesses)
        np.testing.assert_allclose(states.params.slope[:, 0, 0, seed], slopes, rtol=1e-6)
    assert {"solved", "capped"} <= {PHASES[phase] for phase in states.phase[-1]}  # control
    assert set(early_and_late) == {True, False}


def test_weights_change_with_a_new_guess_and_never_else():
    states, last = played()
    tried = np.diff(states.learner.memory.number, axis=0)
    moved = np.any(np.diff(states.params.unread, axis=0) != 0, axis=1)
    np.testing.assert_array_equal(tried != 0, moved)
    assert np.all(tried <= 1) and np.any(tried == 0) and np.any(tried == 1)
    solved = states.phase[-1] == PHASES.index("solved")
    np.testing.assert_array_equal(last.reached[0, solved], last.sequences[solved] - SIZE)
    assert np.all(last.reached[0, ~solved] == -1)
    assert not np.any(moved & (states.phase[:-1] != 0))  # the test does not change weights


# ---------------------------------------------------------------- what a guess is


def guesses_of(limit: float, number: int = 200):
    """The weights of many guesses, of a judge who is never content."""

    def build(settings):
        return line()._replace(
            judge=within(0.0), max_sequences=10**6, learner=random_guessing(limit), stop=all_right()
        )

    trial = make_trial(build)

    def body(state, _):
        state = trial.advance(state, 1)
        return state, state.params

    _, params = jax.jit(lambda s: jax.lax.scan(body, s, length=number))(begin(trial, None, [0, 1]))
    return np.concatenate([params.slope[:, :, 0], params.unread], axis=1)


def test_every_weight_is_uniform_and_new_with_every_guess():
    drawn = guesses_of(LIMIT)  # (guesses, weights, lanes)
    assert np.all(np.abs(drawn) <= LIMIT) and np.max(np.abs(drawn)) > 0.95 * LIMIT
    assert len(np.unique(drawn)) == drawn.size
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.2 * LIMIT)
    np.testing.assert_allclose((drawn**2).mean(axis=0), LIMIT**2 / 3, rtol=0.25)
    together = np.corrcoef(drawn.reshape(len(drawn), -1).T)
    assert np.max(np.abs(together - np.eye(6))) < 0.3
    np.testing.assert_allclose(guesses_of(25 * LIMIT), 25 * drawn, rtol=1e-6)


def test_both_precisions_guess_the_same():
    single = guesses_of(LIMIT, 5)
    with jax.enable_x64(True):
        double = TRIAL.init(jax.random.fold_in(KEY, 0), None)
        assert double.params.slope.dtype == np.float64
        after = make_trial(lambda _: line()._replace(judge=within(0.0), stop=all_right())).advance(
            double, 5
        )
        np.testing.assert_allclose(after.params.slope[0, 0], single[4, 0, 0], rtol=1e-6)
    assert abs(single[4, 0, 0] - single[4, 0, 1]) > 1e-3  # control: lanes differ


def test_lanes_are_trials_alone():
    _, last = played()
    advance = jax.jit(TRIAL.advance)
    for seed in (1, 2):
        alone = advance(TRIAL.init(jax.random.fold_in(KEY, seed), None), TICKS)
        assert_close(numbers(alone.params), lane(last.params, seed), 1e-6)
        assert_same(numbers(alone.phase), lane(last.phase, seed))
        assert_same(numbers(alone.learner.memory), lane(last.learner.memory, seed))
    with pytest.raises(AssertionError):
        assert_same(numbers(alone.learner.memory), lane(last.learner.memory, 0))


def test_what_is_over_stays_as_it_is():
    first = begin(TRIAL, None, range(LANES))
    idle = first._replace(phase=first.phase + IDLE)
    assert_same(numbers(jax.jit(TRIAL.advance)(idle, 10)), numbers(idle))


# ---------------------------------------------------------------- as trials


class Latch(NamedTuple):
    """Weights of one unit that receives an input, itself and a bias."""

    weights: Any


def latch(tolerance: float, targets):
    """Experiment 3, short, for a net of one unit, which can keep the beginning."""

    def step(params, state, x):
        y = between(-1, 1)(linear(params.weights, jnp.concatenate([x, state, jnp.ones_like(x)])))
        return y, 0.5 + y / 2

    def initial_state(lanes=(), dtype=None):
        return jnp.zeros((1, *lanes), dtype)

    cell = Cell(lambda key: Latch(jnp.zeros((1, 3))), initial_state, step, 1, 1)

    task = two_sequence(20, 1, targets=targets)

    def build(settings):
        return line()._replace(
            net=cell,
            task=task,
            learner=random_guessing(20.0),
            judge=within(tolerance),
            stop=all_right(20),
            max_sequences=CAP_3,
        )

    return build


def guess(tolerance: float, trials: int = 12, targets=(1.0, 0.0), **options) -> list[dict]:
    trial = make_trial(latch(tolerance, targets))
    return run_trials(trial, KEY, trials, devices=1, **options)


def test_records_count_guesses():
    records = guess(0.2, lanes=4)
    assert all(record["phase"] == "solved" for record in records)
    for record in records:
        assert 1 <= record["guesses"] <= record["reached"][0] + 1 <= record["sequences"] - 19
        assert record["test"]["sequences"] == TEST
    assert sum(record["test"]["wrong"] for record in records) <= 3
    assert len({record["guesses"] for record in records}) > 6
    assert guess(0.2, 6, lanes=8) == records[:6]


def test_goals_that_want_precision_are_not_guessed():
    """As in experiment 3c: the outputs must come close to 0.2 and 0.8."""
    records = guess(0.02, lanes=4, targets=(0.2, 0.8))
    assert all(record["phase"] == "capped" and record["sequences"] == CAP_3 for record in records)
    assert all(record["guesses"] > CAP_3 / 2 and record["test"] is None for record in records)


def test_a_run_taken_up_again_has_the_same_records(tmp_path):
    once = guess(0.2, lanes=4, folder=tmp_path)
    assert guess(0.2, lanes=4, folder=tmp_path) == once == guess(0.2, lanes=4)


def test_the_summary_counts_guesses():
    assert TRIAL.summary(lane(played()[1], 0)) == {"guesses": by_hand(0)[0][-1][2]}


@pytest.mark.parametrize("limit", [0.0, -1.0, np.inf, np.nan])
def test_a_range_that_is_none_is_refused(limit):
    with pytest.raises(ValueError, match="limit=100"):
        random_guessing(limit)


def test_no_sequences_for_a_guess_are_refused():
    with pytest.raises(ValueError, match="size >= 1"):
        all_right(0)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"stop": recent(4, Criterion())}, "stop: expected all_right"),
        ({"batch": 5}, "batch: expected None of a trial that guesses, got 5"),
    ],
)
def test_what_a_guess_cannot_do_is_refused(wrong, message):
    make_trial(line).init(KEY)  # control
    with pytest.raises(ValueError, match=message):
        make_trial(lambda _: line()._replace(**wrong)).init(KEY)
