"""A minibatch in a lane is what a plain loop with optax does; epochs go through a set."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.cells.simple import elman, fully_recurrent
from lstm_jax.gradients import bptt, forward_traces
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.ops.activations import identity
from lstm_jax.tasks import temporal_order
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.stopping import Criterion, recent, validation
from tests.support.slow import quick

from . import toys
from .family import lstm
from .problems import gap, run, run_with

KEYS = jax.random.split(jax.random.key(7, impl="threefry2x32"), 2)
NET = readout(lstm(1, 3), outputs=1, activation=identity)
SET = toys.epochs(toys.shifted(-1), 12)
NEVER = recent(10**6, Criterion())


def config(batch, rule=bptt, optimizer=optax.adam(0.02), **learning) -> TrialConfig:
    learner = gradient_descent(rule, squared_error, optimizer, **learning)
    return TrialConfig(NET, SET, learner, within(0.5), NEVER, 10**5, 0, batch=batch)


def stream(key):
    """The key from which a trial draws the order of its training set."""
    return jax.random.fold_in(key, 1)


@jax.jit
def gradient(params, key, number):
    """Of one sequence of the set, in a trial's order."""
    sequence = SET.training_set(stream(key), jnp.asarray(number, jnp.int32))
    return bptt(NET, squared_error)(params, sequence).grads


def plain_loop(params, key, batch: int, steps: int, optimizer):
    """Batch after batch of the set, lane by lane and sequence by sequence."""
    with jax.numpy_dtype_promotion("standard"):
        opt_state, update = optimizer.init(params), jax.jit(optimizer.update)
    for step in range(steps):
        found = [gradient(params, key, step * batch + i) for i in range(batch)]
        grads = jax.tree.map(lambda *g: sum(map(np.asarray, g)) / batch, *found)
        with jax.numpy_dtype_promotion("standard"):
            updates, opt_state = update(grads, opt_state, params)
        params = jax.tree.map(np.add, params, updates)
    return params


def lane(tree, i):
    return jax.tree.map(lambda leaf: leaf[..., i], tree)


@pytest.mark.parametrize("batch", [3, 12])
def test_it_is_a_plain_loop_over_batches(batch, x64):
    optimizer, build = optax.adam(0.02), lambda _: config(batch)
    begin, after = run_with(build, 0, KEYS), run_with(build, 6, KEYS)
    for i in range(2):
        expected = plain_loop(lane(begin.params, i), KEYS[i], batch, 6, optimizer)
        assert gap(lane(after.params, i), expected) < 1e-10
    other = plain_loop(lane(begin.params, 0), KEYS[1], batch, 6, optimizer)
    if batch < 12:  # control: the order is the trial's own
        assert gap(lane(after.params, 0), other) > 1e-6
    else:  # and a batch of the whole set has none
        assert gap(lane(after.params, 0), other) < 1e-9
    assert after.sequences.tolist() == [6 * batch] * 2


@pytest.mark.parametrize("rule", quick((bptt, forward_traces), [bptt]), ids=lambda r: r.name)
def test_a_batch_of_one_is_none(rule, x64):
    one, none = (run(config(batch, rule), 5) for batch in (1, None))
    assert gap(one.params, none.params) < 1e-12
    np.testing.assert_array_equal(one.sequences, none.sequences)
    np.testing.assert_allclose(one.curve.total.value, none.curve.total.value, rtol=1e-12)


def test_an_epoch_has_every_sequence_once_and_the_next_another_order():
    def order(key, epoch):
        numbers = epoch * 12 + jnp.arange(12)
        inputs = jax.jit(jax.vmap(lambda i: SET.training_set(key, i).inputs))(numbers)
        return np.asarray(inputs)[..., 0]

    first, second, other = order(KEYS[0], 0), order(KEYS[0], 1), order(KEYS[1], 0)
    rows = lambda a: sorted(map(tuple, np.asarray(a).tolist()))  # noqa: E731
    assert rows(first) == rows(second) == rows(other)
    assert not np.array_equal(first, second) and not np.array_equal(first, other)


def test_validation_goes_through_the_set_in_batches():
    stop = validation(12, 24, Criterion(wrong_below=99, error_below=0.0))
    build = lambda _: config(4)._replace(stop=stop)  # noqa: E731
    state = run_with(build, 6 + 2, KEYS)  # 24 training sequences, then 8 of the validation
    assert state.sequences.tolist() == [24, 24]
    assert state.tally.sequences.tolist() == [8, 8]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"rule": forward_traces, "every_step": True},
            "batch: expected None with every_step, got 3",
        ),
        ({"sparse": True, "optimizer": optax.sgd(0.1)}, "batch: expected None with sparse, got 3"),
    ],
)
def test_it_is_refused_where_sequences_cannot_go_together(given, message):
    with pytest.raises(ValueError, match=message) as refused:
        run_with(lambda _: config(3, **given), 1, KEYS)
    assert "\n" not in str(refused.value)


def test_every_source_of_sequences_is_checked_against_the_net():
    longer, other = toys.epochs(toys.corner(), 4), elman(2, 1, activation=identity)
    for source in ("training_set", "evaluation_set"):
        other_set = getattr(toys.epochs(toys.marked(), 4), source)
        size = 4 if source == "training_set" else 0
        task = toys.shifted(0)._replace(**{source: other_set}, training_size=size)
        with pytest.raises(ValueError, match=r"inputs: expected reals"):
            run_with(lambda _: config(None)._replace(task=task), 0, KEYS[0])  # noqa: B023
    run_with(lambda _: config(None)._replace(task=longer), 0, KEYS[0])
    with pytest.raises(ValueError, match=r"inputs: expected reals"):
        run_with(lambda _: config(None)._replace(net=other), 0, KEYS[0])


def test_symbols_go_in_batches(x64):
    task = temporal_order()
    net = fully_recurrent(task.inputs, 5, task.outputs)
    learner = gradient_descent(bptt, squared_error, optax.sgd(0.1))
    build = lambda _: TrialConfig(net, task, learner, within(0.5), NEVER, 99, 0, batch=3)  # noqa: E731
    assert run_with(build, 2, KEYS).sequences.tolist() == [6, 6]
