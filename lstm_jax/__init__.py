"""One cell, many gradients, thousands of trials: recurrent nets and how they learn, in JAX.

    key -> tasks -> Sequence -> networks -> gradients -> optax -> training -> trials -> records

Units are axis 0, whatever follows is lanes; time is in front of both.
"""

from lstm_jax import analysis, ctc, gradients, losses, tasks
from lstm_jax.cells.coupled import coupled_lstm
from lstm_jax.cells.gru import gru, gru_gates
from lstm_jax.cells.lstm import lstm, lstm_gates
from lstm_jax.cells.memory_block import Initialization, gates, memory_block
from lstm_jax.cells.peephole import peephole_lstm
from lstm_jax.cells.rnn import rnn
from lstm_jax.cells.simple import elman, fully_recurrent, jordan, partially_recurrent
from lstm_jax.cells.topology import Topology
from lstm_jax.conformance import check_cell, check_learner, check_net, check_rule, check_task
from lstm_jax.methods.cascade_correlation import cascade_correlation, cascade_net
from lstm_jax.methods.random_guessing import all_right, random_guessing
from lstm_jax.methods.sequence_chunker import sequence_chunker
from lstm_jax.networks.bidirectional import bidirectional
from lstm_jax.networks.decoder import decoder, teacher_forcing
from lstm_jax.networks.decoding import beam_search, greedy
from lstm_jax.networks.dropout import dropout
from lstm_jax.networks.encoder_decoder import encoder_decoder
from lstm_jax.networks.feedforward import feed_forward
from lstm_jax.networks.grid_sweep import grid_lstm, multidimensional
from lstm_jax.networks.layer_norm import layer_norm
from lstm_jax.networks.layers import init_layers, layers, net_of_layers, run_layers
from lstm_jax.networks.readout import readout
from lstm_jax.networks.running_mean import running_mean
from lstm_jax.networks.sequential import sequential
from lstm_jax.networks.stack import stack
from lstm_jax.networks.torch_weights import from_torch, to_torch
from lstm_jax.networks.unroll import net_of, record, unroll
from lstm_jax.ops import activations
from lstm_jax.ops.xla import tune_cpu_loops
from lstm_jax.parameters import load_params, save_params
from lstm_jax.training import growth, judging, stopping
from lstm_jax.training.config import TrialConfig
from lstm_jax.training.gradient_descent import gradient_descent
from lstm_jax.training.records import curve_points
from lstm_jax.training.trial import Trial, TrialState, make_trial
from lstm_jax.trials import (
    Finished,
    Progress,
    RunError,
    curve_columns,
    record_columns,
    run_trials,
)
from lstm_jax.types import (
    Carousel,
    Cell,
    GradientRule,
    LossAndGrads,
    Net,
    NetInputs,
    OnlineGradient,
    Sequence,
    SequenceLoss,
    StepByNet,
    Task,
)
from lstm_jax.version import __version__

__all__ = [
    "Carousel",
    "Cell",
    "Finished",
    "GradientRule",
    "Initialization",
    "LossAndGrads",
    "Net",
    "NetInputs",
    "OnlineGradient",
    "Progress",
    "RunError",
    "Sequence",
    "SequenceLoss",
    "StepByNet",
    "Task",
    "Topology",
    "Trial",
    "TrialConfig",
    "TrialState",
    "__version__",
    "activations",
    "all_right",
    "analysis",
    "beam_search",
    "bidirectional",
    "cascade_correlation",
    "cascade_net",
    "check_cell",
    "check_learner",
    "check_net",
    "check_rule",
    "check_task",
    "coupled_lstm",
    "ctc",
    "curve_columns",
    "curve_points",
    "decoder",
    "dropout",
    "elman",
    "encoder_decoder",
    "feed_forward",
    "from_torch",
    "fully_recurrent",
    "gates",
    "gradient_descent",
    "gradients",
    "greedy",
    "grid_lstm",
    "growth",
    "gru",
    "gru_gates",
    "init_layers",
    "jordan",
    "judging",
    "layer_norm",
    "layers",
    "load_params",
    "losses",
    "lstm",
    "lstm_gates",
    "make_trial",
    "memory_block",
    "multidimensional",
    "net_of",
    "net_of_layers",
    "partially_recurrent",
    "peephole_lstm",
    "random_guessing",
    "readout",
    "record",
    "record_columns",
    "rnn",
    "run_layers",
    "run_trials",
    "running_mean",
    "save_params",
    "sequence_chunker",
    "sequential",
    "stack",
    "stopping",
    "tasks",
    "teacher_forcing",
    "to_torch",
    "tune_cpu_loops",
    "unroll",
]
