"""Numbers out of range, keys of another kind, and JAX's own settings."""

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
from lstm_jax.tasks import fixed_distractors
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.growth import when_slow
from lstm_jax.training.judging import at_last, most_active, within
from lstm_jax.training.records import MOST_SEQUENCES, PHASES
from lstm_jax.training.stopping import Criterion, recent, streak, validation
from lstm_jax.training.trial import make_trial
from tests.support.bridge import KEY, assert_same, numbers

TASK = fixed_distractors(3)
NET = readout(memory_block(Topology(TASK.inputs, (1,))), TASK.outputs)
LEARNER = gradient_descent(forward_traces, squared_error, optax.sgd(0.5))
CONFIG = TrialConfig(NET, TASK, LEARNER, within(0.1), recent(4, Criterion(1, 0.01)), 60, 3)


def trial_of(**changes):
    config = CONFIG._replace(**changes)
    return make_trial(lambda _: config)


def refused(complaint: str, function, *arguments) -> None:
    with pytest.raises(ValueError, match=complaint) as refusal:
        function(*arguments)
    assert "\n" not in str(refusal.value)


# ---------------------------------------------------------------- numbers

WRONG = (2**31 - 1, 2**31, 3e9, 0, -1, True, 1.5, 100.0, float("nan"), float("inf"), "5", None)


@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_a_cap_out_of_range_is_refused(value):
    complaint = rf"max_sequences: expected a whole number from 1 to {MOST_SEQUENCES}, got "
    refused(complaint, trial_of(max_sequences=value).init, KEY)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"test_sequences": -1}, r"test_sequences: expected a whole number from 0 to .* got -1"),
        ({"test_sequences": True}, "test_sequences: .* got True"),
        ({"batch": 0.5}, "batch: expected a whole number from 1 to .* got 0.5"),
        ({"batch": 2}, "test_sequences: expected a multiple of the batch, 2, got 3"),
        ({"stop": validation(0, 4, Criterion())}, "stop.validation_size: .* from 1 to .* got 0"),
        ({"stop": recent(4)}, "stop: expected a stopping rule with a criterion, got one without"),
    ],
)
def test_so_are_other_numbers(changes, complaint):
    refused(complaint, trial_of(**changes).init, KEY)


def test_the_largest_cap_is_accepted_and_reached():
    trial = trial_of(max_sequences=MOST_SEQUENCES)
    begun = trial.init(KEY)
    late = begun._replace(sequences=jnp.int32(MOST_SEQUENCES - 2))
    after = jax.jit(trial.advance)(late, 5)
    assert PHASES[int(after.phase)] == "capped" and after.sequences == MOST_SEQUENCES
    assert after.curve.at == len(after.curve.error) - 1 and np.all(np.isfinite(after.curve.error))
    assert trial_of(max_sequences=np.int64(60)).init(KEY) and trial_of(max_sequences=1).init(KEY)


# ---------------------------------------------------------------- keys


def test_the_record_does_not_depend_on_the_default_implementation_of_keys():
    def record(seed: int):
        trial = trial_of()
        key = jax.random.key(seed, impl="threefry2x32")
        return numbers(jax.jit(trial.advance)(jax.jit(trial.init)(key), 20))

    expected = record(1)
    with jax.default_prng_impl("rbg"):
        assert_same(record(1), expected)
        assert jax.random.key_impl(jax.random.key(1)) == "rbg"  # control
    with pytest.raises(AssertionError):
        assert_same(record(2), expected)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: jax.random.key(1, impl="rbg"), r"expected a threefry2x32 key, .* got rbg; write"),
        (lambda: jax.random.PRNGKey(1), r"expected one typed key, .* got uint32 of shape \(2,\)"),
        (lambda: jax.random.split(KEY, 3), r"expected one typed key, .* of shape \(3,\)"),
        (lambda: 1, r"expected one typed key"),
    ],
    ids=["another kind", "raw", "several", "a seed"],
)
def test_keys_of_another_kind_are_refused(make, complaint):
    refused(complaint, trial_of().init, make())
    assert trial_of().init(KEY)  # control


# ---------------------------------------------------------------- no number is not a number

HEALTHY = {
    "recent": {},
    "streak, most active": {"stop": streak(5), "judge": most_active},
    "validation, at last": {
        "stop": validation(3, 4, Criterion(2), Criterion(1, 0.01)), "judge": at_last(within(0.1)),
    },
    "at every step": {
        "learner": gradient_descent(
            forward_traces, squared_error, optax.adam(0.1), every_step=True, resets=False
        )
    },
    "a batch, growth": {
        "learner": gradient_descent(bptt, squared_error, optax.sgd(0.5)), "batch": 3,
        "growth": when_slow(lambda settings: settings, window=2),
    },
}  # fmt: skip


@pytest.mark.parametrize("changes", HEALTHY.values(), ids=HEALTHY)
def test_a_healthy_trial_makes_no_number_that_is_none(changes):
    trial = trial_of(**changes)
    with jax.debug_nans(True):
        state = jax.jit(trial.advance)(jax.jit(trial.init)(KEY), 24)
    assert PHASES[int(state.phase)] != "diverged" and state.sequences > 1


def test_control_a_sick_one_is_noticed():
    trial = trial_of(learner=LEARNER._replace(optimizer=optax.sgd(np.inf)))
    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        jax.jit(trial.advance)(jax.jit(trial.init)(KEY), 24)
