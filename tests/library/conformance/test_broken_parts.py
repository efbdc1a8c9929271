"""For every promise of a rule, a task and a learner one that breaks it, caught and named."""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
import pytest

import lstm_jax as lj
from lstm_jax.gradients import bptt, by_definition, rtrl
from lstm_jax.losses import squared_error
from lstm_jax.tasks.sequences import at_end
from lstm_jax.training.config import LearnerState
from lstm_jax.types import GradientRule, LossAndGrads
from tests.library.contracts import toys

NET = lj.fully_recurrent(1, 2, 1)
counter = itertools.count(1)


def rule_of(change, given=lambda sequence: sequence, **fields) -> GradientRule:
    """BPTT of `given(sequence)`, whose answer is changed."""

    def sequence(net, loss):
        gradient = bptt(net, loss)
        return lambda params, s, key=None: change(gradient(params, given(s)), s)

    return GradientRule("broken", sequence=sequence, **fields)


def scaled(found: LossAndGrads, factor) -> LossAndGrads:
    return found._replace(grads=jax.tree.map(lambda g: g * factor, found.grads))


def same(found, sequence):
    return found


def mean_over_lanes(found, sequence):
    return scaled(found, 1 / max(1, sequence.length.size))


def mean_over_steps(found, sequence):
    return scaled(found, 1 / jnp.maximum(1, sequence.mask.sum()))


def whole_length(sequence):
    steps = len(sequence.inputs)
    return sequence.replace(length=jnp.full_like(sequence.length, steps))


def no_mask(sequence):
    return sequence.replace(mask=jnp.ones_like(sequence.mask))


def at_half(found: tuple, factor=0.5):
    return found[0], scaled(found[1], factor)


def half_online(cell, loss):
    init, update = rtrl.online(cell, loss)
    return lj.OnlineGradient(init, lambda *given: at_half(update(*given)))


BROKEN_RULES = {
    "gradients alone": (
        rule_of(lambda found, s: found.grads),
        "sequence: expected a LossAndGrads, got a RecurrentParams",
    ),
    "one loss for all lanes": (
        rule_of(lambda found, s: found._replace(loss=found.loss.sum())),
        r"sequence: loss: expected shape \(3,\), one number a lane, got \(\)",
    ),
    "gradients with lanes": (
        rule_of(
            lambda found, s: found._replace(grads=jax.tree.map(lambda g: g[..., None], found.grads))
        ),
        "sequence: grads: expected the shapes of the parameters",
    ),
    "no time": (
        rule_of(lambda found, s: found._replace(outputs=found.outputs[0])),
        r"sequence: outputs: expected shape \(5, 1, 3\), got \(1, 3\)",
    ),
    "the mean of the lanes": (
        rule_of(mean_over_lanes),
        "lanes: the gradient of shared weights is not the sum over the lanes",
    ),
    "the mean of the steps": (
        rule_of(mean_over_steps),
        "mask: loss and gradients are not the sum over the steps with an error signal",
    ),
    "every step heard": (
        rule_of(same, no_mask),
        "mask: loss and gradients are not the sum",
    ),
    "padding read": (
        rule_of(same, whole_length),
        "length: what lies behind the end matters",
    ),
    "an end that is no end": (
        rule_of(lambda found, s: scaled(found, 2.0 if s.targets_at == "end" else 1.0)),
        "end: one target at the end, targets_at='end', is not what a mask is",
    ),
    "a rule that draws nothing": (
        rule_of(same, draws=True),
        "draws: another key gives the same gradient",
    ),
    "steps that do not add up": (
        rtrl._replace(online=half_online),
        "online: the gradients of the steps, weights held still, do not add up",
    ),
    "steps alone, halved": (
        GradientRule("broken", online=half_online),
        "against: the gradients are not those of bptt, off by 5e-01 of the largest",
    ),
    "neither face": (GradientRule("broken"), "broken has neither face"),
}


@pytest.mark.parametrize("name", BROKEN_RULES)
def test_what_a_rule_breaks_is_named(name):
    rule, finding = BROKEN_RULES[name]
    against = bptt if "against" in finding else None
    with pytest.raises(ValueError, match=finding):
        lj.check_rule(rule, cell=NET, against=against)


def test_a_rule_that_forgets_what_it_said_is_named():
    with jax.disable_jit(), pytest.raises(ValueError, match="sequence: gives something else"):
        lj.check_rule(rule_of(lambda found, s: scaled(found, next(counter))), cell=NET)


def test_by_definition_is_another_gradient_than_bptt():
    block = lj.memory_block(lj.Topology(inputs=1, blocks=(1,)))
    with pytest.raises(ValueError, match="against: the gradients are not those of bptt"):
        lj.check_rule(by_definition, cell=block, against=bptt)


TASK = toys.shifted(0)


def task_of(change, base=TASK, **fields):
    return base._replace(sample=lambda key: change(base.sample(key), key), **fields)


def with_reals(sequence, key):
    """What it is depends on how many bits a real has."""
    k = jax.random.fold_in(key, 1)
    return sequence.replace(inputs=sequence.inputs * (0.5 + jax.random.uniform(k)))


def symbols(steps):
    def sample(key):
        drawn = jax.random.randint(key, (steps,), 0, 4)
        return at_end(drawn, jnp.int32(steps), jnp.ones(1))

    return sample


BROKEN_TASKS = {
    "another number of steps": (
        TASK._replace(steps=9),
        r"sample: expected 9 steps, those of Task\(steps=...\), got 5",
    ),
    "another number of inputs": (TASK._replace(inputs=2), "sample: .*inputs: expected reals"),
    "another number of outputs": (TASK._replace(outputs=2), "sample: .*targets: expected shape"),
    "lanes": (
        task_of(lambda s, key: jax.tree.map(lambda a: a[..., None], s)),
        r"sample: length: expected shape \(\), one sequence without lanes",
    ),
    "no sequence": (task_of(lambda s, key: s.inputs), "sample: expected a Sequence, got a"),
    "a key that does not matter": (
        TASK._replace(sample=lambda key: TASK.sample(jax.random.key(0))),
        "keys: all keys give the same sequence",
    ),
    "symbols that there are not": (
        lj.Task(symbols(5), inputs=3, outputs=1, steps=5),
        "inputs: expected values from 0 to 2, 3 symbols, got 3",
    ),
    "targets that are none": (
        task_of(lambda s, key: s.replace(targets=jnp.nan * s.targets)),
        "sample: targets: not finite where the mask is true",
    ),
    "inputs that are none": (
        task_of(lambda s, key: s.replace(inputs=s.inputs.at[0].set(jnp.inf))),
        "sample: inputs: not finite below the length",
    ),
    "a mask behind the end": (
        task_of(lambda s, key: s.replace(mask=jnp.ones_like(s.mask))),
        "sample: mask: true where no target lives",
    ),
    "nothing to learn": (
        task_of(lambda s, key: s.replace(mask=jnp.zeros_like(s.mask))),
        "sample: mask: a sequence without any error signal",
    ),
    "no steps": (
        task_of(lambda s, key: s.replace(length=0 * s.length)),
        "sample: length: expected values from 1 to 5, got 0 to 0",
    ),
    "reals that have more bits": (task_of(with_reals), "another sequence in double precision"),
    "an evaluation of another task": (
        TASK._replace(evaluation_set=toys.epochs(toys.marked(), 4).evaluation_set),
        "evaluation_set: .*inputs: expected reals",
    ),
    "an order of another task": (
        TASK._replace(training_set=toys.epochs(toys.marked(), 4).training_set, training_size=4),
        "training_set: .*inputs: expected reals",
    ),
}


@pytest.mark.parametrize("name", BROKEN_TASKS)
def test_what_a_task_breaks_is_named(name):
    task, finding = BROKEN_TASKS[name]
    with pytest.raises(ValueError, match=finding):
        lj.check_task(task)


class Changed(NamedTuple):
    """Gradient descent of which parts are replaced."""

    base: object
    parts: dict

    draws = property(lambda self: self.parts.get("draws", False))
    in_turn = property(lambda self: False)
    optimizer = property(lambda self: self.base.optimizer)  # every lane asks for its own

    def _of(self, name):
        return self.parts.get(name, lambda base: getattr(base, name))(self.base)

    init = property(lambda self: self._of("init"))
    learn = property(lambda self: self._of("learn"))
    predict = property(lambda self: self._of("predict"))
    summary = property(lambda self: self._of("summary"))


SGD = lj.gradient_descent(bptt, squared_error, optax.sgd(0.1))


def answer(change):
    """`learn` whose answer is changed by `change(lesson, state, *given)`."""
    return lambda base: lambda *given: change(*base.learn(*given), *given)


def always_active(base):
    return lambda lanes, state, sequence, active, key: base.learn(
        lanes, state, sequence, jnp.ones_like(active), key
    )


def normed_over_lanes(lesson, after, lanes, state, sequence, active, key):
    moved = jax.tree.map(jnp.subtract, after.params, state.params)
    moved = jax.tree.map(lambda m: m / (1e-9 + optax.tree.norm(moved)), moved)
    moved = jax.tree.map(lambda m: jnp.where(active, m, 0), moved)
    return lesson, after._replace(params=jax.tree.map(jnp.add, state.params, moved))


def keeping_a_key(base):
    def init(config, key):
        return LearnerState(base.init(config, key).params, key)

    return init


BROKEN_LEARNERS = {
    "a state of its own": (
        {"init": lambda base: lambda config, key: base.init(config, key).params},
        "init: expected a LearnerState, got a RecurrentParams",
    ),
    "a key kept": ({"init": keeping_a_key}, r"init: typed keys.*keep jax.random.key_data\(key\)"),
    "weights that are another net's": (
        {"init": lambda base: lambda c, k: base.init(c, k)._replace(params=jnp.ones(3))},
        "init: params: expected",
    ),
    "no lesson": (
        {"learn": answer(lambda lesson, after, *_: (lesson.loss, after))},
        r"learn: expected \(Lesson, LearnerState\)",
    ),
    "one loss for all": (
        {
            "learn": answer(
                lambda lesson, after, *_: (lesson._replace(loss=lesson.loss.sum()), after)
            )
        },
        r"learn: loss: expected shape \(3,\), one number a sequence, got \(\)",
    ),
    "outputs of the last step": (
        {"learn": answer(lambda le, after, *_: (le._replace(outputs=le.outputs[:1]), after))},
        "learn: outputs: expected shape",
    ),
    "a state of another type": (
        {"learn": answer(lambda lesson, after, *_: (lesson, after._replace(memory=jnp.ones(3))))},
        "learn: expected the state as it came",
    ),
    "lanes that are over go on": (
        {"learn": always_active},
        "learn: a lane that is not active has another state",
    ),
    "a norm over all lanes": (
        {"learn": answer(normed_over_lanes)},
        "learn: .*never mix lanes",
    ),
    "a prediction of another shape": (
        {"predict": lambda base: lambda *given: base.predict(*given)[0]},
        "predict: expected outputs of shape",
    ),
    "noise that is not there": ({"draws": True}, "draws: another key teaches the same"),
    "a summary that JSON cannot hold": (
        {"summary": lambda base: lambda state: {"weights": state.params}},
        "summary: weights: expected what JSON can hold",
    ),
    "no summary": ({"summary": lambda base: lambda state: None}, "summary: expected a dict"),
}


@pytest.mark.parametrize("name", BROKEN_LEARNERS)
def test_what_a_learner_breaks_is_named(name):
    parts, finding = BROKEN_LEARNERS[name]
    learner = Changed(SGD, parts)
    stop, judge = lj.stopping.streak(9), lj.judging.within(0.1)
    config = lj.TrialConfig(NET, TASK, SGD, judge, stop, 99, 0)
    with pytest.raises(ValueError, match=finding):
        lj.check_learner(learner, config)
