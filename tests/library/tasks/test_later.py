"""Tasks of later nets: what they promise, and strings that a recogniser of its own accepts."""

import re

import jax
import numpy as np
import pytest

from lstm_jax.conformance import check_task
from lstm_jax.tasks import (
    continual_reber,
    copying,
    counting_language,
    embedded_reber,
    generated_spikes,
    measured_spikes,
    unsegmented,
)
from lstm_jax.tasks.reber import SYMBOLS

TASKS = {
    "continual Reber": continual_reber(),
    "copying": copying(4, 1, 5, steps=7),
    "reversal": copying(4, 2, 5, backwards=True),
    "a^n b^n": counting_language(2, 1, 4, test_most=6),
    "a^n b^n c^n": counting_language(3, 1, 4),
    "unsegmented": unsegmented(3),
    "measured spikes": measured_spikes(3, 3, 4),
    "generated spikes": generated_spikes(3, 2, 3),
}


def many(task, number=40):
    """Sequences in front."""
    keys = jax.random.split(jax.random.key(0), number)
    drawn = jax.device_get(jax.jit(jax.vmap(task.sample))(keys))
    return [jax.tree.map(lambda leaf, i=i: leaf[i], drawn) for i in range(number)]


@pytest.mark.parametrize("name", TASKS)
def test_it_keeps_its_contract(name):
    check_task(TASKS[name])


def test_a_stream_of_strings_wants_the_next_one_to_begin():
    keys = jax.random.key(0)
    plain, stream = embedded_reber().sample(keys), continual_reber().sample(keys)
    last = int(plain.length) - 1
    assert (plain.inputs == stream.inputs).all()
    assert (plain.targets == stream.targets.at[last].set(plain.targets[last])).all()
    assert stream.targets[last].argmax() == stream.goals[last].argmax() == SYMBOLS.index("B")
    assert stream.goals[last].sum() == 1 and stream.mask.sum() == plain.mask.sum() + 1


@pytest.mark.parametrize("backwards", [False, True])
def test_what_is_written_is_what_was_read(backwards):
    seen = set()
    for one in many(copying(4, 2, 5, backwards=backwards, steps=6)):
        length = int(one.length)
        read = one.inputs[:length].tolist()
        written = one.targets.argmax(axis=1)[: length + 1].tolist()
        assert written == [*(read[::-1] if backwards else read), 1] and min(read) >= 2
        assert (
            one.mask.tolist() == [t <= length for t in range(7)] and one.target_length == length + 1
        )
        seen.add(length)
    assert seen == {2, 3, 4, 5}


def test_the_evaluation_set_has_every_length_in_turn():
    task = copying(4, 2, 5)
    assert [int(task.evaluation_set(i).length) for i in range(6)] == [2, 3, 4, 5, 2, 3]
    counted = counting_language(2, 1, 4, test_most=6)
    assert [int(counted.evaluation_set(i).length) for i in range(7)] == [3, 5, 7, 9, 11, 13, 3]


@pytest.mark.parametrize("letters", [2, 3])
def test_a_language_is_counted(letters):
    """Legal is what some word of the language goes on with, by a list of all of them."""
    most = 4
    words = ["0" + "".join(str(k) * n for k in range(1, letters + 1)) + "0" for n in range(1, 20)]
    for one in many(counting_language(letters, 1, most), 12):
        word = "".join(map(str, one.inputs[: int(one.length)]))
        assert re.fullmatch("0" + "".join(f"{k}+" for k in range(1, letters + 1)), word)
        for t in range(len(word)):
            after = {int(w[t + 1]) for w in words if w.startswith(word[: t + 1])}
            assert set(np.flatnonzero(one.goals[t])) == after
        assert not one.mask[len(word) :].any()


def test_ramps_are_where_the_labels_say():
    """Without noise, the ramps are read off the signal by a plain loop."""
    for one in many(unsegmented(3, noise=0.0)):
        wanted = one.targets.argmax(axis=1)[: int(one.target_length)].tolist()
        signal, found, t = one.inputs[: int(one.length)], [], 0
        while t < len(signal):
            run = next(
                (
                    n
                    for n in range(6, 2, -1)
                    for c in (0, 1)
                    for up in (1, -1)
                    if t + n <= len(signal)
                    and np.allclose(signal[t : t + n, c][::up], np.arange(n) / (n - 1), atol=1e-6)
                ),
                None,
            )
            if run is None:
                t += 1
                continue
            channel = int(signal[t : t + run].sum(axis=0).argmax())
            found.append(1 + 2 * channel + int(signal[t, channel] > 0.5))
            t += run
        assert found == wanted


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: copying(shortest=3, longest=2), "shortest must be a whole number from 1 to 2"),
        (lambda: counting_language(1), "letters must be a whole number from 2"),
        (lambda: unsegmented(noise=-1), "noise: expected a number from 0 on, got -1"),
        (lambda: unsegmented(0), "most must be a whole number from 1"),
        (lambda: continual_reber(3), "steps must be a whole number from 9"),
    ],
)
def test_nonsense_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_every_spike_but_the_first_is_asked_how_long_ago_the_last_one_was():
    seen = set()
    for one in many(measured_spikes(shortest=4, choices=3, spikes=5)):
        (at,) = np.nonzero(one.inputs[:, 0])
        intervals = np.diff(at)
        assert at[0] == 0 and len(at) == 5 and int(one.length) == at[-1] + 1
        assert np.nonzero(one.mask)[0].tolist() == at[1:].tolist()
        np.testing.assert_array_equal(one.targets[at[1:], 0], (intervals - 4) / 2)
        seen |= set(intervals.tolist())
    assert seen == {4, 5, 6}


def test_spikes_come_as_often_as_the_input_tells():
    seen = set()
    for one in many(generated_spikes(shortest=4, choices=3, spikes=3)):
        interval = 4 + round(2 * float(one.inputs[0, 0]))
        assert int(one.length) == one.mask.sum() == 3 * interval
        (at,) = np.nonzero(one.targets[:, 0])
        assert at.tolist() == [interval - 1, 2 * interval - 1, 3 * interval - 1]
        assert len(set(one.inputs[:, 0].tolist())) == 1
        seen.add(interval)
    assert seen == {4, 5, 6}


@pytest.mark.parametrize("task", [measured_spikes, generated_spikes])
@pytest.mark.parametrize("wrong", [{"shortest": 1}, {"choices": 1}, {"spikes": 1.5}], ids=str)
def test_spikes_that_are_none_are_refused(task, wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be a whole number"):
        task(**wrong)
