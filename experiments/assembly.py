"""A row and a reading put together: the net, and the experiment that `make_trial` takes."""

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.readings import LITERAL, Reading
from experiments.rows import Row
from lstm_jax.cells.memory_block import Initial, MemoryBlockParams, memory_block
from lstm_jax.gradients import bptt, rtrl, truncated
from lstm_jax.losses import squared_error, squared_error_beyond
from lstm_jax.stopping import Judge, Stop, at_last, most_active, within
from lstm_jax.training import Experiment, Trial, make_trial
from lstm_jax.types import Array, Cell, Key, Loss, Rule, Sequence, StepRule, Task
from lstm_jax.wiring import readout

Number = Array | float


class Settings(NamedTuple):
    """The numbers of a row that may differ from trial to trial.

    Attributes:
      rate: learning rate.
      weights: initial weights are drawn from `[-weights, weights]`.
      input_gate, output_gate: `(blocks,)` initial biases; None where they are drawn.
      present: blocks that are there, where the net grows; else None.
      pair: which pair of sets, where there are pairs; else None.
    """

    rate: Number
    weights: Number
    input_gate: Number | None
    output_gate: Number | None
    present: Array | None = None
    pair: Array | None = None


def settings(row: Row, reading: Reading = LITERAL) -> Settings:
    """The numbers of one trial."""
    row = reading.read(row)

    def number(value: Any) -> np.ndarray | None:
        return None if value is None else np.asarray(value, np.float32)

    numbers = (row.rate, row.weights, row.input_gate, row.output_gate)
    one = Settings(*map(number, numbers))  # pyright: ignore[reportArgumentType]
    return with_pair(row, one._replace(present=np.int32(0) if row.growth else None), 0)


def with_pair(row: Row, one: Settings, trial: int) -> Settings:
    """The numbers of one trial, whose pair of sets goes by its own number."""
    return one._replace(pair=np.int32(trial % row.pairs)) if row.pairs else one


def for_trials(row: Row, number: int, reading: Reading = LITERAL) -> Settings:
    """The numbers of trials 0 to `number - 1`, stacked in front."""
    one = settings(row, reading)
    each = [with_pair(row, one, trial) for trial in range(number)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *each)


def net(row: Row, reading: Reading = LITERAL, numbers: Settings | None = None) -> Cell:
    """The net of a row: memory blocks and an output layer."""
    row = reading.read(row)
    if numbers is None or np.ndim(numbers.rate):  # with lanes only shapes are asked for
        present = None if numbers is None else numbers.present
        numbers = settings(row)._replace(present=present)
    if row.rival:
        return row.rival.net(weights=numbers.weights)
    initial = Initial(
        weights=numbers.weights,
        recurrent=row.recurrent_weights,
        input_gate=numbers.input_gate,
        output_gate=numbers.output_gate,
    )
    return readout(
        memory_block(row.topology, initial, numbers.present),
        row.outputs,
        activation=row.activation,
        bias=row.output_bias,
        bias_trained=row.output_bias_trained,
        direct=row.direct,
        weights=numbers.weights,
    )


def trial(row: Row, reading: Reading = LITERAL) -> Trial:
    """The trial of a row."""
    if row.rival and row.rival.trial:
        return row.rival.trial(row)
    return make_trial(build(row, reading))


def build(row: Row, reading: Reading = LITERAL) -> Callable[[Settings], Experiment]:
    """From the numbers of a trial to its experiment; LSTMs learn by the truncated gradient."""
    read = reading.read(row)

    def experiment(numbers: Settings) -> Experiment:
        task = _task(read, numbers)
        return Experiment(
            net=net(row, reading, numbers),
            task=task,
            rule=_rule(read),
            loss=_loss(read, numbers),
            optimizer=_descent(read, numbers),
            judge=_judge(read),
            stop=_stop(read),
            cap=read.cap,
            test=read.test,
            # where it begins to pay
            sparse=task.inputs > 3 * task.steps and not read.every_step,
            every_step=read.every_step,
            growth=read.growth(_add_block) if read.growth else None,
        )

    return experiment


def _rule(read: Row) -> Rule | StepRule:
    if read.rival:
        return cast(Rule, read.rival.rule)
    if read.gradient == "full":
        return rtrl.stepwise if read.every_step else bptt.bptt
    return truncated.stepwise if read.every_step else truncated.online


def _descent(read: Row, numbers: Settings) -> optax.GradientTransformation:
    """Gradient descent; without range factors an error loses the widths of h and g on its way."""
    descent = optax.sgd(numbers.rate)
    if read.range_factors:
        return descent
    topology, share = read.topology, jnp.ones(read.topology.units)
    h, g = _width(read.squash_state), _width(read.squash_input)
    share = share.at[topology.rows("cell")].set(1 / (h * g))
    share = share.at[topology.rows("input_gate")].set(1 / h)
    shares = MemoryBlockParams(
        share[:, None], share[:, None], share[topology.rows_of(topology.biased)]
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


def _task(read: Row, numbers: Settings) -> Task:
    """The task of a row, with the trial's pair of sets, and with the errors that it sends."""
    task = read.task(pair=numbers.pair) if read.pairs else read.task()
    if not read.end_only_once_grown:
        return task

    def sample(key: Key) -> Sequence:
        sequence = task.sample(key)
        last = jnp.arange(len(sequence.mask)) == sequence.length - 2
        return sequence._replace(mask=sequence.mask & (last | (numbers.present == 0)))

    return task._replace(sample=sample)


def _loss(read: Row, numbers: Settings) -> Loss:
    if not read.silent_below:
        return squared_error
    silent = jnp.asarray(read.silent_below)
    if read.silent_once_grown:
        silent = jnp.where(cast(Array, numbers.present) > 0, silent, 0)
    return squared_error_beyond(silent)


def _judge(read: Row) -> Judge:
    judge = most_active if read.tolerance is None else within(read.tolerance)
    return at_last(judge, read.judged_before_end) if read.judged_at_end else judge


def _stop(row: Row) -> Stop:
    stop = row.stop()
    return stop._replace(uncounted=0) if row.window_counts else stop
