"""Copying: what its strings are drawn from; its contract is checked with the other later tasks."""

import jax
import numpy as np

from lstm_jax.tasks import copying

LETTERS, SHORTEST, LONGEST, NUMBER = 3, 2, 5, 2000


def drawn(task):
    return jax.device_get(
        jax.jit(jax.vmap(task.sample))(jax.random.split(jax.random.key(0), NUMBER))
    )


def chi_square(values, least, most):
    """Of equally likely values; with few of them 30 is far beyond chance."""
    counts = np.bincount(values - least, minlength=most - least + 1)
    assert values.min() >= least and values.max() <= most
    wanted = len(values) / len(counts)
    return float(np.sum((counts - wanted) ** 2 / wanted))


def test_lengths_and_letters_are_equally_likely_and_independent():
    many = drawn(copying(LETTERS, SHORTEST, LONGEST))
    assert chi_square(many.length, SHORTEST, LONGEST) < 30
    first, second = many.inputs[:, 0] - 2, many.inputs[:, 1] - 2
    assert chi_square(first, 0, LETTERS - 1) < 30
    assert chi_square(LETTERS * first + second, 0, LETTERS**2 - 1) < 30
    assert chi_square(LETTERS * first + first, 0, LETTERS**2 - 1) > 30  # control
    assert chi_square(4 * first + many.length - SHORTEST, 0, 4 * LETTERS - 1) < 35


def test_reversal_reads_the_strings_that_copying_reads():
    one, other = (drawn(copying(LETTERS, SHORTEST, LONGEST, backwards=b)) for b in (False, True))
    np.testing.assert_array_equal(one.inputs, other.inputs)
    for i in range(20):
        letters = slice(0, int(one.length[i]))
        there, back = (s.targets[i].argmax(axis=1)[letters] for s in (one, other))
        assert there.tolist() == back[::-1].tolist()


def test_padding_to_more_steps_changes_no_length_and_no_target_lives_behind_the_end():
    few, more = (
        drawn(copying(LETTERS, SHORTEST, LONGEST)),
        drawn(copying(LETTERS, SHORTEST, LONGEST, steps=LONGEST + 3)),
    )
    np.testing.assert_array_equal(few.length, more.length)
    assert few.inputs.shape[1] == LONGEST and more.inputs.shape[1] == LONGEST + 3
    behind = np.arange(LONGEST + 4) > more.length[:, None]
    assert not more.targets[behind].any() and not more.mask[behind].any()


def test_the_evaluation_set_is_fixed_and_its_strings_differ():
    task = copying(LETTERS, LONGEST, LONGEST)
    assert task.evaluation_set is not None
    at = jax.jit(jax.vmap(task.evaluation_set))
    one, again = at(np.arange(50)), at(np.arange(50)[::-1].copy())
    np.testing.assert_array_equal(one.inputs, again.inputs[::-1])
    assert len({tuple(letters) for letters in one.inputs.tolist()}) > 25
