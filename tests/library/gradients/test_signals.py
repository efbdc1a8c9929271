"""Where there is no error signal nothing is read: masks, lengths, and what stands behind them."""

import jax
import numpy as np
import optax
import pytest

from lstm_jax.losses import squared_error
from lstm_jax.training.config import LaneConfigs, TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.stopping import streak
from lstm_jax.types import Task
from tests.support.bridge import KEY, assert_same, lane
from tests.support.rules import (
    INPUTS,
    LANES,
    NET,
    ONLINE,
    OUTPUTS,
    RULES,
    STEPS,
    all_rules,
    in_lanes,
    is_zero,
    sequence,
    weights,
)

RUBBISH = (np.nan, np.inf, -np.inf, 3e38)
both_ends = pytest.mark.parametrize("at", ["steps", "end"])


def strewn(given, rubbish: float, where=None):
    """Targets and goals replaced where there is no error signal, or where it is said."""
    where = ~given.mask if where is None else where

    def strew(values):
        return np.where(np.expand_dims(where, 1), np.asarray(rubbish, values.dtype), values)

    return given.replace(targets=strew(given.targets), goals=strew(given.goals))


def assert_living_same(found, expected, length=STEPS) -> None:
    """Bit for bit, but for outputs behind the end."""
    assert_same(found._replace(outputs=found.outputs[:length]),
                expected._replace(outputs=expected.outputs[:length]))  # fmt: skip


# ---------------------------------------------------------------- targets under a false mask


def test_a_target_without_an_error_signal_is_never_read():
    params, given = weights(), sequence()
    clean = all_rules()(params, given)
    for rubbish in RUBBISH:
        found = all_rules()(params, strewn(given, rubbish))
        for rule in RULES:
            assert_living_same(found[rule], clean[rule])
        heard = all_rules()(params, strewn(given, rubbish, given.mask))  # control
        assert not any(np.isfinite(heard[rule].loss) for rule in RULES)


def test_nor_beside_lanes_that_read_theirs():
    params, given = weights(LANES), in_lanes(STEPS, STEPS, STEPS)
    clean = all_rules()(params, given)
    only = ~given.mask & (np.arange(LANES) == 1)
    found = all_rules()(params, strewn(given, np.nan, only))
    heard = all_rules()(params, strewn(given, np.nan, only | (np.arange(LANES) == 1)))
    for rule in RULES:
        assert_living_same(found[rule], clean[rule])
        assert_living_same(lane(heard[rule], [0, 2]), lane(clean[rule], [0, 2]))
        assert np.isnan(heard[rule].loss[1])  # control


@pytest.mark.parametrize("name", ONLINE)
def test_nor_on_line(name):
    rule, params, given = ONLINE[name].online(NET, squared_error), weights(), sequence()
    update, memory = jax.jit(rule.update), rule.init(params)
    x, target = given.inputs[0], given.targets[0]
    after, clean = update(params, memory, x, target, False)
    for rubbish in RUBBISH:
        there, found = update(params, memory, x, np.full_like(target, rubbish), False)
        assert_same((there, found), (after, clean))
        assert found.loss == 0 and is_zero(found.grads)
    _, heard = update(params, memory, x, np.full_like(target, np.nan), True)  # control
    assert np.isnan(heard.loss)


@pytest.mark.parametrize("name", ONLINE)
def test_nor_where_weights_change_at_every_step(name):
    learner = gradient_descent(ONLINE[name], squared_error, optax.sgd(0.1), every_step=True)
    task, stop = Task(lambda key: sequence(), INPUTS, OUTPUTS, STEPS), streak(9)
    config = TrialConfig(NET, task, learner, within(0.1), stop, 9, 0)
    begun, lanes = learner.init(config, KEY), LaneConfigs(lambda _: config, None, 0)
    learn = jax.jit(lambda given: learner.learn(lanes, begun, given, True, None))
    clean = learn(sequence(length=4))
    for rubbish in RUBBISH:
        found = learn(strewn(sequence(length=4), rubbish))
        assert_same(found[1], clean[1])
        assert_same(found[0].loss, clean[0].loss)
    heard = learn(strewn(sequence(length=4), np.nan, np.arange(STEPS) == 3))  # control
    assert np.isnan(heard[0].loss)


# ---------------------------------------------------------------- one meaning of mask and length


def test_a_mask_behind_the_end_is_false():
    params, given = weights(), sequence(length=4)
    living = np.arange(STEPS) < 4
    clean = all_rules()(params, given.replace(mask=living))
    found = all_rules()(params, given.replace(mask=np.ones(STEPS, bool)))
    longer = all_rules()(params, given.replace(mask=np.ones(STEPS, bool), length=np.int32(5)))
    for rule in RULES:
        assert_living_same(found[rule], clean[rule], 4)
        assert longer[rule].loss != clean[rule].loss  # control


@both_ends
def test_a_sequence_of_no_steps_has_no_error(at):
    params, given = weights(), sequence(length=0, at=at)
    given = given.replace(mask=np.ones_like(given.mask))
    none, one = (all_rules()(params, given.replace(length=np.int32(n))) for n in (0, 1))
    for rule in RULES:
        assert none[rule].loss == 0 and is_zero(none[rule].grads)
        assert one[rule].loss > 0 and not is_zero(one[rule].grads)  # control


@both_ends
def test_nor_beside_other_lanes(at):
    params, given = weights(LANES), in_lanes(0, 4, STEPS, at=at)
    given = strewn(given, np.nan, np.zeros_like(given.mask) | (np.arange(LANES) == 0))
    given = given.replace(mask=np.ones_like(given.mask))
    found = all_rules()(params, given)
    clean = all_rules()(params, given.replace(targets=np.nan_to_num(given.targets)))
    for rule in RULES:
        assert found[rule].loss[0] == 0 and is_zero(lane(found[rule].grads, 0))
        assert_living_same(lane(found[rule], [1, 2]), lane(clean[rule], [1, 2]))
        assert np.all(found[rule].loss[1:] > 0)  # control


@both_ends
def test_inside_a_program_a_length_out_of_range_is_the_nearest_in_range(at):
    params, given = weights(), sequence(at=at)
    given = given.replace(mask=np.ones_like(given.mask))
    for wrong, right in ((STEPS + 1, STEPS), (10**9, STEPS), (-1, 0), (-(10**9), 0)):
        found, expected = (
            all_rules()(params, given.replace(length=np.int32(n))) for n in (wrong, right)
        )
        for rule in RULES:
            assert_same(found[rule], expected[rule])


@pytest.mark.parametrize("name", RULES)
def test_where_a_length_is_seen_it_is_refused(name):
    rule, params = RULES[name](NET, squared_error), weights()
    for wrong in (STEPS + 1, -1):
        with pytest.raises(ValueError, match=rf"length: expected values from 0 to 6, .* {wrong}$"):
            rule(params, sequence().replace(length=np.int32(wrong)))
    jax.eval_shape(rule, params, sequence())  # control
