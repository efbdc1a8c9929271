"""CTC against the sum over all alignments; decoding against the search through all labellings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstm_jax.ctc import Labelling, best_path, ctc, ctc_error, edit_distance, labelling, prefix_beam
from lstm_jax.types import Sequence
from tests.reference import ctc as twin
from tests.support.bridge import numbers

STEPS, CLASSES = 5, 3
error = jax.jit(ctc_error)
slope = jax.jit(jax.grad(lambda logits, *rest: jnp.sum(ctc_error(logits, *rest))))
beam = jax.jit(prefix_beam, static_argnums=2)
greedy = jax.jit(best_path)
distance = jax.jit(edit_distance)
seeds = st.integers(0, 10**6)
strings = st.lists(st.integers(1, CLASSES - 1), max_size=4)


def drawn(seed, steps=STEPS):
    return np.random.default_rng(seed).normal(0, 2, (steps, CLASSES))


def padded(labels, size=4):
    return np.array([*labels, *[1] * (size - len(labels))], np.int32), np.array(len(labels))


@given(seeds, strings, st.integers(0, STEPS))
def test_it_is_the_sum_over_all_alignments(seed, labels, length):
    logits = drawn(seed)
    expected = twin.probabilities(logits[:length]).get(tuple(labels), 0.0)
    spoilt = logits.copy()
    spoilt[length:] = np.nan
    found = float(error(spoilt, *_order(padded(labels), length)))
    if expected:
        assert found == pytest.approx(-np.log(expected), rel=2e-5, abs=2e-6) and found >= 0
    else:
        assert found == np.inf
        assert not np.asarray(slope(spoilt, *_order(padded(labels), length))).any()


def _order(labels, length):
    return labels[0], np.array(length), labels[1]


def test_the_slope_is_that_of_finite_differences_and_0_behind_the_end(x64):
    logits, h = drawn(0), 1e-6
    given = _order(padded([1, 1]), 4)
    found = np.asarray(slope(logits, *given))
    for place in np.ndindex(logits.shape):
        up, down = logits.copy(), logits.copy()
        up[place] += h
        down[place] -= h
        middle = (float(error(up, *given)) - float(error(down, *given))) / (2 * h)
        assert float(found[place]) == pytest.approx(middle, abs=1e-8)
    assert not found[4:].any() and found[:4].all()


def test_a_sure_thing_never_has_a_negative_error():
    logits = np.float32(40 * np.eye(CLASSES)[[1] * 50])
    assert 0 <= float(error(logits, *_order(padded([1]), 50))) < 1e-4


def test_lanes_are_sequences_side_by_side(x64):
    logits = np.stack([drawn(s) for s in range(3)], axis=-1)
    labels = np.array([[1, 2, 1], [2, 2, 1]])
    length, size = np.array([5, 4, 2]), np.array([2, 0, 1])
    together = error(logits, labels, length, size)
    found, chance = numbers(beam(logits, length, 6))
    for lane in range(3):
        own = logits[..., lane], labels[:, lane], length[lane], size[lane]
        assert float(together[lane]) == pytest.approx(float(error(*own)), rel=1e-12)
        alone, own_chance = beam(own[0], own[2], 6)
        assert alone.labels.tolist() == found.labels[:, lane].tolist()
        assert float(own_chance) == pytest.approx(float(chance[lane]), rel=1e-12)


@given(seeds, st.integers(0, STEPS))
def test_a_wide_beam_finds_the_most_probable_labelling(seed, length):
    logits = drawn(seed)
    every = twin.probabilities(logits[:length])
    best = max(every, key=lambda labels: every[labels])
    found, chance = numbers(beam(logits, np.array(length), 64))
    assert tuple(found.labels[: int(found.length)].tolist()) == best
    assert float(chance) == pytest.approx(np.log(every[best]), rel=1e-4, abs=1e-5)
    assert not found.labels[int(found.length) :].any()
    narrow = float(beam(logits, np.array(length), 1)[1])
    assert narrow <= np.log(every[best]) + 1e-5


@given(seeds, st.integers(0, STEPS))
def test_the_best_path_spells_what_it_spells(seed, length):
    logits = drawn(seed)
    expected = twin.spelt(logits[:length].argmax(axis=1).tolist())
    found = numbers(greedy(logits, np.array(length)))
    assert tuple(found.labels[: int(found.length)].tolist()) == expected


def test_a_beam_can_beat_the_best_path():
    logits = np.log(np.float32([[0.6, 0.4], [0.6, 0.4]]))  # blank blank 0.36; the label 0.64
    assert int(greedy(logits, np.array(2)).length) == 0
    found, chance = beam(logits, np.array(2), 2)
    assert found.labels.tolist() == [1, 0] and float(np.exp(chance)) == pytest.approx(0.64)


@given(strings, strings)
def test_edit_distances_are_those_of_the_recursion(one, other):
    found = distance(Labelling(*padded(one)), Labelling(*padded(other)))
    assert int(found) == twin.edit_distance(one, other)


def test_the_loss_of_a_sequence_leaves_out_what_the_mask_leaves_out():
    targets = np.eye(CLASSES, dtype=np.float32)[[1, 2, 1, 2, 0]]
    mask = np.array([True, False, True, True, True])
    logits = np.float32(drawn(3))
    sequence = Sequence(logits, targets, targets, mask, np.array(5), "own", np.array(4))
    wanted, found = jax.jit(lambda s: (labelling(s), ctc.error(logits, s)))(sequence)
    assert wanted.labels.tolist() == [1, 1, 2, 0, 0] and int(wanted.length) == 3
    expected = error(logits, np.array([1, 1, 2]), np.array(5), np.array(3))
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"expected logits \(time, classes, \*lanes\).*\(3,\)"):
        ctc_error(
            jnp.zeros((5, 3, 2)), jnp.zeros((4, 3), int), jnp.zeros(3, int), jnp.zeros(3, int)
        )
    with pytest.raises(ValueError, match="width: expected at least 1, got 0"):
        prefix_beam(jnp.zeros((5, 3)), jnp.array(5), 0)
