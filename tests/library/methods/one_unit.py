"""Nets with one recurrent unit in the twin's words and in the library's."""

from typing import NamedTuple

import numpy as np

from lstm_jax.cells.simple import RecurrentParams, elman
from lstm_jax.networks.readout import Readout, readout
from lstm_jax.types import Cell
from tests.reference.chunker import Weights
from tests.support.bridge import real

SYMBOLS, STEPS = 5, 9


class Problem(NamedTuple):
    """Two nets, which are far from linear, and what they read: `(STEPS + 1,)` symbols."""

    automatizer: Weights
    chunker: Weights
    symbols: np.ndarray
    mask: np.ndarray


def one_unit_net(symbols: int, outputs: int) -> Cell:
    """One self-recurrent hidden unit; outputs receive it and the inputs; no biases (Table 2)."""
    unit = elman(symbols, 1, bias=False, init_scale=0.2)
    return readout(unit, outputs, bias=False, direct=True, init_scale=0.2)


def problem(seed: int, mask=None, further: int = 1) -> Problem:
    """Random weights; a sequence with repetitions; an error at every step unless told.

    The automatizer has a number of further outputs.
    """
    random = np.random.default_rng(seed)

    def weights(outputs: int) -> Weights:
        into_hidden = 2.0 * random.normal(size=SYMBOLS + 1)
        return Weights(into_hidden, random.normal(size=(outputs, SYMBOLS + 1)))

    symbols = random.integers(SYMBOLS, size=STEPS + 1, dtype=np.int32)
    mask = np.ones(STEPS, bool) if mask is None else np.asarray(mask)
    return Problem(weights(SYMBOLS + further), weights(SYMBOLS), symbols, mask)


def to_params(weights: Weights) -> Readout:
    """The twin's weights as the library's parameters."""
    hidden, outputs = real(weights.hidden)[None], real(weights.outputs)
    unit = RecurrentParams(hidden[:, :-1], hidden[:, -1:], None)
    return Readout(unit, outputs[:, -1:], outputs[:, :-1], None)


def to_weights(params: Readout) -> Weights:
    """Parameters, or gradients, as the twin's weights."""
    unit = params.cell
    assert params.bias is None
    hidden = np.concatenate([unit.from_inputs, unit.from_context], axis=1)[0]
    return Weights(hidden, np.concatenate([params.from_inputs, params.from_cell], axis=1))


def one_hot(symbols: np.ndarray) -> np.ndarray:
    """`(time, *lanes)` to `(time, SYMBOLS, *lanes)`."""
    return real(np.moveaxis(np.eye(SYMBOLS)[symbols], -1, 1))
