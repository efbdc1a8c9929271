"""Sizes are checked with a way out; targets are attached where they belong."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_jax.tasks.sequences import at_end, check_int, next_symbol


@given(st.integers(-5, 15))
def test_whole_accepts_its_range_and_nothing_else(value):
    if 1 <= value <= 10:
        assert check_int("n", np.int64(value), 1, 10, "why") == value
    else:
        with pytest.raises(ValueError, match=rf"from 1 to 10 \(why\), but {value} came; .* n=1"):
            check_int("n", value, 1, 10, "why")


@pytest.mark.parametrize("value", [2.0, "2", None, True, 2.5])
def test_whole_wants_an_integer(value):
    with pytest.raises(ValueError, match="whole number"):
        check_int("n", value, 1, 10, "why")


@given(st.lists(st.integers(0, 4), min_size=2, max_size=6), st.integers(0, 3))
def test_next_symbol_is_one_step_ahead(string, padding):
    padded = jnp.int32(string + [0] * padding)
    sequence = next_symbol(padded, jnp.int32(len(string)), 5)
    expected = np.zeros((len(padded), 5))
    expected[range(len(string) - 1), string[1:]] = 1
    assert np.array_equal(sequence.targets, expected)
    assert sequence.mask.tolist() == [True] * (len(string) - 1) + [False] * (padding + 1)


def test_a_goal_is_the_target_unless_given():
    inputs, length = jnp.zeros((5, 1)), jnp.int32(5)
    assert at_end(inputs, length, jnp.ones(2)).goals.tolist() == [[1, 1]]
    assert at_end(inputs, length, jnp.ones(2), jnp.zeros(2)).goals.tolist() == [[0, 0]]
