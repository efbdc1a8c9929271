"""From a row that a reading was already applied to, to its experiments and its trial."""

from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import optax

from experiments.methods.registry import method, net
from experiments.methods.trial_settings import Settings
from experiments.paper.row import Row
from lstm_jax.cells.memory_block import MemoryBlockParams
from lstm_jax.losses import squared_error, squared_error_beyond
from lstm_jax.training.config import Learner, TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.judging import Judge, at_last, most_active, within
from lstm_jax.training.stopping import Stop
from lstm_jax.training.trial import Trial, make_trial
from lstm_jax.types import Array, GradientRule, Key, Loss, Sequence, Task


def trial(row: Row) -> Trial:
    """The trial of a row."""
    return make_trial(build(row))


def build(row: Row) -> Callable[[Settings], TrialConfig]:
    """From the numbers of a trial to its configuration.

    Example:
      >>> from experiments.methods.trial_settings import settings
      >>> from experiments.paper.tables import ROWS
      >>> row = ROWS["6a"].with_settings(rate=0.25)
      >>> build(row)(settings(row)).max_sequences
      313900
    """
    own = method(row)

    def config(numbers: Settings) -> TrialConfig:
        fields = {
            "net": net(row, numbers),
            "task": _task(row, numbers),
            "judge": _judge(row),
            "stop": _stop(row),
            "max_sequences": row.evaluation.cap,
            "test_sequences": row.evaluation.test,
            "growth": row.training.growth(_add_block) if row.training.growth else None,
            **(own.fields(row, numbers) if own.fields else {}),
        }
        if own.rule:
            fields["learner"] = _descent(row, numbers, own.rule(row), fields["task"])
        return TrialConfig(**fields)

    return config


def _descent(row: Row, numbers: Settings, rule: GradientRule, task: Task) -> Learner:
    every_step = row.training.every_step
    return gradient_descent(
        rule,
        _loss(row, numbers),
        _optimizer(row, numbers),
        # where it begins to pay; what remembers columns cannot leave them out
        sparse=task.inputs > 3 * task.steps and not every_step and _is_plain(row),
        every_step=every_step,
    )


def _is_plain(row: Row) -> bool:
    """Whether a row descends by the rate times the gradient."""
    training = row.training
    plain = training.optimizer is optax.sgd and training.clip is None and row.net.cell is None
    return plain and training.gradient in ("truncated", "full")


def _optimizer(row: Row, numbers: Settings) -> optax.GradientTransformation:
    """Gradient descent; without range factors an error loses the widths of h and g on its way."""
    descent = row.training.optimizer(numbers.rate)
    if row.training.clip is not None:
        descent = optax.chain(optax.clip_by_global_norm(row.training.clip), descent)
    if row.training.range_factors:
        return descent
    topology = row.net.topology
    share = jnp.ones(topology.units)
    h, g = _width(row.net.squash_state), _width(row.net.squash_input)
    share = share.at[topology.rows("cell")].set(1 / (h * g))
    share = share.at[topology.rows("input_gate")].set(1 / h)
    biased = topology.rows_of(topology.biased)
    shares = MemoryBlockParams(
        share[:, None],
        share[:, None] if len(topology.recurrent) else None,
        share[biased] if len(biased) else None,
    )

    def lose(gradient: Array, part: Array) -> Array:
        return gradient * part.reshape(part.shape + (1,) * (gradient.ndim - part.ndim))

    def narrow(grads: Any, params: Any = None) -> Any:
        return grads._replace(cell=jax.tree.map(lose, grads.cell, shares))

    return optax.chain(optax.stateless(narrow), descent)


def _width(limits: tuple[float, float] | None) -> float:
    return 1.0 if limits is None else limits[1] - limits[0]


def _add_block(numbers: Settings) -> Settings:
    return numbers._replace(present=cast(Array, numbers.present) + 1)


def _task(row: Row, numbers: Settings) -> Task:
    """The task of a row, with the trial's pair of sets, and with the errors that it sends."""
    training = row.training
    task = training.task(pair=numbers.pair) if training.pairs else training.task()
    if not training.end_only_once_grown:
        return task

    def sample(key: Key) -> Sequence:
        sequence = task.sample(key)
        last = jnp.arange(len(sequence.mask)) == sequence.length - 2
        return sequence.replace(mask=sequence.mask & (last | (numbers.present == 0)))

    return task._replace(sample=sample)


def _loss(row: Row, numbers: Settings) -> Loss:
    if not row.training.silent_below:
        return squared_error
    silent = jnp.asarray(row.training.silent_below)
    if row.training.silent_once_grown:
        silent = jnp.where(cast(Array, numbers.present) > 0, silent, 0)
    return squared_error_beyond(silent)


def _judge(row: Row) -> Judge:
    how = row.evaluation
    judge = most_active if how.tolerance is None else within(how.tolerance)
    return at_last(judge, how.judged_before_end) if how.judged_at_end else judge


def _stop(row: Row) -> Stop:
    stop = row.evaluation.stop()
    return stop._replace(test_window=0) if row.evaluation.window_counts else stop
