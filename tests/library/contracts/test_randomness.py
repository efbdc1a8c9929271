"""Keys: noise of a net, of a rule, of its memory; never shared, never repeated, not in tests."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.cells.simple import fully_recurrent
from lstm_jax.gradients import bptt, rtrl
from lstm_jax.gradients.forward_mode import forward_rule
from lstm_jax.losses import squared_error
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.records import TESTING
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.types import GradientRule
from tests.support.slow import slow

from . import nets, toys
from .noise import uoro, uoro_parts, weight_noise
from .problems import gap, run_with, three

KEYS = jax.random.split(jax.random.key(5, impl="threefry2x32"), 6)
NEVER = recent(10_000, Criterion())
DROPOUT = nets.dropout(1, 16, 1)
SMALL = fully_recurrent(1, 3, 1)


def config(net, rule, *, rate=0.05, every_step=False, resets=True, **more) -> TrialConfig:
    learner = gradient_descent(
        rule, squared_error, optax.sgd(rate), every_step=every_step, resets=resets
    )
    given = {"stop": NEVER, "max_sequences": 100, "test_sequences": 0, **more}
    return TrialConfig(net, toys.shifted(0), learner, within(0.5), **given)


NOISY = {
    "noise on the weights of a net with dropout": config(DROPOUT, weight_noise(bptt, 0.1)),
    "uoro": config(SMALL, uoro),
    "uoro, on-line, without resets": config(SMALL, uoro, every_step=True, resets=False),
}


@pytest.mark.parametrize("name", slow(NOISY, ["uoro"]))
def test_a_trial_is_the_same_alone_and_beside_others(name, x64):
    build = lambda settings: NOISY[name]  # noqa: E731
    lanes = run_with(build, 8, KEYS[:3]).params
    others = run_with(build, 8, KEYS[jnp.array([1, 4, 5])]).params
    alone = run_with(build, 8, KEYS[1]).params
    for a, b, c in zip(*map(jax.tree.leaves, (lanes, others, alone)), strict=True):
        np.testing.assert_array_equal(a[..., 1], b[..., 0])
        np.testing.assert_allclose(a[..., 1], c, rtol=1e-12, atol=1e-14)
        assert not np.allclose(a[..., 0], a[..., 1])


def drawn() -> GradientRule:
    """A rule whose gradient is what it drew: one number a sequence, in every weight."""

    def sequence(net, loss):
        gradient = bptt(net, loss)

        def noisy(params, sequence, key):
            found = gradient(params, sequence, key)
            number = jax.random.uniform  # one a key, whatever the lanes
            for _ in range(key.ndim):
                number = jax.vmap(number, in_axes=-1, out_axes=-1)
            grads = jax.tree.map(lambda g: jnp.broadcast_to(number(key), g.shape), found.grads)
            return found._replace(grads=grads)

        return noisy

    return GradientRule("drawn", sequence=sequence, draws=True)


@pytest.mark.parametrize("batch", [None, 2])
def test_noise_is_another_in_every_trial_and_every_sequence(batch):
    build, ticks = (lambda _: config(SMALL, drawn(), rate=1.0, batch=batch)), 4
    biases = [run_with(build, n, KEYS).params.bias[0] for n in range(ticks + 1)]
    steps = np.diff(biases, axis=0)
    assert len(np.unique(steps.round(6))) == ticks * len(KEYS)


def test_evaluation_is_without_dropout():
    """A net that gets all right when whole, and not when half of it is left out."""

    def certain(net):
        def init(key):
            return (
                {"w": jnp.full((16, 1), 5.0), "b": jnp.zeros(16)},
                {"w": jnp.full((1, 16), 1 / 16), "b": jnp.zeros(1)},
            )

        return net._replace(init=init)

    # stops at once, then tests; a sequence is right within 0.1 of its goal
    stop, judge = recent(1, Criterion(wrong_below=2)), within(0.1)
    dropped = config(certain(DROPOUT), bptt, rate=0.0, stop=stop, test_sequences=20)
    state = run_with(lambda _: dropped._replace(judge=judge), 12, KEYS)
    assert state.phase.tolist() == [TESTING] * 6
    assert int(state.tally.sequences.sum()) > 0 and int(state.tally.wrong.sum()) == 0
    training = run_with(lambda _: dropped._replace(judge=judge, stop=NEVER), 12, KEYS)
    assert float(training.curve.total.value.min()) > 0.1 * 12  # control: training has dropout

    always = certain(DROPOUT)._replace(
        apply=lambda p, x, length, key=None: DROPOUT.apply(
            p, x, length, jax.random.split(jax.random.key(0), length.shape) if key is None else key
        )
    )
    noisy = dropped._replace(net=always, judge=judge)
    control = run_with(lambda _: noisy, 12, KEYS)
    assert int(control.tally.wrong.sum()) > 0


def test_uoro_is_rtrl_on_average(x64):
    sequence, samples = three(SMALL), 4000
    params = SMALL.init(jax.random.key(0))
    keys = jax.random.split(jax.random.key(1), (samples, 3))
    found = jax.jit(
        lambda k: jax.vmap(lambda k: uoro(SMALL, squared_error)(params, sequence, k).grads)(k)
    )(keys)
    exact = rtrl(SMALL, squared_error)(params, sequence).grads
    for draws, expected in zip(jax.tree.leaves(found), jax.tree.leaves(exact), strict=True):
        sigma = np.std(draws, axis=0) / np.sqrt(samples)
        assert np.all(np.abs(np.mean(draws, axis=0) - expected) < 5 * sigma + 1e-12)
        assert np.max(np.std(draws, axis=0)) > 1e-3
    assert gap(jax.tree.map(lambda d: d[0], found), exact) > 1e-3  # control: not each by itself


def test_a_rule_that_draws_without_a_key_is_refused():
    params, sequence = SMALL.init(jax.random.key(0)), three(SMALL)
    with pytest.raises(ValueError, match=r"uoro draws and needs a key.*got None") as refused:
        uoro(SMALL, squared_error)(params, sequence)
    assert "\n" not in str(refused.value)
    with pytest.raises(ValueError, match=r"uoro draws and needs a key"):
        uoro.online(SMALL, squared_error).init(params, (3,))
    with pytest.raises(
        ValueError, match=r"keys of shape \(3,\), the lanes.*got keys of shape \(\)"
    ):
        uoro(SMALL, squared_error)(params, sequence, jax.random.key(0))
    uoro(SMALL, squared_error)(params, sequence, jax.random.split(jax.random.key(0), 3))


def test_a_state_that_no_checkpoint_can_hold_is_refused():
    def begin(params, state, key):
        return key, state

    rule = forward_rule(
        "keeps a key", lambda net, loss: uoro_parts(net, loss)._replace(begin=begin), draws=True
    )
    with pytest.raises(ValueError, match=r"typed keys.*keep jax.random.key_data\(key\)"):
        run_with(lambda _: config(SMALL, rule, every_step=True, resets=False), 1, KEYS)
    run_with(lambda _: config(SMALL, uoro, every_step=True, resets=False), 1, KEYS)
