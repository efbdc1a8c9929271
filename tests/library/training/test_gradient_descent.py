"""One sequence of learning: once a sequence, at every step, and with a memory that goes on."""

from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.cells.memory_block import memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import bptt, forward_traces
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.tasks import fixed_distractors, random_distractors
from lstm_jax.training.config import LaneConfigs, LearnerState, TrialConfig
from lstm_jax.training.gradient_descent import DescentMemory, Resets, gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.stopping import streak
from lstm_jax.types import LossAndGrads, Sequence, Task

KEY = jax.random.key(3)
P = 4
MOMENTUM = optax.sgd(0.5, momentum=0.5)


def configured(task: Task | None = None, **how: Any) -> TrialConfig:
    """A net of two blocks that predicts the symbols of 2a."""
    task = fixed_distractors(P) if task is None else task
    net = readout(memory_block(Topology(inputs=task.inputs, blocks=(1, 1))), task.outputs)
    return TrialConfig(
        net=net,
        task=task,
        learner=gradient_descent(forward_traces, squared_error, MOMENTUM, **how),
        judge=within(0.25),
        stop=streak(10),
        max_sequences=10,
        test_sequences=0,
    )


def sequences(task: Task, number: int = 3) -> list[Sequence]:
    keys = jax.random.split(KEY, number)
    return [task.sample(key) for key in keys]


@lru_cache
def learning(every_step: bool, resets: Resets = True, end_only: bool = False):
    task = random_distractors(P, end_only=True) if end_only else fixed_distractors(P)
    made = configured(task, every_step=every_step, resets=resets)

    def go(state: LearnerState, sequence: Sequence, active):
        lanes = LaneConfigs(lambda _: made, None, sequence.length.ndim)
        return made.learner.learn(lanes, state, sequence, active, None)

    return made, jax.jit(go)


def begun(made: TrialConfig) -> LearnerState:
    return made.learner.init(made, KEY)


def after(every_step: bool, given: list[Sequence], active: Any = True, **how) -> LearnerState:
    made, go = learning(every_step, **how)
    state = begun(made)
    for sequence in given:
        _, state = go(state, sequence, active)
    return state


def by_hand(given: list[Sequence], resets: bool | int = True) -> tuple[list[LossAndGrads], Any]:
    """The same in plain Python, one call of the rule a step, no padding.

    A number says which of the sequences alone begins anew.
    """
    made, _ = learning(True)
    rule = forward_traces.online(made.net, squared_error)
    update = jax.jit(rule.update)
    params, (opt_state, _) = begun(made)
    memory, seen = rule.init(params), []
    for i, sequence in enumerate(given):
        anew = resets if isinstance(resets, bool) else i == resets
        memory = rule.init(params) if anew else memory
        for t in range(int(sequence.length)):
            x, target, mask = sequence.inputs[t], sequence.targets[t], sequence.mask[t]
            memory, learned = update(params, memory, x, target, mask)
            seen.append(learned)
            if mask:
                updates, opt_state = MOMENTUM.update(learned.grads, opt_state)
                params = optax.apply_updates(params, updates)
    return seen, params


def distance(one: Any, other: Any) -> float:
    gaps = jax.tree.map(lambda a, b: float(jnp.max(jnp.abs(a - b), initial=0.0)), one, other)
    return max(jax.tree.leaves(gaps))


def padded(sequence: Sequence, steps: int) -> Sequence:
    def pad(leaf):
        return jnp.pad(leaf, [(0, steps)] + [(0, 0)] * (leaf.ndim - 1))

    return jax.tree.map(lambda leaf: pad(leaf) if leaf.ndim else leaf, sequence)


@pytest.mark.parametrize("resets", [True, False])
def test_at_every_step_is_a_loop_by_hand(resets, x64):
    given = sequences(fixed_distractors(P))
    _, params = by_hand(given, resets)
    assert distance(after(True, given, resets=resets).params, params) < 1e-12
    assert distance(after(True, given, resets=not resets).params, params) > 1e-6  # control


def test_it_may_start_anew_after_errors_alone(x64):
    """The judge decides, sequence by sequence: the third begins anew after the second."""
    given = sequences(fixed_distractors(P))
    for tolerances, resets in (((0, 0, 0), True), ((9, 9, 9), False), ((9, 0, 9), 2)):
        _, expected = by_hand(given, resets)
        assert distance(judged(given, tolerances), expected) < 1e-12
        assert distance(judged(given, (0, 9, 9)), expected) > 1e-6  # control


@pytest.mark.parametrize("value", [1, np.True_, 0, np.False_])
def test_what_is_true_elsewhere_is_true_of_resets(value):
    assert configured(every_step=True, resets=value).learner.resets is bool(value)


def judged(given: list[Sequence], tolerances: tuple[float, ...]) -> Any:
    """The weights after sequences each of which is judged by a tolerance of its own."""
    made, _ = learning(True, "after_errors")
    state = begun(made)
    for sequence, tolerance in zip(given, tolerances, strict=True):
        own = made._replace(judge=within(tolerance))
        lanes = LaneConfigs(lambda _, own=own: own, None, 0)
        state = jax.jit(partial(made.learner.learn, lanes))(state, sequence, True, None)[1]
    return state.params


def test_losses_and_outputs_are_those_of_the_steps(x64):
    (sequence,) = sequences(fixed_distractors(P), 1)
    seen, _ = by_hand([sequence])
    made, go = learning(True)
    learned, _ = go(begun(made), sequence, True)
    assert np.isclose(learned.loss, sum(one.loss for one in seen), rtol=1e-12)
    assert np.allclose(learned.outputs, [one.outputs for one in seen], rtol=1e-12)
    once, go = learning(False)
    assert not np.isclose(go(begun(once), sequence, True)[0].loss, learned.loss)  # control


def test_with_one_error_at_the_end_both_schedules_are_one(x64):
    given = sequences(random_distractors(P, end_only=True))
    once, steps = (after(each, given, end_only=True) for each in (False, True))
    assert distance(once.params, steps.params) < 1e-12
    assert distance(once.memory, steps.memory) < 1e-12
    given = sequences(fixed_distractors(P))  # control: errors at every step
    assert distance(after(False, given).params, after(True, given).params) > 1e-4


@pytest.mark.parametrize("resets", [True, False])
def test_padding_changes_nothing(resets, x64):
    given = sequences(fixed_distractors(P))
    longer = [padded(sequence, 7) for sequence in given]
    there, here = after(True, given, resets=resets), after(True, longer, resets=resets)
    assert distance(there, here) < 1e-13
    living = [s.replace(length=s.length + 7) for s in longer]  # control: padding that lives
    changed = distance(after(True, living, resets=resets), here)
    assert changed > 1e-6 or resets  # with resets nobody asks what comes after the last error


@pytest.mark.parametrize("every_step", [True, False])
def test_lanes_that_are_not_active_keep_all(every_step):
    made, go = learning(every_step)
    init = jax.vmap(lambda key: made.learner.init(made, key), out_axes=-1)
    state = init(jax.random.split(KEY, 3))
    drawn = jax.vmap(made.task.sample, out_axes=-1)(jax.random.split(KEY, 3))
    learned, changed = go(state, drawn, jnp.array([True, False, True]))
    assert learned.loss.shape == (3,) and learned.outputs.shape[-1] == 3
    moved = [
        max(float(np.ptp(np.abs(a - b)[..., i])) for a, b in pairs if a.size)
        for pairs in [list(zip(*map(jax.tree.leaves, (state, changed)), strict=True))]
        for i in range(3)
    ]
    assert moved[1] == 0 and moved[0] > 0 and moved[2] > 0


BAD = {
    "no rule": (
        lambda: gradient_descent(forward_traces.online, squared_error, MOMENTUM),
        "give the rule itself",
    ),
    "no on-line form": (
        lambda: gradient_descent(bptt, squared_error, MOMENTUM, every_step=True),
        "bptt has no on-line form",
    ),
    "no form over a sequence": (
        lambda: gradient_descent(forward_traces._replace(sequence=None), squared_error, MOMENTUM),
        "goes step by step only; write every_step=True",
    ),
    "no optimizer": (lambda: gradient_descent(bptt, squared_error, 0.1), "got a float"),
    "sparse at every step": (lambda: configured(sparse=True, every_step=True), "every_step off"),
    "without resets": (lambda: configured(resets=False), "write every_step=True"),
    "some resets": (lambda: configured(resets="after_errors"), "write every_step=True"),
    "resets of another kind": (
        lambda: configured(every_step=True, resets="never"),
        "resets: expected True, False or 'after_errors', got 'never'",
    ),
    "sparse with state": (lambda: begun(configured(sparse=True)), "optimizer without state"),
    "a batch at every step": (
        lambda: begun(configured(every_step=True)._replace(batch=2)),
        "batch: expected None with every_step, got 2",
    ),
}


@pytest.mark.parametrize(("make", "complaint"), BAD.values(), ids=BAD.keys())
def test_what_does_not_go_together_is_refused(make, complaint):
    with pytest.raises(ValueError, match=complaint) as refusal:
        make()
    assert "\n" not in str(refusal.value)
    assert isinstance(begun(configured()).memory, DescentMemory)  # controls
    assert begun(configured(every_step=True, resets=False)).memory.rule is not None
    assert begun(configured()._replace(batch=2)).memory.rule is None
