"""Learners that are no gradient descent: annealing, a Kalman filter, a grid refined and refined.

Each sees one lane at a time by `LaneConfigs.each`.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from lstm_jax.losses import squared_error
from lstm_jax.networks.unroll import predict
from lstm_jax.ops.lanes import tree_where
from lstm_jax.training.config import LearnerState, Lesson


def mean_error(outputs, sequence):
    """Squared error a sequence, `(*lanes)` or with a batch before them."""
    errors = squared_error(jnp.moveaxis(outputs, 1, 0), jnp.moveaxis(sequence.targets, 1, 0))
    return jnp.sum(jnp.where(sequence.mask, errors, 0), axis=0)


class Searching:
    """What learners that only try weights share; `one` is the lesson of a single lane."""

    draws = False
    in_turn = False

    def predict(self, config, state, sequence):
        return config.predict(state.params, sequence)

    def learn(self, lanes, state, sequence, active, key):
        args = (state, sequence) if key is None else (state, sequence, key)
        lesson, after = lanes.each(lambda config, *args: self.one(config, *args), *args)
        return lesson, tree_where(active, after, state)

    def summary(self, state) -> dict[str, Any]:
        return {}

    def one(self, config, *args) -> tuple[Lesson, LearnerState]:
        raise NotImplementedError


class Annealing(Searching, NamedTuple("Annealing", [("width", float), ("cooling", float)])):
    """Random changes, kept if they are better, and sometimes if they are not."""

    draws = True

    def init(self, config, key):
        return LearnerState(
            config.net.init(key), {"temperature": jnp.ones(()), "kept": jnp.zeros((), jnp.int32)}
        )

    def one(self, config, state, sequences, keys):
        key = keys[0] if keys.ndim else keys
        change, accept = jax.random.split(key)
        flat, rebuild = ravel_pytree(state.params)
        tried = rebuild(flat + self.width * jax.random.normal(change, flat.shape, flat.dtype))
        outputs, others = (predict(config.net, p, sequences) for p in (state.params, tried))
        worse = jnp.mean(mean_error(others, sequences) - mean_error(outputs, sequences))
        chance = jnp.exp(-worse / state.memory["temperature"])
        keep = jax.random.uniform(accept) < chance
        memory = {
            "temperature": self.cooling * state.memory["temperature"],
            "kept": state.memory["kept"] + keep.astype(jnp.int32),
        }
        after = LearnerState(tree_where(keep, tried, state.params), memory)
        return Lesson(outputs, mean_error(outputs, sequences)), after

    def summary(self, state):
        return {"kept": int(state.memory["kept"])}


class Kalman(Searching, NamedTuple("Kalman", [("prior", float), ("noise", float)])):
    """The extended Kalman filter; its memory is the covariance `(weights, weights)`."""

    def init(self, config, key):
        if config.batch is not None:
            raise ValueError(f"batch: expected None of a Kalman filter, got {config.batch}")
        params = config.net.init(key)
        return LearnerState(params, self.prior * jnp.eye(len(ravel_pytree(params)[0])))

    def one(self, config, state, sequence):
        flat, rebuild = ravel_pytree(state.params)
        covariance = state.memory

        def of(flat):
            return predict(config.net, rebuild(flat), sequence)

        outputs, slopes = of(flat), jax.jacrev(of)(flat).reshape(-1, len(flat))
        heard = jnp.repeat(sequence.mask, outputs.shape[1])
        slopes = jnp.where(heard[:, None], slopes, 0)
        missing = jnp.where(heard, (sequence.targets - outputs).reshape(-1), 0)
        among = slopes @ covariance @ slopes.T + self.noise * jnp.eye(len(slopes))
        gain = jnp.linalg.solve(among, slopes @ covariance).T
        after = LearnerState(
            rebuild(flat + gain @ missing), covariance - gain @ slopes @ covariance
        )
        return Lesson(outputs, mean_error(outputs, sequence)), after


class Searched(NamedTuple):
    """Of the present grid: the next point, the best point so far and its error, the middle."""

    next: Any
    best: Any
    least: Any
    middle: Any
    width: Any


class GridSearch(
    Searching, NamedTuple("GridSearch", [("points", int), ("width", float), ("shrink", float)])
):
    """All weights on a grid, one point a batch; the next grid is a finer one around the best."""

    def init(self, config, key):
        flat, rebuild = ravel_pytree(config.net.init(key))
        middle = jnp.zeros_like(flat)
        none, infinite = jnp.zeros((), jnp.int32), jnp.full((), jnp.inf)
        first = Searched(none, middle, infinite, middle, jnp.asarray(self.width))
        return LearnerState(rebuild(self.point(first)), first)

    def point(self, at: Searched):
        """The weights of the next point: its number, written in base `points`."""
        places = self.points ** jnp.arange(len(at.middle), dtype=at.next.dtype)
        digits = at.next // places % self.points
        return at.middle + at.width * (2 * digits.astype(at.width.dtype) / (self.points - 1) - 1)

    def one(self, config, state, sequences):
        _, rebuild = ravel_pytree(state.params)
        outputs, at = predict(config.net, state.params, sequences), state.memory
        errors = mean_error(outputs, sequences)
        flat, error = ravel_pytree(state.params)[0], jnp.mean(errors)
        better = error < at.least
        at = at._replace(
            next=at.next + 1,
            best=jnp.where(better, flat, at.best),
            least=jnp.where(better, error, at.least),
        )
        full = at.next >= self.points ** len(flat)
        finer = Searched(jnp.zeros_like(at.next), at.best, jnp.full_like(at.least, jnp.inf),
                         at.best, self.shrink * at.width)  # fmt: skip
        at = tree_where(full, finer, at)
        return Lesson(outputs, errors), LearnerState(rebuild(self.point(at)), at)
