"""Batches, epochs and validations on demand, by a learner whose outputs follow a script."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.simple import elman
from lstm_jax.training.config import LearnerState, Lesson, TrialConfig
from lstm_jax.training.judging import Judgement, within
from lstm_jax.training.records import PHASES
from lstm_jax.training.stopping import Criterion, both_sets_right, recent, validation
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Sequence, Task
from tests.support.bridge import KEY, assert_same, lane, numbers

N = 4


class Script(NamedTuple):
    """What happens in which lesson, counted from 0; -1 for never.

    Attributes:
      right: the first lesson in which the training set is right.
      passes: from so many lessons on the evaluation set is right, too.
      sticks, fails: in which the learner is stuck, or one loss of the batch is no number.
      looks: whether the first lesson that finds all right is not counted, and the one after
        it not judged.
    """

    right: Any = -1
    passes: Any = -1
    sticks: Any = -1
    fails: Any = -1
    looks: Any = False


def string(number) -> Sequence:
    """A sequence that bears its number; evaluation sequences bear 100 more."""
    x, zero = jnp.full((1, 1), number, float), jnp.zeros((1, 1))
    return Sequence(x, zero, zero, jnp.ones(1, bool), jnp.int32(1))


TASK = Task(
    lambda key: string(-1),
    inputs=1,
    outputs=1,
    steps=1,
    evaluation_set=lambda i: string(100 + i),
    training_set=lambda key, i: string(i % N),
    training_size=N,
)


class Scripted(NamedTuple):
    """The learner: counts its lessons, and keeps what it was shown last."""

    script: Script
    in_turn: bool = True
    draws: bool = False

    def init(self, config, key):
        return LearnerState(
            jnp.zeros(()), (jnp.zeros((), jnp.int32), jnp.zeros(config.batch or ()))
        )

    def learn(self, lanes, state, sequence, active, key):
        def one(config, state, sequence, active):
            script, (count, _) = config.learner.script, state.memory
            x = sequence.inputs[0, 0]
            right = (script.right >= 0) & (count >= script.right)
            passes = (script.passes >= 0) & (count >= script.passes)
            miss = jnp.where(jnp.where(x >= 100, passes, right), 0.0, 1.0)
            loss = jnp.where((count == script.fails) & (x == 1), jnp.nan, 0.0)
            looks = script.looks & (count == script.right)
            after = jnp.where(active, count + 1, count), jnp.where(active, x, state.memory[1])
            lesson = Lesson(
                miss[None, None],
                loss,
                stuck=count == script.sticks,
                judged=~(script.looks & (count == script.right + 1)),
                counted=~looks,
            )
            return lesson, LearnerState(state.params, after)

        return lanes.each(one, state, sequence, active)

    def predict(self, config, state, sequence):
        raise AssertionError("nothing draws")

    def summary(self, state):
        return {"lessons": int(state.memory[0])}


def build(script: Script) -> TrialConfig:
    return TrialConfig(
        net=elman(1, 1),
        task=TASK,
        learner=Scripted(script),
        judge=within(0.5),
        stop=both_sets_right(N, N),
        max_sequences=42,
        test_sequences=0,
        batch=N,
    )


@cache
def trial_of(**changes):
    """A trial, and what it does compiled once for all scripts."""
    trial = make_trial(lambda script: build(script)._replace(**changes))
    return trial, jax.jit(trial.init), jax.jit(trial.advance)


def end(script: Script, ticks: int = 60, **changes):
    """Phase, sequences, reached, lessons of a trial; and its state."""
    trial, init, advance = trial_of(**changes)
    state = numbers(advance(init(KEY, script), ticks))
    lessons = trial.summary(state)["lessons"]
    return (PHASES[state.phase], int(state.sequences), state.reached.tolist(), lessons), state


def test_both_sets_right_end_a_trial_and_the_record_keeps_the_test():
    told, state = end(Script(right=2, passes=0))
    assert told == ("solved", 12, [12, 12], 3)
    assert state.tally.sequences == N and state.tally.wrong == 0
    assert end(Script(right=2))[0][0] == "capped"  # control: the test is never passed


def test_a_test_that_fails_sends_the_trial_back():
    assert end(Script(right=2, passes=5))[0] == ("solved", 20, [12, 20], 5)
    assert end(Script(right=9))[0] == ("capped", 44, [40, -1], 11)


def test_a_lesson_that_only_looks_is_not_counted_and_the_next_not_judged():
    """After the look of lesson 2 lesson 3 is not judged: tests come after 2, 4, 5, ..."""
    assert end(Script(right=2, passes=3, looks=True))[0] == ("solved", 8, [8, 8], 3)
    assert end(Script(right=2, passes=4, looks=True))[0] == ("solved", 16, [8, 16], 5)
    assert end(Script(right=2, passes=4))[0] == ("solved", 16, [12, 16], 4)  # control


@pytest.mark.parametrize("batch", [N, 2])
def test_stuck_and_diverged_are_seen_when_the_batch_is_counted(batch):
    per = N // batch
    assert end(Script(sticks=3), batch=batch)[0] == ("capped", 4 * batch, [-1, -1], 4)
    assert end(Script(fails=2), batch=batch)[0] == ("diverged", 3 * batch, [-1, -1], 3)
    assert end(Script(right=0, passes=0), batch=batch)[0] == ("solved", N, [N, N], per)
    counts = {N: (44, 11), 2: (42, 21)}  # the cap is 42
    assert end(Script(), batch=batch)[0] == ("capped", counts[batch][0], [-1, -1], counts[batch][1])


def test_without_batches_the_set_is_gone_through_in_order():
    shown = []
    _, init, advance = trial_of(batch=None)
    state = init(KEY, Script())
    for _ in range(2 * N):
        state = advance(state, 1)
        shown.append(float(state.learner.memory[1]))
    assert shown == 2 * [0.0, 1.0, 2.0, 3.0]
    assert end(Script(right=3, passes=0), batch=None)[0] == ("solved", 8, [8, 8], 8)


def test_criteria_are_reached_within_a_batch():
    stop = recent(3, Criterion())
    assert end(Script(right=1), stop=stop, test_sequences=0)[0] == ("solved", 8, [7], 2)


def test_a_validation_every_so_often_keeps_no_tally():
    stop = validation(N, 8, Criterion())
    told, state = end(Script(right=0, passes=1), stop=stop)
    assert told == ("solved", 8, [8], 2) and state.tally.sequences == 0


def test_curves_of_batches_are_those_of_their_sequences():
    one = end(Script(right=20), max_sequences=180, ticks=400, batch=None)[1].curve
    four = end(Script(right=5), max_sequences=180, ticks=400)[1].curve
    np.testing.assert_allclose(four.error[0], one.error[0], rtol=1e-6)
    assert 0.1 < four.error[0] < 0.3


def test_lanes_in_turn_are_lanes_at_once_and_trials_alone():
    scripts = Script(
        right=np.array([2, 2, -1, 0]),
        passes=np.array([4, 0, 0, -1]),
        sticks=np.array([-1, -1, 3, -1]),
        fails=np.array([-1, -1, -1, 6]),
        looks=np.array([True, False, False, True]),
    )

    def run(turn: bool):
        def of(script):
            return build(script)._replace(learner=Scripted(script, in_turn=turn))

        trial = make_trial(of)
        keys = jax.random.split(KEY, 4)
        first = jax.jit(jax.vmap(trial.init, out_axes=-1))(keys, scripts)
        return numbers(jax.jit(trial.advance)(first, 30))

    in_turn, at_once = run(True), run(False)
    assert_same(in_turn, at_once)
    assert [PHASES[p] for p in in_turn.phase] == ["solved", "solved", "capped", "diverged"]
    for i in range(4):
        told, _ = end(jax.tree.map(lambda leaf, i=i: leaf[i], scripts), ticks=30)
        assert told[1:3] == (in_turn.sequences[i], lane(in_turn, i).reached.tolist())


# ---------------------------------------------------------------- the rule by hand, refusals


def test_an_epoch_is_right_when_none_of_it_was_wrong():
    random, stop = np.random.default_rng(0), both_sets_right(3, 5)
    state, seen = stop.init(), []
    for active in random.uniform(size=200) < 0.8:
        wrong = random.uniform() < 0.2
        judged = Judgement(jnp.array(wrong), jnp.zeros(()), jnp.zeros(()))
        state, held = stop.update(state, judged, jnp.array(active))
        if active:
            seen.append(wrong)
            right = len(seen) % 3 == 0 and not any(seen[-3:])
            assert held.tolist() == [right, False] and bool(stop.validates(state)) == right
    assert len(seen) > 100


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"stop": both_sets_right(3, N)}, "stop.epoch: expected 4, task.training_size, got 3"),
        ({"stop": both_sets_right(N, 6)}, "stop.validation_size: expected a multiple of the batch"),
        ({"task": TASK._replace(training_size=0)}, "task.training_size: .* from 1 to"),
        ({"task": TASK._replace(training_set=None)}, "task.training_size: .* from 0 to 0, got 4"),
    ],
)
def test_what_does_not_fit_is_refused(wrong, message):
    jax.eval_shape(make_trial(build).init, KEY, Script())  # control
    with pytest.raises(ValueError, match=message) as found:
        trial = make_trial(lambda script: build(script)._replace(**wrong))
        jax.eval_shape(trial.init, KEY, Script())
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("name", ["training_set", "evaluation_set"])
def test_sets_that_do_not_fit_the_net_are_refused(name):
    def wide(*key_and_index):
        return string(key_and_index[-1]).replace(inputs=jnp.zeros((1, 2)))

    task = TASK._replace(**{name: wide})
    with pytest.raises(ValueError, match="inputs: expected reals"):
        trial = make_trial(lambda script: build(script)._replace(task=task))
        jax.eval_shape(trial.init, KEY, Script())


def test_sets_of_nothing_are_refused():
    for sizes in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="at least 1 sequence"):
            both_sets_right(*sizes)
