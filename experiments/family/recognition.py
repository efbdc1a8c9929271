"""What studies of recognition share: trials that go through a set, and what they learnt of it."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.common.errors import UserError
from experiments.common.intervals import bootstrap
from experiments.running.results import mean_curve
from experiments.studies.trial_source import TrialSource
from lstm_jax.gradients import bptt
from lstm_jax.losses import softmax_cross_entropy
from lstm_jax.networks.unroll import predict
from lstm_jax.tasks import from_sequences
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import most_active
from lstm_jax.training.stopping import Criterion, recent
from lstm_jax.training.trial import make_trial
from lstm_jax.types import Net, Sequence


def loader(name: str, module: str, data: str) -> Callable[..., Any]:
    """A function of a package that carries real data.

    Args:
      name: of the function.
      module: of the package, in which it stands.
      data: what it carries, for the error.

    Raises:
      UserError: the package is not installed.
    """
    try:
        return getattr(import_module(module), name)
    except ImportError as error:
        package = module.partition(".")[0]
        raise UserError(
            f"{data} comes with {package}, which is not installed: make data"
        ) from error


def labelled(inputs: np.ndarray, length: np.ndarray, label: np.ndarray, classes: int) -> Sequence:
    """Sequences `(time, units, n)` whose only target, at the end, is their class.

    Args:
      inputs: zero from `length` on.
      length: `(n,)` living steps.
      label: `(n,)` the class of each, from 0.
      classes: how many there are.
    """
    target = jnp.asarray(np.eye(classes, dtype=np.float32)[:, label][None])
    mask = jnp.ones((1, len(label)), bool)
    steps = jnp.asarray(length, jnp.int32)
    return Sequence(jnp.asarray(inputs, jnp.float32), target, target, mask, steps, "end")


def percent(numbers: dict[str, Any]) -> str:
    """Mean and interval of the shares that `recognise` found, in words."""
    value, low, high = (100 * numbers["mean"][key] for key in ("value", "low", "high"))
    return f"{value:.1f} % [{low:.1f}, {high:.1f}]"


def recognise(
    source: TrialSource,
    name: str,
    net: Net,
    sets: tuple[Sequence, Sequence],
    *,
    trials: int,
    epochs: int,
    batch: int,
    rate: float,
) -> dict[str, Any]:
    """Train nets side by side on one set of sequences, and try them on another.

    All see as many sequences, by Adam whose rate goes down to 0.

    Args:
      source: of trials.
      name: of their folder.
      net: its outputs are one number a class at the end of a sequence.
      sets: to learn from, and to be tested with; sequences on the last axis.
      trials: how many, all in lanes.
      epochs: ways through the set.
      batch: sequences that change weights together.
      rate: of Adam in the beginning.

    Returns:
      What JSON can hold: `shares` of the test sequences whose class was right, one a trial, and
      their `mean` with its interval; `weights` of the net; `curve_at` and `curve`, the mean
      training error of all trials.
    """
    training, test = sets
    seen = epochs * len(training.length)
    falling = optax.cosine_decay_schedule(rate, seen // batch)
    config = TrialConfig(
        net=net,
        task=from_sequences(training, inputs=net.inputs),
        learner=gradient_descent(bptt, softmax_cross_entropy, optax.adam(falling)),
        judge=most_active,
        stop=recent(seen, Criterion(wrong_below=1)),  # that is never
        max_sequences=seen,
        test_sequences=0,
        batch=batch,
    )
    records = source.trials(name, make_trial(lambda settings: config), trials, lanes=trials)
    like = net.init(jax.random.key(0))

    @jax.jit
    def wrong(params: Any) -> Any:
        return most_active(predict(net, params, test), test).wrong

    learnt = (source.params(name, n, like) for n in range(trials))
    shares = [1 - float(np.mean(wrong(params))) for params in learnt]
    mean = bootstrap(shares)
    assert mean is not None
    weights = sum(leaf.size for leaf in jax.tree.leaves(like))
    return {
        "shares": shares,
        "weights": weights,
        **mean_curve(records),
        "mean": mean._asdict(),
    }
