"""The LSTM of 1997: memory blocks and an output layer, learning by the truncated gradient.

Or, where a row is set so, another cell of the family, and another gradient.
"""

from experiments.methods.trial_settings import Settings, each_block
from experiments.paper.row import Row
from lstm_jax import gradients
from lstm_jax.cells.memory_block import Initialization, memory_block
from lstm_jax.networks.readout import readout
from lstm_jax.types import Cell, GradientRule


def lstm_net(row: Row, numbers: Settings) -> Cell:
    """Memory blocks, or the row's own cell, below an output layer."""
    settings = row.net
    if settings.cell is None:
        hidden = _blocks(row, numbers)
    else:
        hidden = settings.cell(settings.inputs, settings.topology.cells)
    return readout(
        hidden,
        settings.outputs,
        activation=settings.activation,
        bias=settings.output_bias,
        bias_trained=settings.output_bias_trained,
        direct=settings.direct,
        init_scale=numbers.weights,
    )


def _blocks(row: Row, numbers: Settings) -> Cell:
    settings = row.net
    initial = Initialization(
        scale=numbers.weights,
        recurrent_scale=settings.recurrent_weights,
        input_gate=numbers.input_gate,
        output_gate=numbers.output_gate,
        forget_gate=each_block(row, settings.forget_gate),
    )
    return memory_block(settings.topology, initial, numbers.present)


def lstm_rule(row: Row) -> GradientRule:
    """The truncated gradient, or the full one or another rule where the row is read so."""
    gradient = row.training.gradient
    if gradient == "full":
        gradient = "rtrl" if row.training.every_step else "bptt"
    elif gradient == "truncated":
        gradient = "forward_traces"
    return getattr(gradients, gradient) if isinstance(gradient, str) else gradient()
