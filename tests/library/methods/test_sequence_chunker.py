"""The sequence chunker: against its twin, and as two nets that learn each for itself."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.cells.memory_block import Initialization, memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import bptt, forward_traces, rtrl
from lstm_jax.losses import squared_error
from lstm_jax.methods.sequence_chunker import TwoNets, sequence_chunker
from lstm_jax.networks.readout import readout
from lstm_jax.networks.unroll import unroll
from lstm_jax.tasks import fixed_distractors
from tests.library.methods.one_unit import (
    STEPS,
    SYMBOLS,
    one_hot,
    one_unit_net,
    problem,
    to_params,
    to_weights,
)
from tests.reference import chunker as twin
from tests.support.bridge import assert_close, assert_same, lane, numbers, side_by_side

A = one_unit_net(SYMBOLS, SYMBOLS + 1)
A_WHOLE = one_unit_net(SYMBOLS, SYMBOLS + 1 + SYMBOLS)
C = one_unit_net(SYMBOLS, SYMBOLS)
SOME = 0.85  # a threshold at which the problems' untrained nets expect some inputs and some not
GAPS = np.array([1, 1, 0, 1, 1, 1, 0, 0, 1], bool)


@lru_cache
def steps_of(threshold: float, imitation: float = 1.0, whole_state: bool = False):
    """The pair of functions, the second one compiled."""
    options = {"threshold": threshold, "imitation": imitation, "whole_state": whole_state}
    net, rule = sequence_chunker(A_WHOLE if whole_state else A, C, rtrl, **options)
    steps = rule.online(net, squared_error)
    return steps._replace(update=jax.jit(steps.update))


def ask(seed: int, mask=None, further: int = 1):
    """Parameters, and inputs, targets and mask of every step that has something to predict."""
    given = problem(seed, mask, further)
    params = TwoNets(to_params(given.automatizer), to_params(given.chunker))
    return params, (given.symbols[:-1], one_hot(given.symbols[1:]), given.mask)


def walk(params, sequence, steps, rate=1.0, lanes=()):
    """Every step's `LossAndGrads`, which symbols were unexpected, and the weights after."""
    memory, learned = steps.init(params, lanes), []
    news = [memory.unexpected]
    for moment in zip(*sequence, strict=True):
        memory, now = steps.update(params, memory, *moment)
        params = jax.tree.map(lambda w, g: w - rate * np.asarray(g), params, now.grads)
        learned.append(now)
        news.append(memory.unexpected)
    return learned, np.stack(news), params


# ---------------------------------------------------------------- against the twin


@pytest.mark.parametrize("mask", [None, GAPS], ids=["everywhere", "gaps"])
@pytest.mark.parametrize("rate", [0.0, 1.0], ids=["still", "moving"])
def test_every_step_is_the_twins(rate, mask, tolerance):
    assert_steps_agree(SOME, 0.5, rate, mask, tolerance)


@pytest.mark.parametrize("threshold", [0.0, np.inf], ids=["nothing expected", "all expected"])
def test_every_step_is_the_twins_at_the_extremes(threshold, x64):
    assert_steps_agree(threshold, 1.0, 1.0, None, 1e-10)


def test_every_step_is_the_twins_where_outputs_are_state(x64):
    assert_steps_agree(SOME, 0.5, 1.0, GAPS, 1e-10, whole_state=True)


def assert_steps_agree(threshold, imitation, rate, mask, tolerance, whole_state=False) -> None:
    for seed in (11, 12):
        options = mask, 1 + SYMBOLS * whole_state
        given, steps = problem(seed, *options), steps_of(threshold, imitation, whole_state)
        learned, news, params = walk(*ask(seed, *options), steps, rate)
        expected, *weights = twin.chunk(*given, rate, threshold, imitation)
        assert news[:-1].tolist() == [step.taken_in for step in expected]
        assert news.all() == (threshold == 0) and news[1:].any() == (threshold < np.inf)
        for found, step in zip(learned, expected, strict=True):
            np.testing.assert_allclose(found.loss, step.error, rtol=tolerance)
            np.testing.assert_allclose(found.outputs, step.predictions, rtol=tolerance)
            grads = [to_weights(of_one) for of_one in found.grads]
            assert_close(grads, [step.automatizer, step.chunker], tolerance)
        assert_close([to_weights(of_one) for of_one in params], weights, tolerance)


def test_another_threshold_or_imitation_is_another_walk(x64):  # control of the twin's test
    expected = twin.chunk(*problem(11), 1.0, SOME, 0.5)
    for threshold, imitation in ((0.5, 0.5), (SOME, 0.49)):
        _, _, params = walk(*ask(11), steps_of(threshold, imitation))
        with pytest.raises(AssertionError):
            assert_close(to_weights(params.automatizer), expected[1], 1e-6)


# ---------------------------------------------------------------- two nets, each for itself


def alone(net, params, inputs, targets, rule=rtrl):
    """What a net becomes that learns at every step of a sequence."""
    steps = rule.online(net, squared_error)
    memory, update = steps.init(params), jax.jit(steps.update)
    for x, target in zip(inputs, targets, strict=True):
        memory, learned = update(params, memory, x, target, True)
        params = jax.tree.map(lambda w, g: w - np.asarray(g), params, learned.grads)
    return params


def test_the_chunker_is_a_net_that_reads_the_compressed_sequence(x64):
    """One unexpected input after the other, as if nothing were between them."""
    params, sequence = ask(13)
    _, news, after = walk(params, sequence, steps_of(SOME))
    assert_reads_what_it_takes_in(C, rtrl, params, sequence, news, after)


def test_any_cells_and_any_rule_will_do(x64):
    """Two nets of memory cells, each trained by the truncated gradient."""
    cell = memory_block(Topology(inputs=SYMBOLS, blocks=(1,)), Initialization(3.0))
    kept = sum(leaf.size for leaf in jax.tree.leaves(cell.initial_state()))
    nets = [readout(cell, outputs, init_scale=3.0) for outputs in (SYMBOLS + kept, SYMBOLS)]
    net, rule = sequence_chunker(*nets, forward_traces, threshold=0.9)
    steps = rule.online(net, squared_error)
    params, (_, sequence) = jax.jit(net.init)(jax.random.key(2)), ask(13)
    walked = walk(params, sequence, steps._replace(update=jax.jit(steps.update)))
    assert_reads_what_it_takes_in(nets[1], forward_traces, params, sequence, *walked[1:])


def assert_reads_what_it_takes_in(net, rule, params, sequence, news, after) -> None:
    symbols = problem(13).symbols[news]
    assert 2 < len(symbols) < STEPS
    expected = alone(net, params.chunker, symbols[:-1], one_hot(symbols[1:]), rule)
    assert_close(after.chunker, expected, 1e-12)
    whole = alone(net, params.chunker, *sequence[:2], rule)  # control: it reads everything
    with pytest.raises(AssertionError):
        assert_close(after.chunker, whole, 1e-6)


def test_without_imitation_the_automatizer_is_alone(x64):
    params, sequence = ask(13)
    _, _, after = walk(params, sequence, steps_of(SOME, 0.0))
    lonely = params.automatizer._replace(
        from_cell=params.automatizer.from_cell[:SYMBOLS],
        from_inputs=params.automatizer.from_inputs[:SYMBOLS],
    )
    expected = alone(C, lonely, *sequence[:2])
    assert_close(after.automatizer.cell, expected.cell, 1e-12)
    assert_close(after.automatizer.from_inputs[:SYMBOLS], expected.from_inputs, 1e-12)
    assert_same(after.automatizer.from_cell[SYMBOLS:], params.automatizer.from_cell[SYMBOLS:])
    _, _, taught = walk(params, sequence, steps_of(SOME))  # control
    with pytest.raises(AssertionError):
        assert_close(taught.automatizer.cell, expected.cell, 1e-6)


@pytest.mark.parametrize("threshold, changes", [(np.inf, False), (SOME, True)])
def test_a_chunker_that_is_never_fed_never_changes(threshold, changes):
    params, sequence = ask(13)
    _, news, after = walk(params, sequence, steps_of(threshold))
    assert news[0] and news[1:].any() == changes  # the first input is always news
    pairs = zip(jax.tree.leaves(after.chunker), jax.tree.leaves(params.chunker), strict=True)
    assert any(not np.array_equal(*pair) for pair in pairs) == changes
    assert not np.array_equal(after.automatizer.from_inputs, params.automatizer.from_inputs)


# ---------------------------------------------------------------- invariances


def test_padding_teaches_nothing(x64):
    params, (symbols, targets, mask) = ask(15)
    longer = np.append(symbols, [3, 3, 0]), np.append(targets, 7 + targets[:3], axis=0)
    padded = (*longer, np.append(mask, [False] * 3))
    learned, _, expected = walk(params, (symbols, targets, mask), steps_of(SOME))
    more, _, found = walk(params, padded, steps_of(SOME))
    assert_same(found, expected)
    assert_same(numbers(more[:STEPS]), numbers(learned))
    assert all(step.loss == 0 for step in more[STEPS:])
    heard = (*longer, np.append(mask, [True] * 3))  # control
    with pytest.raises(AssertionError):
        assert_same(walk(params, heard, steps_of(SOME))[2], expected)


@pytest.mark.parametrize("shared", [False, True], ids=["own weights", "shared weights"])
def test_lanes_are_a_loop(shared, x64):
    given = [ask(seed, mask) for seed, mask in ((16, None), (17, GAPS), (18, None))]
    if shared:
        given = [(given[0][0], sequence) for _, sequence in given]
    params = given[0][0] if shared else side_by_side(*(one[0] for one in given))
    sequence = side_by_side(*(one[1] for one in given))
    rate = 0.0 if shared else 1.0
    found, news, _ = walk(params, sequence, steps_of(SOME), rate, (3,))
    singles = [walk(*one, steps_of(SOME), rate) for one in given]
    np.testing.assert_array_equal(news, np.stack([one[1] for one in singles], axis=-1))
    assert len(np.unique(news, axis=1).T) == 3  # the lanes' chunkers read different things
    for t, learned in enumerate(found):
        expected = side_by_side(*(one[0][t] for one in singles))
        if shared:
            summed = jax.tree.map(lambda leaf: np.sum(leaf, -1), expected.grads)
            expected = expected._replace(grads=summed)
        assert_close(learned, expected, 1e-13)
    with pytest.raises(AssertionError):
        assert_close(lane(learned.outputs, 0), lane(learned.outputs, 1), 1e-6)


def test_vmap_and_jit_change_nothing(x64):
    given = [ask(seed) for seed in (16, 17)]
    params = side_by_side(*(one[0] for one in given))
    moment = side_by_side(*(tuple(leaf[0] for leaf in one[1]) for one in given))
    steps = steps_of(SOME)
    memory = steps.init(params, (2,))
    expected = steps.update(params, memory, *moment)
    assert_close(steps.update.__wrapped__(params, memory, *moment), expected, 1e-14)
    mapped = jax.jit(jax.vmap(steps.update, in_axes=-1, out_axes=-1))
    assert_close(mapped(params, memory, *moment), expected, 1e-14)


def test_a_scan_may_carry_it():
    params, sequence = ask(19)
    steps = steps_of(SOME)

    def body(carry, moment):
        params, memory = carry
        memory, learned = steps.update(params, memory, *moment)
        return (jax.tree.map(lambda w, g: w - g, params, learned.grads), memory), learned.loss

    scan = jax.jit(lambda *given: jax.lax.scan(body, *given))
    (found, _), losses = scan((params, steps.init(params)), sequence)
    learned, _, expected = walk(params, sequence, steps)
    assert_close(found, expected, 1e-4)
    np.testing.assert_allclose(losses, [step.loss for step in learned], rtol=1e-4)


# ---------------------------------------------------------------- the net, and its errors


def test_the_net_predicts_what_the_rule_predicts(x64):
    net, _ = sequence_chunker(A, C, rtrl)
    params, sequence = ask(20)
    learned, _, _ = walk(params, sequence, steps_of(SOME), rate=0.0)
    state = net.initial_state(dtype=np.float64)
    for x, step in zip(sequence[0], learned, strict=True):
        state, y = net.step(params, state, x)
        np.testing.assert_allclose(y, step.outputs, rtol=1e-14)
    assert (net.inputs, net.outputs) == (SYMBOLS, SYMBOLS)


def test_weights_are_as_many_as_the_paper_says():
    """Table 2 counts one of the two nets: that with the additional output."""
    nets = one_unit_net(101, outputs=102), one_unit_net(101, outputs=101)
    params = numbers(jax.jit(sequence_chunker(*nets, rtrl).net.init)(jax.random.key(0)))
    counts = [sum(leaf.size for leaf in jax.tree.leaves(net)) for net in params]
    assert counts == [10506, 10404]
    drawn = params.chunker.from_inputs, params.automatizer.from_inputs[:101]
    assert not np.array_equal(*drawn)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="write outputs=6"):
        sequence_chunker(C, C, rtrl)
    with pytest.raises(ValueError, match="write outputs=11"):
        sequence_chunker(A, C, rtrl, whole_state=True)
    with pytest.raises(ValueError, match="with an on-line form, rtrl say, got bptt"):
        sequence_chunker(A, C, bptt)
    with pytest.raises(ValueError, match="read and predict the same symbols"):
        sequence_chunker(A, A, rtrl)
    steps = steps_of(SOME)
    params, (_, targets, mask) = ask(11)
    with pytest.raises(ValueError, match="integer symbols"):
        steps.update(params, steps.init(params), jnp.ones(SYMBOLS), targets[0], mask[0])


# ---------------------------------------------------------------- what it is good for


def solved(p: int, imitation: np.ndarray, sequences: int) -> np.ndarray:
    """Which trials on experiment 2a, in lanes, predict every symbol of both strings."""
    symbols, lanes = p + 1, imitation.size
    nets = one_unit_net(symbols, symbols + 1), one_unit_net(symbols, symbols)
    net, rule = sequence_chunker(*nets, rtrl, threshold=0.05, imitation=imitation)
    steps, task = rule.online(net, squared_error), fixed_distractors(p)

    def sequence(params, key):
        drawn = jax.vmap(task.sample, out_axes=-1)(jax.random.split(key, lanes))
        start = params, steps.init(params, (lanes,))
        (params, _), _ = jax.lax.scan(step, start, (drawn.inputs, drawn.targets, drawn.mask))
        return params, None

    def step(carry, moment):
        params, memory = carry
        memory, learned = steps.update(params, memory, *moment)
        return (jax.tree.map(jnp.subtract, params, learned.grads), memory), None

    @jax.jit
    def trials(key):
        params = jax.vmap(net.init, out_axes=-1)(jax.random.split(key, lanes))
        params, _ = jax.lax.scan(sequence, params, jax.random.split(key, sequences))
        strings = jnp.array([[edge, *range(p - 1), edge] for edge in (p - 1, p)]).T
        strings = jnp.broadcast_to(strings[..., None], (p + 1, 2, lanes))
        each = jax.vmap(lambda string: unroll(net, params, string)[1], in_axes=1, out_axes=-1)
        goals = jax.nn.one_hot(strings[1:], symbols, axis=1)
        error = jnp.abs(each(strings[:-1]) - jnp.swapaxes(goals, 2, 3))
        return jnp.max(error, axis=(0, 1, 3)) < 0.25

    return np.asarray(trials(jax.random.key(3)))


def test_it_learns_a_lag_that_its_automatizer_alone_does_not_learn():
    taught = np.arange(32) < 16
    found = solved(4, np.where(taught, 10.0, 0.0), 7_000)
    assert found[taught].sum() >= 8
    assert not found[~taught].any()  # control: the others do not hear from C
