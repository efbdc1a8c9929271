"""The methods and nets that rows name: what each name stands for."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from experiments.common.errors import unknown
from experiments.methods.lstm import lstm_net, lstm_rule
from experiments.methods.rivals import (
    cascade_fields,
    chunker_net,
    chunking,
    elman_net,
    guessing_fields,
    one_unit,
)
from experiments.methods.trial_settings import Settings, settings
from experiments.paper.row import LSTM, Row
from experiments.paper.tables import ROWS
from lstm_jax.cells.simple import fully_recurrent
from lstm_jax.gradients import bptt, rtrl, windowed
from lstm_jax.methods.cascade_correlation import cascade_net
from lstm_jax.types import Cell, GradientRule


def _of_row(name: str, weights: Any) -> Cell:
    """The net of an LSTM row, for what guessing finds."""
    return lstm_net(ROWS[name], settings(ROWS[name])._replace(weights=weights))


def _cascade(*sizes: int, weights: Any) -> Cell:
    return cascade_net(*sizes, init_scale=weights)


def _fully_recurrent(*sizes: int, weights: Any, bias: bool = True) -> Cell:
    return fully_recurrent(*sizes, bias=bias, init_scale=weights)


# `(*what the row says, weights=range) -> Cell`
NETS: dict[str, Callable[..., Cell]] = {
    "cascade": _cascade,
    "chunker": chunker_net,
    "Elman": elman_net,
    "fully recurrent": partial(_fully_recurrent, bias=False),
    "fully recurrent, biases": _fully_recurrent,
    LSTM: _of_row,
    "one unit": one_unit,
}


class Method(NamedTuple):
    """A way to learn.

    Attributes:
      rule: from a row to the gradient rule that it descends by; None for another learner.
      fields: from a row and the numbers of a trial to the fields of `TrialConfig` that this
        method has of its own, a learner among them if there is no rule.
    """

    rule: Callable[[Row], GradientRule] | None
    fields: Callable[[Row, Settings], dict[str, Any]] | None = None


_elman_rule = windowed(1, symbols=True)

METHODS = {
    LSTM: Method(lstm_rule),
    "BPTT": Method(lambda row: bptt),
    "Elman": Method(lambda row: _elman_rule),
    "RCC": Method(None, cascade_fields),
    "RTRL": Method(lambda row: rtrl),
    "chunker": Method(lambda row: chunking(row.net.inputs).rule),
    "guessing": Method(None, guessing_fields),
}


def method(row: Row) -> Method:
    """How a row is learnt.

    Raises:
      UserError: the row names a method that there is not.
    """
    if row.method not in METHODS:
        raise unknown("method", row.method, METHODS)
    return METHODS[row.method]


def net(row: Row, numbers: Settings | None = None) -> Cell:
    """The net of a row already read.

    Args:
      row: LSTM or rival.
      numbers: of one trial; by default the row's. Of those of many trials only what is
        present is asked for, for the shapes.

    Raises:
      UserError: the row names a net that there is not.
    """
    if numbers is None or np.ndim(numbers.rate):
        present = None if numbers is None else numbers.present
        numbers = settings(row)._replace(present=present)
    if row.rival is None:
        return lstm_net(row, numbers)
    name, *made_with = row.rival.net
    if name not in NETS:
        raise unknown("net", name, NETS)
    return NETS[name](*made_with, weights=numbers.weights)
