"""What the LSTM is compared with: nets by their sizes, and methods that are more than a rule."""

from typing import Any, cast

from experiments.methods.trial_settings import Settings
from experiments.paper.lstm_rows import reber_set_pairs
from experiments.paper.row import Row
from lstm_jax.cells.simple import elman
from lstm_jax.gradients import rtrl
from lstm_jax.methods.cascade_correlation import cascade_correlation, cascade_net
from lstm_jax.methods.random_guessing import all_right, random_guessing
from lstm_jax.methods.sequence_chunker import Chunking, sequence_chunker
from lstm_jax.networks.readout import readout
from lstm_jax.tasks import set_pairs
from lstm_jax.training.stopping import both_sets_right
from lstm_jax.types import Array, Cell


def elman_net(hidden: int, weights: float) -> Cell:
    """Seven symbols in, seven outputs, no biases."""
    layer = elman(7, hidden, bias=False, init_scale=weights)
    return readout(layer, 7, bias=False, init_scale=weights)


def one_unit(symbols: int, weights: float, further: int = 0) -> Cell:
    """One self-recurrent hidden unit; outputs, one a symbol and some more, receive both layers."""
    layer = elman(symbols, 1, bias=False, init_scale=weights)
    return readout(layer, symbols + further, bias=False, direct=True, init_scale=weights)


def chunking(symbols: int, weights: float = 0.2) -> Chunking:
    """Two nets of one unit each; the automatizer has one more output, for the other's unit."""
    automatizer = one_unit(symbols, weights, further=1)
    return sequence_chunker(automatizer, one_unit(symbols, weights), rtrl)


def chunker_net(symbols: int, weights: float) -> Cell:
    """The automatizer, whose parameters are those of both nets."""
    return chunking(symbols, weights).net


def cascade_fields(row: Row, numbers: Settings) -> dict[str, Any]:
    """Recurrent cascade-correlation on the trial's pair of sets, as in Fahlman's programs."""
    sets = reber_set_pairs(row.training.pairs)
    strings = sets[0].length.shape[-1]
    return {
        "net": cascade_net(row.net.inputs, row.net.outputs, row.units),
        "task": set_pairs(*sets, pair=cast(Array, numbers.pair), inputs=row.net.inputs),
        "learner": cascade_correlation(),
        "stop": both_sets_right(strings, strings),
        "batch": strings,
    }


def guessing_fields(row: Row, numbers: Settings) -> dict[str, Any]:
    """The weights of the row's net guessed, until 256 sequences are right."""
    return {"learner": random_guessing(), "stop": all_right(256)}
