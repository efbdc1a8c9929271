"""Greedy and by beam, string by string against a search with lists in plain Python."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.lstm import lstm
from lstm_jax.networks.bidirectional import bidirectional
from lstm_jax.networks.decoder import teacher_forcing
from lstm_jax.networks.decoding import beam_search, greedy
from lstm_jax.networks.encoder_decoder import encoder_decoder
from tests.library.networks.test_attention import parameters, sequences, words_of, writer
from tests.reference import attention as twin
from tests.support.bridge import numbers, side_by_side
from tests.support.slow import slow

BEGIN, END, STEPS = 0, 1, 4
ASK = {"begin": BEGIN, "end": END, "steps": STEPS}
LENGTH = 4
WRITER = writer(3)


def given(seed):
    """Parameters that end strings at times, and one sequence."""
    params = parameters(3, seed)
    return params._replace(output=2 * params.output), sequences()[..., seed % 4]


@cache
def search(width, steps=STEPS):
    """Compiled once for all seeds."""
    ask = ASK | {"steps": steps}

    @jax.jit
    def run(params, encoded, length, state=None):
        given = WRITER, params, encoded, length
        if width is None:
            return greedy(*given, **ask, state=state)
        return beam_search(*given, **ask, width=width, state=state)

    return run


def padded(labels):
    return [*labels, *[END] * (STEPS - len(labels))]


@pytest.mark.parametrize("width", [None, 1, 2, 3, 5, 64])
def test_it_finds_what_lists_find(width, x64):
    """None is greedy; 64 = 4 ** 3 keeps every string."""
    run, ends = search(width), set()
    for seed in range(8):
        params, encoded = given(seed)
        found = run(params, encoded, jnp.array(LENGTH))
        kept = twin.beam(words_of(params), encoded[:LENGTH].tolist(), **ASK, width=width or 1)
        total, labels = kept[0]
        assert found.labels.tolist() == padded(labels)
        assert float(found.log_probability) == pytest.approx(total, abs=1e-10)
        assert int(found.length) == len([label for label in labels if label != END])
        ends.add(int(found.length))
    assert len(ends) > 1  # some strings end early


def test_control_beams_differ():
    """The seeds hold strings that a wider beam finds and greedy does not."""
    totals = []
    for seed in range(8):
        params, encoded = given(seed)
        words, steps = words_of(params), encoded[:LENGTH].tolist()
        totals.append([twin.beam(words, steps, **ASK, width=w)[0][0] for w in (1, 64)])
    assert any(wide > narrow + 1e-3 for narrow, wide in totals)
    assert all(wide >= narrow for narrow, wide in totals)


@pytest.mark.parametrize("width", [None, 3])
def test_its_probability_is_what_teaching_it_the_string_gives(width, x64):
    params, encoded = given(2)
    length = jnp.array(LENGTH)
    found = numbers(search(width)(params, encoded, length))
    previous = np.append(np.int32(BEGIN), found.labels[:-1])

    @jax.jit
    def logs_of(previous):
        seen = teacher_forcing(WRITER, params, encoded, length, previous)
        return jax.nn.log_softmax(seen.logits, axis=1)

    logs = np.asarray(logs_of(previous))
    upto = min(int(found.length) + 1, STEPS)
    total = sum(logs[t, int(found.labels[t])] for t in range(upto))
    assert float(found.log_probability) == pytest.approx(total, abs=1e-12)


@pytest.mark.parametrize("width", slow((None, 3), [3]))
def test_compiled_is_eager_and_a_given_state_matters(width):
    """Two steps: what is eager is slow."""
    params, encoded = jax.tree.map(np.float32, given(1))
    run, arguments = search(width, 2), (params, encoded, np.array(LENGTH))
    compiled = run(*arguments)
    with jax.disable_jit():
        eager = run.__wrapped__(*arguments)
    assert compiled.labels.dtype == compiled.length.dtype == jnp.int32
    assert compiled.log_probability.dtype == jnp.float32
    assert compiled.labels.tolist() == eager.labels.tolist()
    np.testing.assert_allclose(compiled.log_probability, eager.log_probability, rtol=1e-5)
    zero = numbers(WRITER.cell.initial_state((), jnp.float32))
    other = jax.tree.map(lambda leaf: leaf + 1, zero)
    same, changed = (run(*arguments, state).log_probability for state in (zero, other))
    np.testing.assert_allclose(same, compiled.log_probability, rtol=1e-5)
    assert abs(float(changed - same)) > 1e-3


@pytest.mark.parametrize("layout", ["own", "shared output"])
@pytest.mark.parametrize("width", [None, 2, 3])
def test_every_lane_may_have_weights_of_its_own(width, layout, x64):
    """Three lanes: a beam of 3 must not take the weights of lanes for those of its strings."""
    own = [given(seed)[0] for seed in range(3)]
    if layout != "own":
        own = [p._replace(output=own[0].output, bias=own[0].bias) for p in own]
    params = side_by_side(*own)
    if layout != "own":
        params = params._replace(output=own[0].output, bias=own[0].bias)
    encoded, length = sequences()[..., :3], np.array([4, 5, 2])
    run = search(width)
    found = numbers(run(params, encoded, length))
    for lane in range(3):
        alone = run(own[lane], encoded[..., lane], length[lane])
        assert found.labels[:, lane].tolist() == alone.labels.tolist()
        assert float(found.log_probability[lane]) == pytest.approx(float(alone.log_probability))
    other = run(own[1], encoded[..., 0], length[0])  # control: it matters whose weights
    assert abs(float(other.log_probability - found.log_probability[0])) > 1e-3


def test_two_axes_of_lanes_with_weights_of_their_own():
    own = [[given(2 * i + j)[0] for j in range(2)] for i in range(2)]
    params = jax.tree.map(
        lambda leaf: leaf.swapaxes(-1, -2),
        side_by_side(*[side_by_side(*row) for row in own]),
    )
    encoded, length = sequences().reshape(5, 2, 2, 2), np.full((2, 2), 4)
    params, encoded = jax.tree.map(np.float32, (params, encoded))
    found = numbers(search(3)(params, encoded, length))
    for i in range(2):
        for j in range(2):
            lane = jax.tree.map(lambda leaf, i=i, j=j: leaf[..., i, j], params)
            alone = search(3)(lane, encoded[..., i, j], length[i, j])
            assert found.labels[:, i, j].tolist() == alone.labels.tolist()


@pytest.mark.parametrize("name, value", [("begin", 4), ("begin", -1), ("end", 4), ("steps", 0)])
def test_strings_that_cannot_be_are_refused(name, value):
    params, encoded = given(0)
    asked, says = ASK | {name: value}, f"{name}: expected .*, got {value}"
    with pytest.raises(ValueError, match=says):
        greedy(WRITER, params, encoded, jnp.array(LENGTH), **asked)
    with pytest.raises(ValueError, match=says):
        beam_search(WRITER, params, encoded, jnp.array(LENGTH), **asked, width=2)
    with pytest.raises(ValueError, match=says):
        encoder_decoder(bidirectional(lstm(3, 1), lstm(3, 1)), WRITER, **asked)


@pytest.mark.parametrize("previous", [jnp.array([0.0, 2.0]), jnp.zeros((2, 3), jnp.int32)])
def test_labels_that_do_not_fit_are_refused(previous):
    params, encoded = given(0)
    with pytest.raises(ValueError, match=r"previous: expected integers \(steps, \*lanes\)"):
        teacher_forcing(WRITER, params, encoded, jnp.array(LENGTH), previous)
