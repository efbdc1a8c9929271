"""Optimizers that look at a whole net see one lane's, as if it were alone."""

import jax
import numpy as np
import optax
import pytest

from lstm_jax.gradients import forward_traces
from lstm_jax.losses import squared_error
from lstm_jax.networks.readout import readout
from lstm_jax.ops.activations import identity
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import within
from lstm_jax.training.stopping import Criterion, recent

from . import toys
from .family import lstm
from .problems import gap, run_with

KEYS = jax.random.split(jax.random.key(2, impl="threefry2x32"), 3)
NET = readout(lstm(1, 3), outputs=1, activation=identity)
OPTIMIZERS = {
    "clipped by the global norm": optax.chain(optax.clip_by_global_norm(0.05), optax.sgd(0.5)),
    "decayed where there are two axes": optax.adamw(
        0.01, weight_decay=0.5, mask=lambda p: jax.tree.map(lambda w: w.ndim == 2, p)
    ),
    "LAMB": optax.lamb(0.01),
}
# all of them one after another, so that one program serves them
TOGETHER = optax.chain(
    optax.clip_by_global_norm(0.05),
    optax.adaptive_grad_clip(0.01),
    optax.lamb(0.01, weight_decay=0.5, mask=lambda p: jax.tree.map(lambda w: w.ndim == 2, p)),
)


@pytest.mark.parametrize("every_step", [False, True])
def test_a_lane_is_a_trial_alone(every_step, x64):
    learner = gradient_descent(forward_traces, squared_error, TOGETHER, every_step=every_step)
    stop = recent(10**6, Criterion())
    config = TrialConfig(NET, toys.shifted(-1), learner, within(0.5), stop, 10**5, 0)
    build = lambda _: config  # noqa: E731
    lanes, alone = run_with(build, 8, KEYS), run_with(build, 8, KEYS[1])
    assert gap(jax.tree.map(lambda leaf: leaf[..., 1], lanes.params), alone.params) < 1e-10


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_control_applied_to_all_lanes_at_once_it_is_another(name, x64):
    draw = np.random.default_rng(0)
    params, grads = (
        {"w": draw.normal(size=(2, 4, 3)), "b": draw.normal(size=(4, 3))} for _ in "pg"
    )
    optimizer = OPTIMIZERS[name]

    def update(params, grads):
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return optimizer.update(grads, optimizer.init(params), params)[0]

    first = lambda tree: jax.tree.map(lambda leaf: leaf[..., 1], tree)  # noqa: E731
    at_once, alone = first(update(params, grads)), update(first(params), first(grads))
    assert gap(at_once, alone) > 1e-4
