"""A trial as a state machine: against one in plain Python."""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.losses import squared_error
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.records import PHASES, curve_points, extend_curve, no_curve
from lstm_jax.training.stopping import Criterion, Stop, recent, streak, validation
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Cell, GradientRule, LossAndGrads, Sequence, Task
from tests.support.bridge import begin, numbers

NEVER = 10**6


# ---------------------------------------------------------------- a net that follows a script


class Script(NamedTuple):
    """When a lane's net gets everything right, and when its error is no number."""

    ready: Any
    fails: Any


class Counter(NamedTuple):
    """Weights that count training sequences and add up what was drawn."""

    count: jax.Array
    drawn: jax.Array


def draw(key) -> Sequence:
    u = jax.random.uniform(key, (1, 1))
    return Sequence(u, jnp.zeros((1, 1)), jnp.zeros((1, 1)), jnp.ones(1, bool), jnp.int32(1))


def judge(outputs, sequence):
    """Right or wrong by the error, beside which stands what was drawn."""
    return within(0.9)(outputs, sequence)._replace(squared=sequence.inputs[0, 0])


def scripted(stop: Stop, cap: int, test: int):
    """A trial whose error is known: 1, then 1/(2 + count) from `ready` on."""

    def build(script: Script) -> TrialConfig:
        def rule(net, loss):
            def gradient(params, sequence, key):
                count = params.count[0]
                miss = jnp.where(count < script.ready, 1.0, 1 / (2 + count))
                error = jnp.where(count == script.fails.astype(count.dtype), jnp.nan, miss)
                grads = Counter(-jnp.ones_like(params.count), -sequence.inputs[0])
                return LossAndGrads(error, miss[None, None], grads)

            return gradient

        zeros = Counter(jnp.zeros(1), jnp.zeros(1))
        net = Cell(lambda key: zeros, lambda *_: None, lambda *_: None, 1, 1)
        optimizer = optax.sgd(1.0)
        return TrialConfig(
            net,
            Task(draw, 1, 1, 1),
            gradient_descent(GradientRule("scripted", rule), squared_error, optimizer),
            judge,
            stop,
            cap,
            test,
        )

    return build


# the first criterion of two is the harder one: it may hold in the test and not have been reached
STOPS = {
    "recent": (recent, 3, Criterion(2, 0.06), Criterion(1, 0.07)),
    "streak": (streak, 5),
    "validation": (validation, 3, 4, Criterion(2, 0.06), Criterion(1, 0.07)),
}
CAP, TEST, TICKS = 132, 3, 260  # the cap comes when a validation is due
SCRIPTS = Script(np.array([0, 7, 20, 125, 1e6, 1e6, 30]), np.array([NEVER] * 5 + [50, 31]))


@lru_cache
def played(name: str, test: int) -> tuple[Any, Any]:
    """The states after every tick, and the last one, of all scripts side by side."""
    rule, *arguments = STOPS[name]
    trial = make_trial(scripted(rule(*arguments), CAP, test))
    first = begin(trial, SCRIPTS, range(7))

    def body(state, _):
        state = trial.advance(state, 1)
        return state, state

    last, states = jax.jit(lambda state: jax.lax.scan(body, state, length=TICKS))(first)
    return numbers(states), numbers(last)


class ByHand:
    """The same trial in plain Python, one tick after another."""

    def __init__(self, name: str, ready: float, fails: int, test: int):
        self.name, self.ready, self.fails, self.test = name, ready, fails, test
        self.arguments = STOPS[name][1:]
        self.phase, self.count, self.held_at = "training", 0, {}
        self.errors, self.tally = [], []

    def tick(self) -> None:
        if self.phase == "training":
            self.train()
        elif self.phase in ("validating", "testing"):
            self.tally.append(self.miss())
            if self.phase == "validating" and self.validated():
                self.phase = self.decide(self.judge(self.tally))
                self.tally = []
            elif self.phase == "testing" and len(self.tally) == self.test:
                self.phase = "solved"

    def validated(self) -> bool:
        """The whole set was tried, or so much was wrong that no criterion can hold."""
        wrong = sum(error >= 0.9 for error in self.tally)
        return len(self.tally) == self.arguments[0] or wrong >= 2

    def miss(self) -> float:
        return 1.0 if self.count < self.ready else 1 / (2 + self.count)

    def train(self) -> None:
        error, failed = self.miss(), self.count == self.fails
        self.errors.append(error)
        self.count += 1
        held = self.judge_training()
        self.phase = "diverged" if failed else self.decide(held)
        due = self.name == "validation" and self.count % 4 == 0
        if due and self.phase in ("training", "capped"):
            self.phase = "validating"

    def judge_training(self) -> list[bool]:
        if self.name == "validation":
            return [False]
        length = self.arguments[0]
        if len(self.errors) < length:
            return [False]
        return self.judge(self.errors[-length:])

    def judge(self, errors: list[float]) -> list[bool]:
        """Which criteria hold; notes when each first did."""
        wrong, mean = sum(error >= 0.9 for error in errors), np.mean(errors)
        criteria = [c for c in self.arguments if isinstance(c, Criterion)] or [Criterion()]
        held = [wrong < c.wrong_below and mean < c.error_below for c in criteria]
        for k, holds in enumerate(held):
            if holds:
                self.held_at.setdefault(k, self.count - (5 if self.name == "streak" else 0))
        return held

    def decide(self, held: list[bool]) -> str:
        if held[-1]:
            return "testing" if self.test else "solved"
        return "capped" if self.count >= CAP else "training"


def script_of(i: int) -> tuple[float, int]:
    return SCRIPTS.ready[i], SCRIPTS.fails[i]


@pytest.mark.parametrize("name", STOPS)
@pytest.mark.parametrize("test", [TEST, 0], ids=["tested", "not tested"])
def test_phases_are_those_of_a_state_machine_by_hand(name, test):
    states, last = played(name, test)
    for i in range(7):
        hand = ByHand(name, *script_of(i), test)
        phases, counts = [], []
        for _ in range(TICKS):
            hand.tick()
            phases.append(hand.phase)
            counts.append(hand.count)
        assert [PHASES[phase] for phase in states.phase[:, i]] == phases
        np.testing.assert_array_equal(states.sequences[:, i], counts)
        np.testing.assert_array_equal(states.params.count[:, 0, i], counts)
        reached = [hand.held_at.get(k, -1) for k in range(len(last.reached))]
        np.testing.assert_array_equal(last.reached[:, i], reached)
        assert last.tally.sequences[i] == len(hand.tally)
        np.testing.assert_allclose(last.tally.error.value[i], np.sum(hand.tally), rtol=1e-5)
        assert last.tally.wrong[i] == sum(error >= 0.9 for error in hand.tally)
        curve = np.zeros(len(curve_points(CAP)))
        for k, (low, high) in enumerate(zip((0, 100, 121), (100, 121, 147), strict=True)):
            if hand.count >= high:
                curve[k] = np.mean(hand.errors[low:high])
        np.testing.assert_allclose(last.curve.error[:, i], curve, rtol=1e-5)


def test_every_way_to_end_occurs():  # control: the state machine has been everywhere
    for name in STOPS:
        seen = {PHASES[phase] for phase in np.unique(played(name, TEST)[0].phase)}
        validating = {"validating"} if name == "validation" else set()
        assert seen == {"training", "testing", "solved", "capped", "diverged"} | validating
    reached = played("recent", TEST)[1].reached
    assert np.any((reached[0] < 0) & (reached[1] >= 0)) and np.any(reached[0] >= 0)
    assert not np.array_equal(played("recent", TEST)[0].phase, played("streak", TEST)[0].phase)


def test_points_of_the_curve_are_twelve_a_decade():
    points = curve_points(10**6)
    assert points[0] == 100 and points[12] == 1000 and points[24] == 10_000
    assert np.all(np.diff(points) > 0) and points[-2] < 10**6 <= points[-1]
    assert curve_points(132).tolist() == [100, 121, 147] and curve_points(5).tolist() == [100]


def test_a_step_of_many_sequences_may_pass_several_points():
    points, curve = curve_points(1000), no_curve(1000)
    errors = np.random.default_rng(0).uniform(size=9).astype(np.float32)
    for k, error in enumerate(errors):
        curve = extend_curve(curve, jnp.int32(70 * (k + 1)), jnp.asarray(error), points)
    ends = 70 * np.arange(1, 10)
    steps = [int(np.sum(ends < point)) for point in points if point <= 630]  # that pass each
    assert len(set(steps)) < len(steps)  # control: some pass two
    begins = [max([s + 1 for s in steps if s < step], default=0) for step in steps]
    expected = [np.mean(errors[b : s + 1]) for b, s in zip(begins, steps, strict=True)]
    np.testing.assert_allclose(curve.error[: len(steps)], expected, rtol=1e-6)
    assert not np.any(curve.error[len(steps) :]) and curve.at == len(steps)


# ---------------------------------------------------------------- what is drawn


def draws_of(name: str) -> tuple[np.ndarray, Any]:
    """What every lane drew in training, tick by tick (0 where it did not train)."""
    states, _ = played(name, TEST)
    return np.diff(states.params.drawn[:, 0], axis=0, prepend=0), states


def test_training_draws_depend_on_the_seed_and_the_index_alone():
    """Validating in between changes nothing; no sequence comes twice; lanes differ."""
    recent_draws, _ = draws_of("recent")
    tried, states = draws_of("validation")
    count = states.sequences[-1, 4]
    plain = recent_draws[:, 4][recent_draws[:, 4] != 0][:count]
    between = tried[:, 4][tried[:, 4] != 0][:count]
    assert len(plain) == len(between) == CAP
    np.testing.assert_allclose(plain, between, atol=1e-4)
    assert len(np.unique(np.round(plain, 3))) > CAP / 2
    assert not np.allclose(recent_draws[:20, 4], recent_draws[:20, 3], atol=1e-4)  # control
    assert np.all(np.abs(np.mean(plain) - 0.5) < 0.15)


def test_a_validation_set_is_drawn_once():
    states, _ = played("validation", TEST)
    first = (states.phase == PHASES.index("validating")) & (states.tally.sequences == 1)
    for i in range(7):
        seen = states.tally.squared.total[first[:, i], i]
        assert len(seen) > 0 and np.all(seen == seen[0])
    drawn, _ = draws_of("validation")
    assert np.unique(drawn[first[:, 4], 4]).size == 1  # nothing is learned meanwhile
    first_drawn = states.tally.squared.total[first[:, 4], 4][0], drawn[0, 4]
    assert abs(first_drawn[0] - first_drawn[1]) > 1e-3  # control: training draws others
    assert len(np.unique(states.tally.squared.total[first])) == 7  # and so does each lane


def test_the_test_is_drawn_for_itself():
    states, last = played("recent", TEST)
    drawn, _ = draws_of("recent")
    testing = (states.phase == PHASES.index("testing")) | (states.phase == PHASES.index("solved"))
    for i in np.flatnonzero(last.tally.sequences == TEST):
        steps = np.diff(states.tally.squared.total[testing[:, i], i], prepend=0)[1 : TEST + 1]
        assert len(np.unique(steps)) == TEST
        assert np.min(np.abs(steps[:, None] - drawn[:TEST, i])) > 1e-4
        np.testing.assert_allclose(np.sum(steps), last.tally.squared.value[i], rtol=1e-5)
