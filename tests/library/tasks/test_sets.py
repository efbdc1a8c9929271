"""Fixed sets: gone through in order, selected by a number, refused if they do not fit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.tasks import fixed_distractors, from_pairs, reber_sets, set_pairs, spell
from tests.support.bridge import lane

N = 6


@pytest.fixture(scope="module")
def pairs():
    return jax.vmap(lambda key: reber_sets(key, n=N))(jax.random.split(jax.random.key(0), 3))


def strings(sets, pair: int) -> list[str]:
    chosen = jax.tree.map(lambda leaf: leaf[pair], sets)
    return [spell(lane(chosen, i)) for i in range(N)]


def test_a_set_is_gone_through_in_order_over_and_over_again(pairs):
    for pair in range(3):
        task = set_pairs(*pairs, pair=pair, inputs=7)
        assert task.training_size == N
        training = [spell(task.training_set(None, i)) for i in range(2 * N)]
        assert training == 2 * strings(pairs[0], pair)
        assert [spell(task.evaluation_set(i)) for i in range(N)] == strings(pairs[1], pair)
        drawn = {spell(task.sample(key)) for key in jax.random.split(jax.random.key(1), 80)}
        assert drawn == set(training)
    assert strings(pairs[0], 0) != strings(pairs[0], 1)  # control


def test_lanes_may_have_pairs_of_their_own(pairs):
    def third(pair):
        return set_pairs(*pairs, pair=pair, inputs=7).training_set(None, jnp.int32(3))

    together = jax.jit(jax.vmap(third, out_axes=-1))(jnp.array([2, 0, 1]))
    for here, pair in enumerate([2, 0, 1]):
        assert spell(lane(together, here)) == strings(pairs[0], pair)[3]


def test_time_is_cut_to_the_longest_sequence(pairs):
    longest = max(int(sets.length.max()) for sets in pairs)
    task, whole = set_pairs(*pairs, inputs=7), pairs[0]
    first = task.training_set(None, 0)
    assert task.steps == longest == len(first.inputs) == len(first.targets) < whole.inputs.shape[1]
    np.testing.assert_array_equal(first.goals, whole.goals[0, :longest, :, 0])
    assert from_pairs(*pairs).steps == longest


def test_targets_at_the_end_stay():
    keys = jax.random.split(jax.random.key(0), N)
    many = jax.vmap(fixed_distractors(4).sample, out_axes=-1)(keys)
    sets = jax.tree.map(lambda leaf: leaf[None], many)
    ends = sets.replace(
        targets=sets.targets[:, :1],
        goals=sets.goals[:, :1],
        mask=sets.mask[:, :1],
        targets_at="end",
    )
    task = set_pairs(ends, ends, inputs=5)
    np.testing.assert_array_equal(task.training_set(None, 2).targets, ends.targets[0, ..., 2])


def test_what_is_no_pair_of_sets_is_refused(pairs):
    training, test = pairs
    fewer = jax.tree.map(lambda leaf: leaf[..., 1:], test)
    shorter = test.replace(inputs=test.inputs[:, 1:])
    alone = jax.tree.map(lambda leaf: leaf[0], training)
    for wrong in ((training, fewer), (training, shorter), (alone, alone)):
        for maker in (lambda *sets: set_pairs(*sets, inputs=7), from_pairs):
            with pytest.raises(ValueError, match="pairs in front") as found:
                maker(*wrong)
            assert "\n" not in str(found.value)
