"""The plain loops do what our rivals do: after the same sequences the weights are the same."""

from functools import lru_cache
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments import loops, loops_cascade, loops_torch, timing_cascade, timing_rivals
from experiments.assembly import build, net, settings
from experiments.tables import ROWS
from lstm_jax.learning import Weights, learn
from lstm_jax.wiring import at_targets, unroll

NAMES = ("1-rtrl-3", "1-elman", "2a-rtrl-4-1", "2a-bptt-4-1", "2a-chunker-4-1")
NUMBER, ENOUGH, EPOCHS, CLOSE = 4, 100, 4, 1e-10


@lru_cache
def ours(name: str, number: int = NUMBER):
    """First weights, and those after some sequences, as tables; the rate."""
    row = timing_rivals.find(name)
    row.task()  # the sets of strings are made once for all tests, in single precision
    with jax.enable_x64(True):
        numbers = settings(row)
        experiment = build(row)(numbers)
        params = jax.tree.map(lambda w: 5 * w, experiment.net.init(jax.random.key(1)))
        keys = jax.random.split(jax.random.key(timing_rivals.SEED), number)

        @jax.jit
        def step(weights, key):
            return learn(experiment, weights, real(row.task().sample(key)), jnp.array(True))

        weights = Weights(params, experiment.optimizer.init(params), None)
        for key in keys:
            _, weights = step(weights, key)
        first, last = map(timing_rivals.tables, (params, weights.params))
        return first, last, float(numbers.rate), timing_rivals.drawn(row, number)


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
    loop = loops.LOOPS[timing_rivals.loop_of(timing_rivals.find(name))]
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
    loop = loops_torch.TORCH[timing_rivals.loop_of(timing_rivals.find(name))]
    found = go(loop, loops_torch.torch_start(first, rate), sequences, rate)
    assert gap([w.detach().numpy() for w in found.weights], list(last)) < CLOSE


def test_a_chunker_comes_to_expect_its_inputs():
    first, last, rate, sequences = ours("2a-chunker-4-1", ENOUGH)
    assert gap(go(loops.chunker, first, sequences, rate), last) < CLOSE
    for threshold in (0.0, 1.0):  # controls: nothing is expected, or all
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loops, "THRESHOLD", threshold)
            assert gap(go(loops.chunker, first, sequences, rate), last) > 1e-6


def test_a_guess_answers_as_ours_does(x64):
    row = ROWS["guess-3a-100-3"]
    cell, random = net(row), np.random.default_rng(0)
    shapes = jax.eval_shape(cell.init, jax.random.key(2))
    one = row.task().sample(jax.random.key(3))
    inputs = np.asarray(one.inputs[: int(one.length)])
    answer = jax.jit(lambda params: at_targets(unroll(cell, params, one.inputs)[1], one)[-1])
    for scale in (1.0, 100.0):
        params = jax.tree.map(lambda w, s=scale: s * random.uniform(-1, 1, w.shape), shapes)
        outputs, weights = answer(params), timing_rivals.tables(params)
        np.testing.assert_allclose(loops.lstm(weights, inputs), outputs, rtol=CLOSE, atol=1e-15)
        assert gap(loops.lstm(weights, inputs[:20]), np.asarray(outputs)) > 1e-6  # control


def test_a_guess_stays_while_it_is_right():
    weights = np.zeros((3, 5)), np.zeros((1, 1))  # answers 1/2
    random = np.random.default_rng(0)
    right, wrong = (loops.Drawn(np.ones((4, 1)), np.array([[goal]])) for goal in (0.6, 1.0))
    assert loops.guess(weights, right, random) is weights
    other = loops.guess(weights, wrong, random)
    assert [w.shape for w in other] == [(3, 5), (1, 1)] and np.max(abs(other[0])) > 50


def test_candidates_climb_as_ours_do():
    row = ROWS["1-rcc"]
    row.task()  # as above
    with jax.enable_x64(True):
        made = timing_cascade.candidates(row, most=4)
        state = jax.jit(made.begin)(jax.random.key(0))
        begun = timing_cascade.plain_cascade(state)
        after = timing_cascade.plain_cascade(jax.jit(made.trial.advance)(state, EPOCHS))
        strings = timing_cascade.string_by_string(made.training)
        together = [timing_cascade.all_strings(made.training)]
    assert len(begun.units) == 2 and np.all(after.pool != begun.pool)

    def climb(**options):
        climbed = begun
        for _ in range(EPOCHS):
            climbed = loops_cascade.candidates(climbed, **options)
        return gap(climbed.pool - begun.pool, after.pool - begun.pool)

    assert climb(groups=together) < 1e-8 and climb(groups=strings) < 1e-8
    for other in ({"mu": 1.9}, {"epsilon": 0.99}):  # controls
        assert climb(groups=together, **other) > 1e-4
