"""Sequences of one's own as a task."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.simple import elman
from lstm_jax.conformance.task import check_task
from lstm_jax.tasks.sets import from_sequences
from lstm_jax.types import Sequence

NUMBER, OTHERS, STEPS = 6, 4, 5


def several(number, steps=STEPS, first=0):
    """Sequences that tell their number by their first input; one target at the end."""
    names = jnp.arange(first, first + number, dtype=float)
    inputs = jnp.zeros((steps, 2, number)).at[0, 0].set(names)
    targets = names[None, None] / 100
    mask, length = jnp.ones((1, number), bool), jnp.full(number, steps, jnp.int32)
    return Sequence(inputs, targets, targets, mask, length, "end")


TASK = from_sequences(several(NUMBER), several(OTHERS, first=50), inputs=2)
named = jax.jit(lambda key, i: TASK.training_set(key, i).inputs[0, 0])


def epoch(key, number):
    return [int(named(key, number * NUMBER + i)) for i in range(NUMBER)]


def test_it_keeps_its_contract():
    check_task(TASK)


def test_every_epoch_has_all_of_them_in_an_order_of_its_own():
    key = jax.random.key(0)
    epochs = [epoch(key, number) for number in range(3)]
    assert all(sorted(one) == list(range(NUMBER)) for one in epochs)
    assert epochs[0] != epochs[1] and epoch(key, 1) == epochs[1]
    assert epoch(jax.random.key(1), 0) != epochs[0]  # every trial has its own
    as_they_stand = from_sequences(several(NUMBER), inputs=2, shuffled=False)
    assert [int(as_they_stand.training_set(key, i).inputs[0, 0]) for i in (0, 1, 7)] == [0, 1, 1]


def test_the_others_are_what_it_is_tested_with():
    found = [int(TASK.evaluation_set(jnp.int32(i)).inputs[0, 0]) for i in range(OTHERS + 1)]
    assert found == [50, 51, 52, 53, 50]
    assert from_sequences(several(NUMBER), inputs=2).evaluation_set is None


def test_it_draws_from_those_for_training():
    drawn = jax.vmap(TASK.sample)(jax.random.split(jax.random.key(0), 200)).inputs[:, 0, 0]
    assert set(np.asarray(drawn).tolist()) == set(range(NUMBER))


def test_it_has_the_precision_of_the_moment(x64):
    assert TASK.sample(jax.random.key(0)).inputs.dtype == jnp.float64
    elman(2, 1)  # what would take it


@pytest.mark.parametrize(
    ("training", "test", "says"),
    [
        (jax.tree.map(lambda a: a[..., 0], several(2)), None, "training: expected .*last axis"),
        (several(2), jax.tree.map(lambda a: a[..., 0], several(2)), "test: expected .*last axis"),
        (several(2), several(2, steps=6), "test: expected sequences like those for training"),
        (several(0), None, "training: expected"),
    ],
)
def test_what_does_not_fit_is_refused(training, test, says):
    with pytest.raises(ValueError, match=says):
        from_sequences(training, test, inputs=2)
