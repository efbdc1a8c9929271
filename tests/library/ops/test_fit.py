"""What does not fit is refused in one line by every rule and every trial; what fits is accepted."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax import tasks
from lstm_jax.cells.memory_block import memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.stopping import streak
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Sequence, Task
from tests.support.bridge import KEY
from tests.support.rules import RULES

T, LANES = 6, 4
NET = readout(memory_block(Topology(2, (1,))), 1)
PARAMS = jax.tree.map(np.asarray, NET.init(KEY))


def real(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def good(*lanes: int, symbols: bool = False) -> Sequence:
    inputs = np.zeros((T, *lanes), np.int32) if symbols else real(T, 2, *lanes)
    targets = real(T, 1, *lanes)
    length = np.full(lanes, T, np.int32)
    return Sequence(inputs, targets, targets, np.ones((T, *lanes), bool), length)


def both(targets) -> dict:
    return {"targets": targets, "goals": targets}


def one_at_end() -> Sequence:
    return good().replace(**both(real(1, 1)), mask=np.ones(1, bool), targets_at="end")


# the right ones, of which each wrong one is a change
RIGHT = {
    "alone": good(),
    "symbols": good(symbols=True),
    "lanes": good(LANES),
    "symbols in lanes": good(LANES, symbols=True),
    "at the end": one_at_end(),
}
OWN = {"targets_at": "own", "target_length": np.int32(3)}
WRONG = {
    "an input too many": ("alone", {"inputs": real(T, 3)}, r"inputs: .*\(time, 2\).*\(6, 3\)"),
    "an input too few": ("alone", {"inputs": real(T, 1)}, r"inputs: .*\(time, 2\).*\(6, 1\)"),
    "integers": (
        "alone",
        {"inputs": np.zeros((T, 2), np.int32)},
        r"inputs: .*int32 of shape \(6, 2\).* no symbols must be made real: inputs\.astype",
    ),
    "reals for symbols": ("symbols", {"inputs": real(T)}, r"inputs: .*float32 of shape \(6,\)"),
    "bool": ("alone", {"inputs": np.zeros((T, 2), bool)}, r"inputs: .* got bool"),
    "complex": ("alone", {"inputs": np.zeros((T, 2), np.complex64)}, r"inputs: .* got complex64"),
    "no steps": (
        "alone",
        {"inputs": real(0, 2), **both(real(0, 1)), "mask": np.ones(0, bool), "length": np.int32(0)},
        r"inputs: expected at least 1 step, got none",
    ),
    "batch first": ("lanes", {"inputs": real(LANES, T, 2)}, r"inputs: .*\(4, 6, 2\).*lanes last"),
    "features last": ("lanes", {"inputs": real(T, LANES, 2)}, r"inputs: .*\(6, 4, 2\).*lanes last"),
    "three outputs": ("alone", both(real(T, 3)), r"targets: expected shape \(6, 1\).*got \(6, 3\)"),
    "one step short": ("alone", both(real(5, 1)), r"targets: .* shape \(6, 1\).*got \(5, 1\)"),
    "one target": ("alone", both(real(1, 1)), r"targets: .*\(1, 1\).* write targets_at='end'"),
    "too many": ("at the end", both(real(T, 1)), r"targets: expected shape \(1, 1\).*got \(6, 1\)"),
    "no outputs": ("alone", both(real(T)), r"targets: expected shape \(6, 1\).*got \(6,\)"),
    "lanes first": ("lanes", both(real(T, LANES, 1)), r"targets: .*\(6, 1, 4\).*got \(6, 4, 1\)"),
    "goals": ("alone", {"goals": real(T, 2)}, r"goals: expected shape \(6, 1\).*got \(6, 2\)"),
    "a mask an output": ("alone", {"mask": np.ones((T, 1), bool)}, r"mask: .*\(6,\).*got \(6, 1\)"),
    "a mask of numbers": ("alone", {"mask": real(T)}, r"mask: expected bool, got float32"),
    "a real length": ("alone", {"length": np.float32(T)}, r"length: expected integers.*float32"),
    "a length too many": ("alone", {"length": np.zeros(3, np.int32)}, r"inputs: .*shape \(3,\)"),
    "too long": ("alone", {"length": np.int32(7)}, r"length: expected values from 0 to 6.*got 7"),
    "negative": ("alone", {"length": np.int32(-1)}, r"length: expected values from 0 .*got -1"),
    "too long in a lane": (
        "lanes",
        {"length": np.int32([6, 6, 8, 6])},
        r"length: expected values from 0 to 6.*got 8",
    ),
    "a symbol too many": (
        "symbols",
        {"inputs": np.int32([0, 1, 2, 0, 0, 0])},
        r"inputs: expected values from 0 to 1, 2 symbols, got 2",
    ),
    "a symbol below": (
        "symbols in lanes",
        {"inputs": np.full((T, LANES), -1, np.int32)},
        r"inputs: expected values from 0 to 1, 2 symbols, got -1",
    ),
    "elsewhere": ("alone", {"targets_at": "middle"}, r"targets_at: expected .* got 'middle'"),
    "a target length": ("alone", {"target_length": np.int32(3)}, r"target_length: expected None"),
    "none of its own": ("alone", {"targets_at": "own"}, r"expected a length|got 'own'"),
    "too long of its own": (
        "alone",
        {**OWN, "target_length": np.int32(7)},
        r"target_length: expected values from 0 to 6.*got 7|got 'own'; use bptt",
    ),
}  # fmt: skip
wrong = pytest.mark.parametrize(("of", "changes", "complaint"), WRONG.values(), ids=WRONG.keys())


def refusal_of(function, *arguments, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint) as refusal:
        function(*arguments)
    assert "\n" not in str(refusal.value)


def trial_of(net, task: Task, rule: str = "bptt", loss=squared_error):
    learner = gradient_descent(RULES[rule], loss, optax.sgd(0.1))
    config = TrialConfig(net, task, learner, within(0.1), streak(9), 9, 0)
    return make_trial(lambda _: config)


def task_of(sequence: Sequence) -> Task:
    return Task(lambda key: sequence, 2, 1, T)


@wrong
def test_every_rule_refuses_what_does_not_fit(of, changes, complaint):
    sequence = RIGHT[of].replace(**changes)
    for rule in RULES.values():
        refusal_of(rule(NET, squared_error), PARAMS, sequence, complaint=complaint)


@wrong
def test_so_does_a_trial_at_its_start(of, changes, complaint):
    if "lanes" not in of:  # a trial draws its sequences one by one
        init = trial_of(NET, task_of(RIGHT[of].replace(**changes))).init
        refusal_of(init, KEY, complaint=complaint)


@pytest.mark.parametrize("name", RIGHT)
def test_what_fits_is_accepted(name):
    for rule in RULES.values():
        found = jax.eval_shape(rule(NET, squared_error), PARAMS, RIGHT[name])
        assert found.outputs.shape == RIGHT[name].targets.shape
    if "lanes" not in name:
        assert jax.eval_shape(trial_of(NET, task_of(RIGHT[name])).init, KEY)


@pytest.mark.parametrize("name", RULES)
def test_two_float_types_are_refused_and_both_are_named(name, x64):
    def double(tree):
        return jax.tree.map(lambda a: a.astype(float) if a.dtype == np.float32 else a, tree)

    rule, single = RULES[name](NET, squared_error), good()
    refusal_of(rule, double(PARAMS), single, complaint="float64 in params and float32 in inputs")
    refusal_of(rule, PARAMS, double(single), complaint="float32 in params and float64 in inputs")
    late = single.replace(**both(single.targets.astype(float)))
    refusal_of(rule, PARAMS, late, complaint="float32 in params and float64 in targets")
    for params, sequence in ((PARAMS, single), (double(PARAMS), double(single))):  # controls
        assert jax.eval_shape(rule, params, sequence).loss.dtype == sequence.targets.dtype


# ---------------------------------------------------------------- losses


def mean(output, target):
    return jnp.mean((output - target) ** 2)


@pytest.mark.parametrize("name", RULES)
def test_a_mean_over_everything_is_no_loss(name):
    for sequence in (RIGHT["lanes"], RIGHT["alone"], RIGHT["at the end"]):
        # alone, one step at a time, a mean over one output is its sum
        if sequence.length.ndim or name not in ("rtrl", "forward_traces"):
            refusal_of(RULES[name](NET, mean), PARAMS, sequence, complaint="one error a step")


@pytest.mark.parametrize("name", RULES)
def test_a_trial_refuses_it_at_its_start(name):
    task = task_of(good())
    refusal_of(trial_of(NET, task, name, mean).init, KEY, complaint="one error a step and lane")
    assert jax.eval_shape(trial_of(NET, task, name).init, KEY)  # control


# ---------------------------------------------------------------- tasks

MISFITS = {
    "2 inputs on two_sequence": (tasks.two_sequence(10, 1), (2, 1), (1, 1), r"inputs: .*time, 2"),
    "3 outputs on adding": (tasks.adding(20), (2, 3), (2, 1), r"targets: expected shape \(1, 3\)"),
    "2 inputs and 1 output on temporal_order": (
        tasks.temporal_order(2), (2, 1), (8, 4), r"inputs: expected values from 0 to 1|targets: "
    ),
}  # fmt: skip


@pytest.mark.parametrize(("task", "of", "right", "complaint"), MISFITS.values(), ids=MISFITS)
def test_a_net_for_another_task_is_refused(task, of, right, complaint):
    def trial(inputs, outputs):
        return trial_of(readout(memory_block(Topology(inputs, (1,))), outputs), task)

    refusal_of(trial(*of).init, KEY, complaint=complaint)
    assert jax.eval_shape(trial(*right).init, KEY)
