"""One cell, many gradients, thousands of trials: LSTM as published in 1997, in JAX.

    key -> tasks -> Sequence -> wiring -> gradients -> optax -> training -> trials -> records

Units are axis 0, whatever follows is lanes; time is in front of both.
"""

from lstm_jax import activations, analysis, growth, losses, stopping, tasks
from lstm_jax.cascade_correlation import make_cascade_trial
from lstm_jax.cells.memory_block import Initial, gates, memory_block
from lstm_jax.cells.simple import elman, fully_recurrent, jordan
from lstm_jax.chunker import sequence_chunker
from lstm_jax.gradients import rtrl, truncated
from lstm_jax.gradients.bptt import bptt, windowed
from lstm_jax.guessing import make_guessing
from lstm_jax.runtime import tune_cpu_loops
from lstm_jax.topology import Topology
from lstm_jax.training import Experiment, Trial, TrialState, make_trial
from lstm_jax.trials import Finished, Progress, RunError, run_trials
from lstm_jax.types import Cell, Learned, Sequence, Task
from lstm_jax.wiring import readout, unroll, watch

__all__ = [
    "Cell",
    "Experiment",
    "Finished",
    "Initial",
    "Learned",
    "Progress",
    "RunError",
    "Sequence",
    "Task",
    "Topology",
    "Trial",
    "TrialState",
    "activations",
    "analysis",
    "bptt",
    "elman",
    "fully_recurrent",
    "gates",
    "growth",
    "jordan",
    "losses",
    "make_cascade_trial",
    "make_guessing",
    "make_trial",
    "memory_block",
    "readout",
    "rtrl",
    "run_trials",
    "sequence_chunker",
    "stopping",
    "tasks",
    "truncated",
    "tune_cpu_loops",
    "unroll",
    "watch",
    "windowed",
]
