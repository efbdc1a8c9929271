"""A trial as a state machine: against one in plain Python, and lane by lane."""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.cells.memory_block import Topology, memory_block
from lstm_jax.gradients.truncated import online
from lstm_jax.losses import squared_error
from lstm_jax.stopping import Criterion, Stop, recent, streak, validation, within
from lstm_jax.training import IDLE, PHASES, Experiment, curve_points, make_trial
from lstm_jax.types import Cell, Learned, Sequence, Task
from lstm_jax.wiring import readout
from tests.bridge import assert_close, assert_same, lane, numbers

KEY = jax.random.key(0)
NEVER = 10**6


def begin(trial, settings, seeds):
    """Trials side by side, one seed and one set of numbers a lane."""
    keys = jax.vmap(lambda seed: jax.random.fold_in(KEY, seed))(np.asarray(seeds))
    return jax.jit(jax.vmap(trial.init, out_axes=-1))(keys, settings)


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


def scripted(stop: Stop, cap: int, test: int):
    """An experiment whose error is known: 1, then 1/(2 + count) from `ready` on."""

    def build(script: Script) -> Experiment:
        def rule(net, loss):
            def learn(params, sequence):
                count = params.count[0]
                miss = jnp.where(count < script.ready, 1.0, 1 / (2 + count))
                error = jnp.where(count == script.fails, jnp.nan, miss)
                grads = Counter(-jnp.ones_like(params.count), -sequence.inputs[0])
                return Learned(error, miss[None, None], grads)

            return learn

        zeros = Counter(jnp.zeros(1), jnp.zeros(1))
        net = Cell(lambda key: zeros, lambda *_: None, lambda *_: None, (), 1, 1)
        return Experiment(
            net, Task(draw, 1, 1, 1), rule, squared_error, optax.sgd(1.0), within(0.9), stop, cap, test
        )

    return build


STOPS = {
    "recent": (recent, 3, Criterion(2), Criterion(1, 0.07)),
    "streak": (streak, 5),
    "validation": (validation, 2, 4, Criterion(2), Criterion(1, 0.07)),
}
CAP, TEST, TICKS = 130, 3, 260
SCRIPTS = Script(np.array([0, 7, 20, 125, 1e6, 1e6, 30]), np.array([NEVER] * 5 + [50, 31]))


@lru_cache
def played(name: str, test: int = TEST) -> tuple[Any, Any]:
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
            if self.phase == "validating" and len(self.tally) == self.arguments[0]:
                self.phase = self.decide(self.judge(self.tally))
                self.tally = []
            elif self.phase == "testing" and len(self.tally) == self.test:
                self.phase = "solved"

    def miss(self) -> float:
        return 1.0 if self.count < self.ready else 1 / (2 + self.count)

    def train(self) -> None:
        error, failed = self.miss(), self.count == self.fails
        self.errors.append(error)
        self.count += 1
        held = self.judge_training()
        self.phase = "diverged" if failed else self.decide(held)
        if self.phase == "training" and self.name == "validation" and self.count % 4 == 0:
            self.phase = "validating"
        if self.phase == "capped" and self.name == "validation" and self.count % 4 == 0:
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
        np.testing.assert_allclose(last.tally.error[i], np.sum(hand.tally), rtol=1e-5)
        assert last.tally.wrong[i] == sum(error >= 0.9 for error in hand.tally)
        curve = np.full(len(curve_points(CAP)), np.nan)
        for k, (low, high) in enumerate(zip((0, 100, 121), (100, 121, 147), strict=True)):
            if hand.count >= high:
                curve[k] = np.mean(hand.errors[low:high])
        np.testing.assert_allclose(last.curve.error[:, i], curve, rtol=1e-5)


def test_every_way_to_end_occurs():  # control: the state machine has been everywhere
    for name in STOPS:
        seen = {PHASES[phase] for phase in np.unique(played(name)[0].phase)}
        validating = {"validating"} if name == "validation" else set()
        assert seen == {"training", "testing", "solved", "capped", "diverged"} | validating
    assert not np.array_equal(played("recent")[0].phase, played("streak")[0].phase)


def test_points_of_the_curve_are_twelve_a_decade():
    points = curve_points(10**6)
    assert points[0] == 100 and points[12] == 1000 and points[24] == 10_000
    assert np.all(np.diff(points) > 0) and points[-2] < 10**6 <= points[-1]
    assert curve_points(130).tolist() == [100, 121, 147] and curve_points(5).tolist() == [100]


# ---------------------------------------------------------------- what is drawn


def draws_of(name: str) -> tuple[np.ndarray, Any]:
    """What every lane drew in training, tick by tick (0 where it did not train)."""
    states, _ = played(name)
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


# ---------------------------------------------------------------- a net that learns

WIDTH = 4


class Numbers(NamedTuple):
    """Settings that may differ from lane to lane."""

    rate: Any
    bias: Any


def half(key) -> Sequence:
    """Three numbers, the first of which comes back halved at the end."""
    x = jax.random.uniform(key, (3, 1), minval=-1.0, maxval=1.0)
    target = 0.5 + x[:1] / 2
    return Sequence(x, target, target, jnp.ones(1, bool), jnp.int32(3))


def learning(settings: Numbers) -> Experiment:
    from lstm_jax.cells.memory_block import Initial

    initial = Initial(input_gate=settings.bias)
    net = readout(memory_block(Topology(inputs=1, blocks=(1,)), initial), 1)
    stop = recent(8, Criterion(1, 0.05))
    task, optimizer = Task(half, 1, 1, 3), optax.sgd(settings.rate)
    return Experiment(net, task, online, squared_error, optimizer, within(0.1), stop, 400, 4)


TRIAL = make_trial(learning)
advance = jax.jit(TRIAL.advance)


def lanes(rate=0.5, bias=-1.0, seeds=range(WIDTH)):
    """A block of trials that has not begun."""
    full = [np.broadcast_to(np.float32(value), WIDTH).copy() for value in (rate, bias)]
    return begin(TRIAL, Numbers(*full), seeds)


@lru_cache
def trained(n: int = 30):
    return advance(lanes(), n)


def test_it_learns():
    after = advance(lanes(rate=[0.0, 2.0, 2.0, 0.0]), 300)
    curve = numbers(after).curve.error[[0, 9], :]  # at 100 and at 300 sequences or before
    gone = np.asarray(after.curve.error)
    last = np.array([gone[~np.isnan(gone[:, i]), i][-1] for i in range(WIDTH)])
    assert np.all(last[[1, 2]] < 0.8 * last[[0, 3]]), (curve, last)  # control: rate 0 does not
    for i, moved in enumerate((False, True, True, False)):
        same = np.array_equal(lane(after.params, i).from_cell, lane(lanes().params, i).from_cell)
        assert same != moved


def test_advancing_twice_is_advancing_further():
    for n, m in ((0, 30), (1, 29), (13, 17)):
        assert_same(numbers(advance(advance(lanes(), n), m)), numbers(trained()))
    with pytest.raises(AssertionError):
        assert_same(numbers(advance(advance(lanes(), 13), 16)), numbers(trained()))


def test_lanes_change_places_bit_for_bit():
    order = np.array([2, 0, 3, 1])
    assert_same(numbers(advance(lanes(seeds=order), 30)), lane(trained(), order))
    with pytest.raises(AssertionError):
        assert_same(numbers(advance(lanes(seeds=order), 30)), numbers(trained()))


def test_a_trial_does_not_know_its_neighbours():
    others = advance(lanes(seeds=[0, 11, 12, 13]), 30)
    assert_same(lane(others, 0), lane(trained(), 0))
    with pytest.raises(AssertionError):
        assert_same(lane(others, 1), lane(trained(), 1))


def test_settings_of_each_lane_are_runs_of_their_own():
    rates, biases = [0.1, 0.5, 1.0, 2.0], [-1.0, -3.0, 0.0, 1.0]
    mixed = advance(lanes(rate=rates, bias=biases), 30)
    for i, (rate, bias) in enumerate(zip(rates, biases, strict=True)):
        alone = advance(lanes(rate=rate, bias=bias), 30)
        assert_same(lane(mixed, i), lane(alone, i))
    with pytest.raises(AssertionError):
        assert_same(lane(mixed, 0), lane(alone, 0))


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e38])
def test_a_trial_that_diverges_leaves_the_others_alone(poison):
    after = advance(lanes(rate=[0.5, poison, 0.5, 0.5]), 30)
    assert PHASES[int(after.phase[1])] == "diverged"
    assert after.sequences[1] < 30
    for i in (0, 2, 3):
        assert_same(lane(after, i), lane(trained(), i))
    with pytest.raises(AssertionError):
        assert_same(lane(after, 1), lane(trained(), 1))


def test_what_is_over_stays_as_it_is():
    idle = lanes()
    over = np.arange(WIDTH) % 2 == 0
    idle = idle._replace(phase=jnp.where(over, IDLE, idle.phase))
    after = advance(idle, 30)
    for i in range(WIDTH):
        assert_same(lane(after, i), lane(idle if over[i] else trained(), i))


def test_lanes_are_trials_alone():
    for i in range(2):
        key = jax.random.fold_in(KEY, i)
        alone = jax.jit(TRIAL.init)(key, Numbers(np.float32(0.5), np.float32(-1.0)))
        assert_close(numbers(advance(alone, 30)), lane(trained(), i), 1e-5)
    with pytest.raises(AssertionError):
        assert_close(numbers(advance(alone, 30)), lane(trained(), 0), 1e-5)


def test_a_trial_is_traced_once():
    traced = []

    def build(settings):
        traced.append(None)
        return learning(settings)

    go = jax.jit(make_trial(build).advance)
    state = lanes()
    jax.eval_shape(go, state, 3)
    for n, rate in ((1, 0.5), (2, 0.25), (5, 1.0)):
        state = go(state._replace(settings=Numbers(np.full(WIDTH, rate, np.float32), state.settings.bias)), n)
    assert len(traced) == 1


@pytest.mark.parametrize("name", STOPS)
def test_precision_and_shapes_do_not_change_on_the_way(name):
    rule, *arguments = STOPS[name]
    for double in (True, False):
        with jax.enable_x64(double):
            trial = make_trial(lambda s: learning(s)._replace(stop=rule(*arguments)))
            number = jax.ShapeDtypeStruct((), np.float64 if double else np.float32)
            state = jax.eval_shape(trial.init, KEY, Numbers(number, number))
            after = jax.eval_shape(trial.advance, state, 2)
        assert jax.tree.map(lambda a: (a.shape, a.dtype), after) == jax.tree.map(
            lambda a: (a.shape, a.dtype), state
        )
        kinds = {leaf.dtype for leaf in jax.tree.leaves((after.params, after.tally.error))}
        assert kinds == {np.dtype(np.float64 if double else np.float32)}


def test_any_optimizer_of_optax_will_do():
    def build(settings):
        return learning(settings)._replace(optimizer=optax.adam(settings.rate))

    trial = make_trial(build)
    settings = Numbers(np.float32([0.01, 0.02]), np.float32([-1.0, 1.0]))
    together = jax.jit(trial.advance)(begin(trial, settings, range(2)), 5)
    single = begin(trial, lane(settings, [1]), [1])
    alone = jax.jit(trial.advance)(single, 5)
    assert_close(lane(together, [1]), numbers(alone), 1e-5)
    with pytest.raises(AssertionError):
        assert_close(lane(together, [0]), numbers(alone), 1e-5)
