"""Learners of another kind run in the one trial machine, in lanes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from lstm_jax.tasks.sequences import at_end
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.judging import within
from lstm_jax.training.records import SOLVED
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Net, Task

from .learners import Annealing, GridSearch, Kalman
from .nets import affine, each_step
from .problems import run, run_with

WEIGHTS, BIAS = (0.75, -0.5), 0.25
KEYS = jax.random.split(jax.random.key(3, impl="threefry2x32"), 3)
STOP = recent(16, Criterion(error_below=0.1))


def straight() -> Task:
    """A plane: one step, one target."""

    def sample(key):
        x = jax.random.normal(key, (1, 2))
        return at_end(x, jnp.int32(1), x @ jnp.array(WEIGHTS) + BIAS)

    return Task(sample, inputs=2, outputs=1, steps=1)


LINEAR = Net(
    lambda key: affine(key, 1, 2),
    lambda params, inputs, length, key=None: each_step(params, inputs),
    inputs=2,
    outputs=1,
)
CASES = {
    "annealing": (Annealing(0.05, 0.995), 16),
    "Kalman filter": (Kalman(10.0, 0.01), None),
    "grid": (GridSearch(3, 1.0, 0.6), 16),
}


def config(name: str, **more) -> TrialConfig:
    learner, batch = CASES[name]
    given = {"max_sequences": 20_000, "test_sequences": 16, "batch": batch, **more}
    return TrialConfig(LINEAR, straight(), learner, within(0.5), STOP, **given)


BUILDS = {name: partial(lambda name, _: config(name), name) for name in CASES}


@pytest.mark.parametrize("name", CASES)
def test_it_learns_in_lanes_as_it_does_alone(name, x64):
    state = run_with(BUILDS[name], 1500, KEYS)
    assert state.phase.tolist() == [SOLVED] * 3
    (weights,) = np.moveaxis(np.asarray(state.params["w"]), -1, 1)
    np.testing.assert_allclose(weights, np.tile(np.array(WEIGHTS)[:, None], 3).T, atol=0.3)

    lanes, alone = run_with(BUILDS[name], 9, KEYS), run_with(BUILDS[name], 9, KEYS[1])
    for a, b in zip(*map(jax.tree.leaves, (lanes.learner, alone.learner)), strict=True):
        np.testing.assert_allclose(a[..., 1], b, rtol=1e-9, atol=1e-12)


def test_annealing_tells_what_it_kept(x64):
    trial = make_trial(BUILDS["annealing"])
    state = run_with(BUILDS["annealing"], 400, KEYS)
    kept = [trial.summary(jax.tree.map(lambda a: a[..., i], state))["kept"] for i in range(3)]  # noqa: B023
    assert all(0 < number < 400 for number in kept)


def test_the_filter_of_a_linear_net_is_regression(x64):
    """Recursive least squares ends where ridge regression from the first weights begins."""
    number, (learner, _) = 25, CASES["Kalman filter"]
    never = recent(10**6, Criterion())
    trial = make_trial(lambda _: config("Kalman filter", test_sequences=0)._replace(stop=never))
    begun = jax.jit(trial.init)(KEYS[0])
    state = jax.jit(trial.advance)(begun, number)
    first = np.append(begun.params["w"][0], begun.params["b"])

    @jax.jit
    @jax.vmap
    def seen(i):  # training sequences have the stream 1 of a trial's key
        return straight().sample(jax.random.fold_in(jax.random.fold_in(KEYS[0], 1), i))

    sequences = seen(jnp.arange(number))
    inputs = np.append(sequences.inputs[:, 0], np.ones((number, 1)), axis=1)
    targets = np.asarray(sequences.targets)[:, 0, 0]
    inverse = np.linalg.inv(inputs.T @ inputs / learner.noise + np.eye(3) / learner.prior)
    pull = inputs.T @ targets / learner.noise + first / learner.prior
    found = np.append(state.params["w"][0], state.params["b"])
    np.testing.assert_allclose(found, inverse @ pull, rtol=1e-6)
    np.testing.assert_allclose(state.learner.memory, matrix(inverse), rtol=1e-6, atol=1e-10)


def matrix(inverse):
    """In the order of `ravel_pytree`, which has the bias first."""
    order = [2, 0, 1]
    return inverse[np.ix_(order, order)]


def test_a_grid_gets_finer_around_its_best_point(x64):
    first, second = (run_with(BUILDS["grid"], 27 * n, KEYS).learner.memory for n in (1, 2))
    np.testing.assert_allclose(first.width, 0.6)
    np.testing.assert_allclose(second.width, 0.36)
    # of -1, 0 and 1 those next to (0.25, 0.75, -0.5): the bias first; -0.5 lies between two
    middles = np.asarray(first.middle).T.tolist()
    assert all(middle in ([0.0, 1.0, -1.0], [0.0, 1.0, 0.0]) for middle in middles)


def test_a_learner_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="batch: expected None of a Kalman filter, got 4"):
        run(config("Kalman filter", batch=4), ticks=1)
