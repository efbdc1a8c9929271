"""The plain loops do what our rivals do: after the same sequences the weights are the same."""

from functools import lru_cache
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.benchmarks import (
    cascade_speed,
    plain_loops,
    plain_loops_cascade,
    plain_loops_torch,
    rival_speed,
)
from experiments.methods.build import build
from experiments.methods.registry import net
from experiments.methods.trial_settings import settings
from experiments.paper.tables import ROWS
from lstm_jax.networks.unroll import at_targets, unroll
from lstm_jax.ops.fit import normalised
from lstm_jax.training.config import LaneConfigs

NAMES = ("1-rtrl-3", "1-elman", "2a-rtrl-4-1", "2a-bptt-4-1", "2a-chunker-4-1")
NUMBER, ENOUGH, EPOCHS, CLOSE = 4, 100, 4, 1e-10


@lru_cache
def ours(name: str, number: int = NUMBER):
    """First weights, and those after some sequences, as tables; the rate."""
    row = rival_speed.find(name)
    row.training.task()  # the sets of strings are made once for all tests, in single precision
    with jax.enable_x64(True):
        numbers = settings(row)
        lanes = LaneConfigs(build(row), numbers, 0)
        learner = lanes.together.learner
        state = learner.init(lanes.together, jax.random.key(1))
        state = begun = state._replace(params=jax.tree.map(lambda w: 5 * w, state.params))
        keys = jax.random.split(jax.random.key(rival_speed.SEED), number)

        @jax.jit
        def step(state, key):
            sequence = normalised(real(row.training.task().sample(key)))
            return learner.learn(lanes, state, sequence, jnp.array(True), None)

        for key in keys:
            _, state = step(state, key)
        first, last = map(rival_speed.tables, (begun.params, state.params))
        return first, last, float(numbers.rate), rival_speed.drawn(row, number)


def real(tree):
    """Numbers in the precision of the moment; others as they are."""
    return jax.tree.map(lambda a: a.astype(float) if a.dtype.kind == "f" else a, tree)


def go(learned, weights, sequences, rate):
    for one, _ in sequences:
        weights = learned(weights, one, rate)
    return weights


def gap(found, expected) -> float:
    """The largest difference, relative to the largest number of each table."""
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    return max(float(np.max(abs(a - b)) / np.max(abs(b))) for a, b in pairs)


@pytest.mark.parametrize("name", NAMES)
def test_a_loop_learns_what_ours_learns(name):
    first, last, rate, sequences = ours(name)
    loop = plain_loops.LOOPS[rival_speed.loop_of(rival_speed.find(name))]
    before = jax.tree.map(np.copy, first)
    assert gap(go(loop, first, sequences, rate), last) < CLOSE
    assert gap(first, before) == 0 and gap(last, first) > 1e-3
    # controls: another rate, or the sequences in another order
    assert gap(go(loop, first, sequences, 1.01 * rate), last) > 1e-6
    assert name.startswith("2a-bptt") or gap(go(loop, first, sequences[::-1], rate), last) > 1e-9


@pytest.mark.parametrize("name", ["1-elman", "2a-bptt-4-1"])
@pytest.mark.skipif(not find_spec("torch"), reason="torch is not installed")
def test_a_loop_of_torch_learns_the_same(name):
    first, last, rate, sequences = ours(name)
    loop = plain_loops_torch.TORCH[rival_speed.loop_of(rival_speed.find(name))]
    found = go(loop, plain_loops_torch.torch_start(first, rate), sequences, rate)
    assert gap([w.detach().numpy() for w in found.weights], list(last)) < CLOSE


def test_a_chunker_comes_to_expect_its_inputs():
    first, last, rate, sequences = ours("2a-chunker-4-1", ENOUGH)
    assert gap(go(plain_loops.chunker, first, sequences, rate), last) < CLOSE
    for threshold in (0.0, 1.0):  # controls: nothing is expected, or all
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(plain_loops, "THRESHOLD", threshold)
            assert gap(go(plain_loops.chunker, first, sequences, rate), last) > 1e-6


def test_a_guess_answers_as_ours_does(x64):
    row = ROWS["guess-3a-100-3"]
    cell, random = net(row), np.random.default_rng(0)
    shapes = jax.eval_shape(cell.init, jax.random.key(2))
    one = row.training.task().sample(jax.random.key(3))
    inputs = np.asarray(one.inputs[: int(one.length)])
    answer = jax.jit(lambda params: at_targets(unroll(cell, params, one.inputs)[1], one)[-1])
    for scale in (1.0, 100.0):
        params = jax.tree.map(lambda w, s=scale: s * random.uniform(-1, 1, w.shape), shapes)
        outputs, weights = answer(params), rival_speed.tables(params)
        np.testing.assert_allclose(
            plain_loops.lstm(weights, inputs), outputs, rtol=CLOSE, atol=1e-15
        )
        assert gap(plain_loops.lstm(weights, inputs[:20]), np.asarray(outputs)) > 1e-6  # control


def test_a_guess_stays_while_it_is_right():
    weights = np.zeros((3, 5)), np.zeros((1, 1))  # answers 1/2
    random = np.random.default_rng(0)
    right, wrong = (plain_loops.Drawn(np.ones((4, 1)), np.array([[goal]])) for goal in (0.6, 1.0))
    assert plain_loops.guess(weights, right, random) is weights
    other = plain_loops.guess(weights, wrong, random)
    assert [w.shape for w in other] == [(3, 5), (1, 1)] and np.max(abs(other[0])) > 50


def test_candidates_climb_as_ours_do():
    row = ROWS["1-rcc"]
    row.training.task()  # as above
    with jax.enable_x64(True):
        made = cascade_speed.candidates(row, most=4)
        state = jax.jit(made.begin)(jax.random.key(0))
        begun = cascade_speed.plain_cascade(state)
        after = cascade_speed.plain_cascade(jax.jit(made.trial.advance)(state, EPOCHS))
        strings = cascade_speed.string_by_string(made.training)
        together = [cascade_speed.all_strings(made.training)]
    assert len(begun.units) == 2 and np.all(after.pool != begun.pool)

    def climb(**options):
        climbed = begun
        for _ in range(EPOCHS):
            climbed = plain_loops_cascade.candidates(climbed, **options)
        return gap(climbed.pool - begun.pool, after.pool - begun.pool)

    assert climb(groups=together) < 1e-8 and climb(groups=strings) < 1e-8
    for other in ({"mu": 1.9}, {"epsilon": 0.99}):  # controls
        assert climb(groups=together, **other) > 1e-4
