"""The LSTM of 1997: memory blocks and an output layer, learning by the truncated gradient."""

from experiments.methods.trial_settings import Settings
from experiments.paper.row import Row
from lstm_jax.cells.memory_block import Initialization, memory_block
from lstm_jax.gradients import bptt, forward_traces, rtrl
from lstm_jax.networks.readout import readout
from lstm_jax.types import Cell, GradientRule


def lstm_net(row: Row, numbers: Settings) -> Cell:
    """Memory blocks below an output layer."""
    settings = row.net
    initial = Initialization(
        scale=numbers.weights,
        recurrent_scale=settings.recurrent_weights,
        input_gate=numbers.input_gate,
        output_gate=numbers.output_gate,
    )
    return readout(
        memory_block(settings.topology, initial, numbers.present),
        settings.outputs,
        activation=settings.activation,
        bias=settings.output_bias,
        bias_trained=settings.output_bias_trained,
        direct=settings.direct,
        init_scale=numbers.weights,
    )


def lstm_rule(row: Row) -> GradientRule:
    """The truncated gradient, or the full one where the row is read so."""
    if row.training.gradient == "full":
        return rtrl if row.training.every_step else bptt
    return forward_traces
