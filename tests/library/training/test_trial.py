"""A trial with a net that learns: lanes, settings, stops and starts."""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.cells.memory_block import Initialization, memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import forward_traces
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.records import IDLE, PHASES
from lstm_jax.training.stopping import Criterion, recent, streak, validation
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Sequence, Task
from tests.support.bridge import KEY, assert_close, assert_same, begin, lane, numbers

STOPS = {
    "recent": recent(3, Criterion(2), Criterion(1, 0.07)),
    "streak": streak(5),
    "validation": validation(2, 4, Criterion(2), Criterion(1, 0.07)),
}
WIDTH = 4


class Numbers(NamedTuple):
    """Settings that may differ from lane to lane."""

    rate: Any
    bias: Any


def seen(key) -> Sequence:
    """Three numbers, the last of which is to be seen in the output."""
    x = jax.random.uniform(key, (3, 1), minval=-1.0, maxval=1.0)
    target = 0.7 + x[-1:] / 4
    return Sequence(x, target, target, jnp.ones(1, bool), jnp.int32(3), "end")


def learning(settings: Numbers) -> TrialConfig:
    initial = Initialization(input_gate=settings.bias)
    net = readout(memory_block(Topology(inputs=1, blocks=(1,)), initial), 1)
    stop = recent(8, Criterion(1, 0.05))
    task, optimizer = Task(seen, 1, 1, 3), optax.sgd(settings.rate)
    learner = gradient_descent(forward_traces, squared_error, optimizer)
    return TrialConfig(net, task, learner, within(0.1), stop, 400, 4)


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
    after = numbers(advance(lanes(rate=[0.0, 2.0, 2.0, 0.0]), 330))
    last = after.curve.error[after.curve.at.min() - 1]
    for i, moved in enumerate((False, True, True, False)):  # control: a rate of 0
        assert (last[i] < 0.75 * last[0]) == moved
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


@pytest.mark.parametrize("poison", [np.nan, np.inf])
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
    builds = []
    for n, rate in ((1, 0.5), (2, 0.25), (5, 1.0)):
        rates = np.full(WIDTH, rate, np.float32)
        state = go(state._replace(settings=Numbers(rates, state.settings.bias)), n)
        builds.append(len(traced))
    assert builds == [builds[0]] * 3
    jax.eval_shape(go, lane(state, slice(2)), 1)  # control: another width
    assert len(traced) == 2 * builds[0]


@pytest.mark.parametrize("name", STOPS)
def test_precision_and_shapes_do_not_change_on_the_way(name):
    for double in (True, False):
        with jax.enable_x64(double):
            trial = make_trial(lambda s: learning(s)._replace(stop=STOPS[name]))
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
        made = learning(settings)
        optimizer = optax.adam(settings.rate)
        return made._replace(learner=made.learner._replace(optimizer=optimizer))

    trial = make_trial(build)
    settings = Numbers(np.float32([0.01, 0.02, 0.02]), np.float32([-1.0, 1.0, 1.0]))
    before = begin(trial, settings, range(3))
    before = before._replace(phase=np.array([0, 0, IDLE], np.int32))
    together = jax.jit(trial.advance)(before, 5)
    alone = jax.jit(trial.advance)(begin(trial, lane(settings, [1]), [1]), 5)
    assert_close(lane(together, [1]), numbers(alone), 1e-5)
    assert_same(lane(together, 2), lane(before, 2))  # nor does its optimizer know a tick
    with pytest.raises(AssertionError):
        assert_close(lane(together, [0]), numbers(alone), 1e-5)
