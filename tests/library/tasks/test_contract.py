"""What every task promises, over a catalogue from which nothing public may be missing."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax import tasks
from lstm_jax.types import Sequence, Task
from tests.support.samples import BLOCK, each, edited, lane, many
from tests.support.task_catalogue import CATALOGUE, RECIPES

AT_END = {"2b, end only", "2c", *(name for name in CATALOGUE if name[0] not in "12")}
# of sets, not of keys
HELPERS = {"AND", "XOR", "from_pairs", "from_sequences", "reber_sets", "set_pairs", "spell"}
LATER = {"continual_reber", "copying", "counting_language", "unsegmented"}  # test_later.py
LATER |= {"generated_spikes", "measured_spikes"}
single = cache(lambda task: jax.jit(task.sample))
every = pytest.mark.parametrize("name", CATALOGUE)
one_each = pytest.mark.parametrize("name", ["1", "2c", "3c", "4", "modern sum", "6a"])


def test_nothing_public_is_missing():
    assert {make.func.__name__ for make in RECIPES.values()} | HELPERS | LATER == set(tasks.__all__)


def check(name: str, task: Task, sequence: Sequence, real=np.float32) -> None:
    """Shapes, dtypes, and a target wherever the mask says so and nowhere else."""
    time = 1 if name in AT_END else task.steps
    assert sequence.targets_at == ("end" if name in AT_END else "steps")
    symbolic = np.issubdtype(sequence.inputs.dtype, np.integer)
    assert sequence.inputs.shape == ((task.steps,) if symbolic else (task.steps, task.inputs))
    assert sequence.inputs.dtype == (np.int32 if symbolic else real)
    assert sequence.targets.shape == sequence.goals.shape == (time, task.outputs)
    assert sequence.targets.dtype == sequence.goals.dtype == real
    assert sequence.mask.shape == (time,) and sequence.mask.dtype == bool
    assert sequence.length.shape == () and sequence.length.dtype == np.int32

    length = int(sequence.length)
    assert 1 <= length <= task.steps
    assert sequence.mask.any() and not sequence.mask[length:].any()
    assert not sequence.inputs[length:].any(), "padding is not zero"
    assert not sequence.targets[~sequence.mask].any(), "a target where there is no error"
    assert not sequence.goals[~sequence.mask].any()
    if symbolic:
        assert sequence.inputs.min() >= 0 and sequence.inputs.max() < task.inputs


@every
def test_sequences_are_what_the_task_declares(name):
    for sequence in each(many(CATALOGUE[name], 50)):
        check(name, CATALOGUE[name], sequence)


@pytest.mark.parametrize("name", ["1", "3a", "6a"])
def test_control_sequences_that_are_not(name):
    task = CATALOGUE[name]
    sequence = next(s for s in each(many(task, 50)) if s.length < task.steps)
    length = int(sequence.length)
    off_by_one = task._replace(steps=task.steps + 1)
    for wrong_task, wrong in [
        (off_by_one, sequence),
        (task._replace(outputs=task.outputs + 1), sequence),
        (task, sequence.replace(targets=sequence.targets.astype(np.float64))),
        (task, sequence.replace(inputs=sequence.inputs.astype(np.int64))),
        (task, edited(sequence, "length", (), 0)),
        (task, edited(sequence, "inputs", length, 1)),
        (task, edited(sequence, "mask", slice(None), False)),
        (task, sequence.replace(mask=np.ones(task.steps + 1, bool))),
        (task, sequence.replace(targets_at="own")),
    ]:
        with pytest.raises(AssertionError):
            check(name, wrong_task, wrong)


def equal(one: Sequence, other: Sequence) -> bool:
    assert jax.tree.structure(one) == jax.tree.structure(other)
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b) for a, b in pairs)


@every
def test_a_key_says_it_all(name):
    task = CATALOGUE[name]
    assert equal(many(task, 20, seed=5), many(task, 20, seed=5))
    assert not equal(many(task, 20, seed=5), many(task, 20, seed=6))


@one_each
def test_lanes_are_single_sequences_bit_for_bit(name):
    task = CATALOGUE[name]
    keys = jax.random.split(jax.random.key(0), (1, BLOCK))[0]
    lanes = many(task, 6)
    assert all(equal(lane(lanes, i), single(task)(keys[i])) for i in range(6))
    assert not all(equal(lane(lanes, i), single(task)(keys[0])) for i in range(6))


@one_each
def test_lanes_may_come_first(name):
    keys = jax.random.split(jax.random.key(0), (1, BLOCK))[0]
    first = jax.jit(jax.vmap(CATALOGUE[name].sample))(keys)
    assert equal(
        jax.tree.map(lambda leaf: np.moveaxis(leaf, 0, -1), first), many(CATALOGUE[name], BLOCK)
    )


@one_each
def test_compiled_is_eager(name):
    task, key = CATALOGUE[name], jax.random.key(7)
    compiled, eager = single(task)(key), task.sample(key)
    for a, b in zip(*map(jax.tree.leaves, (compiled, eager)), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0 if a.dtype == jnp.int32 else 1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["2c", "modern sum"])
def test_old_style_keys_draw_the_same(name):
    sample, key = single(CATALOGUE[name]), jax.random.key(7)
    assert equal(sample(key), sample(jax.random.key_data(key)))


@one_each
def test_double_precision_draws_the_same_sequences(name):
    task = CATALOGUE[name]
    for key in jax.random.split(jax.random.key(0), 5):
        with jax.enable_x64(True):
            double = jax.tree.map(np.asarray, single(task)(key))
        check(name, task, double, real=np.float64)
        for a, b in zip(*map(jax.tree.leaves, (single(task)(key), double)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
