"""The numbers of a row that may differ from trial to trial."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.paper.row import Row
from lstm_jax.types import Array

Number = Array | float


class Settings(NamedTuple):
    """The numbers of one trial.

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


def settings(row: Row) -> Settings:
    """The numbers of one trial of a row already read."""
    rate: Any = np.asarray(row.training.rate, np.float32)
    weights: Any = np.asarray(row.net.weights, np.float32)
    gates = each_block(row, row.net.input_gate), each_block(row, row.net.output_gate)
    one = Settings(rate, weights, *gates)
    present = np.int32(0) if row.training.growth else None
    return with_pair(row, one._replace(present=present), 0)


def each_block(row: Row, biases: Sequence[float] | None) -> Any:
    """`(blocks,)` initial biases of a gate; one stands for all. None where they are drawn."""
    if biases is None:
        return None
    number = len(row.net.blocks) if len(biases) == 1 else len(biases)
    return np.broadcast_to(np.asarray(biases, np.float32), (number,))


def with_pair(row: Row, one: Settings, trial: int) -> Settings:
    """The numbers of one trial, whose pair of sets goes by its own number."""
    pairs = row.training.pairs
    return one._replace(pair=np.int32(trial % pairs)) if pairs else one


def for_trials(row: Row, number: int) -> Settings:
    """The numbers of trials 0 to `number - 1` of a row already read, stacked in front."""
    one = settings(row)
    each = [with_pair(row, one, trial) for trial in range(number)]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *each)
