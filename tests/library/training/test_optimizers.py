"""Any optimizer sees one trial's net: a trial in lanes is a plain loop, or is refused at once."""

from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from lstm_jax.cells.memory_block import memory_block
from lstm_jax.cells.topology import Topology
from lstm_jax.gradients import bptt, forward_traces
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.ops.activations import identity
from lstm_jax.tasks import adding, random_lag
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.stopping import streak
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Sequence, Task
from tests.support.bridge import KEY, assert_close, begin, lane, numbers
from tests.support.slow import quick

LANES, TICKS = 8, 6
NEVER = streak(10**6)


def matrices(params):
    """Where there are two axes: a mask that a lane more would turn round."""
    return jax.tree.map(lambda w: jnp.ndim(w) == 2, params)


STEPWISE = optax.piecewise_constant_schedule(0.5, {2: 0.1, 4: 0.1})
OPTIMIZERS = {
    "sgd": optax.sgd(0.5),
    "momentum": optax.sgd(0.5, momentum=0.9),
    "Nesterov": optax.sgd(0.5, momentum=0.9, nesterov=True),
    "adam": optax.adam(0.05),
    "adamw": optax.adamw(0.05, weight_decay=0.5),
    "adamw, matrices": optax.adamw(0.05, weight_decay=0.5, mask=matrices),
    "lamb": optax.lamb(0.05, weight_decay=0.1),
    "lars": optax.lars(0.5, weight_decay=0.1),
    "adafactor": optax.adafactor(0.05, min_dim_size_to_factor=2),
    "clip by global norm": optax.chain(optax.clip_by_global_norm(0.05), optax.sgd(0.5)),
    "adaptive clipping": optax.chain(optax.adaptive_grad_clip(0.01), optax.sgd(0.5)),
    "clip": optax.chain(optax.clip(0.01), optax.sgd(0.5)),
    "decay": optax.chain(optax.add_decayed_weights(0.1, mask=matrices), optax.sgd(0.5)),
    "normalised": optax.chain(optax.sgd(0.5), optax.normalize_by_update_norm(0.1)),
    "sm3": optax.sm3(0.1),
    "lion": optax.lion(0.01),
    "rmsprop": optax.rmsprop(0.01, centered=True),
    "adagrad": optax.adagrad(0.1),
    "adadelta": optax.adadelta(1.0),
    "yogi": optax.yogi(0.05),
    "apply every": optax.chain(optax.sgd(0.5), optax.apply_every(3)),
    "steps": optax.sgd(STEPWISE),
    "warmup": optax.adam(optax.warmup_cosine_decay_schedule(0.0, 0.1, 2, 6)),
    "centralised": optax.chain(optax.centralize(), optax.sgd(0.5)),
    "ema, trust ratio": optax.chain(
        optax.ema(0.9), optax.scale_by_trust_ratio(), optax.scale(-0.1)
    ),
}
DRAWING = {
    "add_noise": optax.chain(optax.add_noise(0.01, 0.55, key=0), optax.sgd(0.5)),
    "noisy_sgd": optax.noisy_sgd(0.1, key=0),
}
ASKING_MORE = {
    "polyak_sgd": optax.polyak_sgd(),
    "reduce_on_plateau": optax.contrib.reduce_on_plateau(),
    "lbfgs": optax.lbfgs(),
}
NET = readout(memory_block(Topology(1, (1, 1))), 1)


def draw(key) -> Sequence:
    """Three numbers, the last of which is to be seen in the output."""
    x = jax.random.uniform(key, (3, 1), minval=-1.0, maxval=1.0)
    target = 0.7 + x[-1:] / 4
    return Sequence(x, target, target, jnp.ones(1, bool), jnp.int32(3), "end")


TASK = Task(draw, 1, 1, 3)


def trial_of(optimizer, net=NET, task=TASK, rule=bptt):
    learner = gradient_descent(rule, squared_error, optimizer)
    config = TrialConfig(net, task, learner, within(0.01), NEVER, 10**6, 0)
    return make_trial(lambda _: config)


@lru_cache
def gradient(net, task, rule):
    """Of training sequence i of the trial that begins with a key: its loss, too."""
    learn = rule(net, squared_error)

    def of(key, i, params):
        # training sequences have the stream 1 of a trial's key
        return learn(params, task.sample(jax.random.fold_in(jax.random.fold_in(key, 1), i)))

    return jax.jit(of)


def plain_loop(optimizer, params, key, ticks: int, net=NET, task=TASK, rule=bptt):
    """Weights after so many sequences, by a loop in Python; and the outputs on the way."""
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        opt_state, update, outputs = optimizer.init(params), jax.jit(optimizer.update), []
        for i in range(ticks):
            found = gradient(net, task, rule)(key, i, params)
            updates, opt_state = update(found.grads, opt_state, params)
            params = optax.apply_updates(params, updates)
            outputs.append(found.outputs)
    return params, outputs


# one of each kind: rates of their own, schedules, norms of a leaf and of the net, masks
QUICK = {"adam", "adafactor", "clip by global norm", "decay", "steps"}


@pytest.mark.parametrize("name", quick(OPTIMIZERS, QUICK))
def test_a_trial_in_lanes_is_alone_is_a_plain_loop(name):
    optimizer = OPTIMIZERS[name]
    trial = trial_of(optimizer)
    several, alone = begin(trial, None, range(LANES)), begin(trial, None, [2])
    advance = jax.jit(trial.advance)
    together, one = (numbers(advance(block, TICKS)) for block in (several, alone))
    begun = lane(several.params, 2)
    expected, _ = plain_loop(optimizer, begun, jax.random.fold_in(KEY, 2), TICKS)
    assert_close(lane(one.params, 0), expected, 1e-5)
    assert_close(lane(together.params, 2), expected, 1e-5)
    for wrong in (begun, lane(together.params, 3)):  # controls: it learns, lanes differ
        with pytest.raises(AssertionError):
            assert_close(wrong, expected, 1e-4)


def test_control_all_lanes_at_once_are_another_net():
    several = begin(trial_of(OPTIMIZERS["sgd"]), None, range(LANES)).params
    grads = jax.tree.map(jnp.ones_like, several)
    for name in ("clip by global norm", "adaptive clipping", "lamb", "decay", "normalised"):
        optimizer = OPTIMIZERS[name]

        def updates(grads, params, optimizer=optimizer):
            return optimizer.update(grads, optimizer.init(params), params)[0]

        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            at_once = jax.jit(updates)(grads, several)
            each = jax.jit(jax.vmap(updates, -1, -1))(grads, several)
        assert not np.allclose(at_once.from_cell, each.from_cell, rtol=1e-3)


@pytest.mark.parametrize("optimizer", DRAWING.values(), ids=DRAWING)
def test_one_that_draws_is_refused(optimizer):
    with pytest.raises(ValueError, match="whose noise all trials would share; ") as refusal:
        trial_of(optimizer).init(KEY)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("optimizer", ASKING_MORE.values(), ids=ASKING_MORE)
def test_one_that_needs_more_than_gradients_is_refused(optimizer):
    with pytest.raises(ValueError, match=r"optimizer: expected one whose update\(") as refusal:
        trial_of(optimizer).init(KEY)
    assert "\n" not in str(refusal.value)


def test_the_curve_of_a_clipped_trial_is_that_of_a_plain_loop():
    """A hundred sequences of the adding problem, whose clipping bites at every step."""
    task, optimizer = adding(20), OPTIMIZERS["clip by global norm"]
    net = readout(memory_block(Topology(2, (2, 2))), 1, activation=identity)
    trial = trial_of(optimizer, net, task, forward_traces)
    advance, key = jax.jit(trial.advance), jax.random.key(1)
    keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(LANES))
    several = jax.jit(jax.vmap(trial.init, out_axes=-1))(keys)
    points = [advance(block, 100).curve.error[0, 0] for block in (several, lane(several, [0]))]
    _, outputs = plain_loop(
        optimizer, lane(several.params, 0), keys[0], 100, net, task, forward_traces
    )

    @jax.jit
    def goals(i):
        return task.sample(jax.random.fold_in(jax.random.fold_in(keys[0], 1), i)).goals

    errors = [abs(y - goals(i))[0, 0] for i, y in enumerate(outputs)]
    np.testing.assert_allclose(points, np.mean(errors), rtol=1e-5)


# ---------------------------------------------------------------- sparse learning

LAGS = random_lag(6, 5, most_extra=2)
SYMBOLIC = readout(memory_block(Topology(LAGS.inputs, (1,))), LAGS.outputs)


def begin_sparse(optimizer):
    learner = gradient_descent(bptt, squared_error, optimizer, sparse=True)
    config = TrialConfig(SYMBOLIC, LAGS, learner, within(0.01), NEVER, 10**6, 0)
    return make_trial(lambda _: config).init(KEY)


@pytest.mark.parametrize("name", sorted(set(OPTIMIZERS) - {"sgd"}))
def test_sparse_learning_refuses_what_it_would_get_wrong(name):
    with pytest.raises(ValueError, match="sparse learning needs an ") as refusal:
        begin_sparse(OPTIMIZERS[name])
    assert "\n" not in str(refusal.value)


def test_sparse_learning_accepts_plain_sgd():
    for optimizer in (OPTIMIZERS["sgd"], optax.scale(-0.1), optax.chain(optax.sgd(0.1))):
        assert begin_sparse(optimizer)
