"""Loops that lanes leave early, and what is looked up lane by lane."""

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given as hypothesise
from hypothesis import strategies as st

from lstm_jax.ops.lanes import at_step, masked_loop

STEPS = 8
steps_any = st.integers(0, STEPS)


def tally(carry, x, alive):
    """Counts and sums living steps; order matters."""
    count, total = carry
    return count + alive.astype(count.dtype), jnp.where(alive, 2 * total + x["value"], total)


looped = jax.jit(lambda carry, inputs, steps: masked_loop(tally, carry, inputs, steps))


def tally_by_hand(values, steps: int) -> tuple[int, float]:
    total = 1.0
    for value in values[:steps]:
        total = 2 * total + value
    return min(steps, len(values)), total


@hypothesise(st.lists(steps_any, min_size=3, max_size=3))
def test_looping_is_a_loop_in_every_lane(steps):
    values = np.arange(24.0, dtype=np.float32).reshape(STEPS, 3)
    begin = np.zeros(3, np.int32), np.ones(3, np.float32)
    count, total = looped(begin, {"value": values}, np.array(steps, np.int32))
    expected = [tally_by_hand(values[:, i], steps[i]) for i in range(3)]
    np.testing.assert_array_equal(np.stack([count, total]), np.transpose(expected))
    backwards = [tally_by_hand(values[::-1, i], steps[i]) for i in range(3)]  # control
    assert max(steps) == 0 or not np.array_equal(np.transpose(backwards)[1], total)


def test_looping_ends_with_the_longest_lane():
    def poisoned(carry, x, alive):
        return carry + x  # takes what it gets, alive or not

    values = np.array([1.0, 2.0, np.nan, np.nan], np.float32)
    loop = jax.jit(lambda steps: masked_loop(poisoned, jnp.zeros(2), values, steps))
    np.testing.assert_array_equal(loop(np.array([1, 2])), [3.0, 3.0])
    assert np.isnan(loop(np.array([1, 3]))).all()  # control


# ---------------------------------------------------------------- at a step


@hypothesise(st.lists(st.integers(0, STEPS - 1), min_size=3, max_size=3))
def test_each_lane_at_its_own_step(steps):
    for shape in ((STEPS, 3), (STEPS, 2, 3)):
        values = np.arange(np.prod(shape)).reshape(shape)
        found = at_step(values, np.array(steps))
        expected = np.stack([values[t, ..., i] for i, t in enumerate(steps)], axis=-1)
        np.testing.assert_array_equal(found, expected)
        assert not np.array_equal(found, values[steps[0] - 1])  # control
    assert int(at_step(np.arange(STEPS), np.asarray(steps[0]))) == steps[0]
