"""A row and a reading put together: the net, and the experiment that `make_trial` takes."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from experiments.paper import Row
from experiments.readings import LITERAL, Reading
from lstm_jax.cells.memory_block import Initial, memory_block
from lstm_jax.gradients import truncated
from lstm_jax.losses import squared_error
from lstm_jax.stopping import Stop, within
from lstm_jax.training import Experiment
from lstm_jax.types import Array, Cell
from lstm_jax.wiring import readout

Number = Array | float


class Settings(NamedTuple):
    """The numbers of a row that may differ from trial to trial.

    Attributes:
      rate: learning rate.
      weights: initial weights are drawn from `[-weights, weights]`.
      input_gate, output_gate: `(blocks,)` initial biases; None where they are drawn.
    """

    rate: Number
    weights: Number
    input_gate: Number | None
    output_gate: Number | None


def settings(row: Row, reading: Reading = LITERAL) -> Settings:
    """The numbers of one trial."""
    row = reading.read(row)

    def number(value: Any) -> np.ndarray | None:
        return None if value is None else np.asarray(value, np.float32)

    numbers = (row.rate, row.weights, row.input_gate, row.output_gate)
    return Settings(*map(number, numbers))  # pyright: ignore[reportArgumentType]


def for_trials(one: Settings, number: int) -> Settings:
    """The same numbers for every one of a number of trials."""
    return jax.tree.map(lambda a: np.repeat(a[None], number, axis=0), one)


def net(row: Row, reading: Reading = LITERAL, numbers: Settings | None = None) -> Cell:
    """The net of a row: memory blocks and an output layer."""
    row = reading.read(row)
    if numbers is None or np.ndim(numbers.rate):  # with lanes only shapes are asked for
        numbers = settings(row)
    initial = Initial(
        weights=numbers.weights,
        input_gate=numbers.input_gate,
        output_gate=numbers.output_gate,
    )
    return readout(
        memory_block(row.topology, initial),
        row.outputs,
        activation=row.activation,
        bias=row.output_bias,
        bias_trained=row.output_bias_trained,
        weights=numbers.weights,
    )


def build(row: Row, reading: Reading = LITERAL) -> Callable[[Settings], Experiment]:
    """From the numbers of a trial to its experiment, by the on-line truncated gradient."""

    def experiment(numbers: Settings) -> Experiment:
        read = reading.read(row)
        task = read.task()
        return Experiment(
            net=net(row, reading, numbers),
            task=task,
            rule=truncated.online,
            loss=squared_error,
            optimizer=optax.sgd(numbers.rate),
            judge=within(read.tolerance),
            stop=_stop(read),
            cap=read.cap,
            test=read.test,
            sparse=task.inputs > 3 * task.steps,  # where it begins to pay
        )

    return experiment


def _stop(row: Row) -> Stop:
    stop = row.stop()
    return stop._replace(uncounted=0) if row.window_counts else stop
