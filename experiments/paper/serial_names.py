"""How settings are called where they are kept: data that no renaming of code may change.

Results compare the settings that they were made with by these names, and by those of
`settings.SETTINGS`. Where the library or a row calls something otherwise from now on, the
right-hand sides follow; what stands on the left stays as it is for as long as results are
kept.
"""

from collections.abc import Callable, Mapping
from typing import Any

import optax

from experiments.paper import changes, lstm_rows
from lstm_jax import activations, growth, stopping, tasks
from lstm_jax.cells.coupled import coupled_lstm
from lstm_jax.cells.gru import gru
from lstm_jax.cells.lstm import lstm
from lstm_jax.cells.peephole import peephole_lstm
from lstm_jax.cells.rnn import rnn
from lstm_jax.cells.simple import elman
from lstm_jax.gradients import windowed

FUNCTIONS: dict[str, Callable[..., Any]] = {
    # tasks
    "adding": tasks.adding,
    "delayed_logic": tasks.delayed_logic,
    "fixed_distractors": tasks.fixed_distractors,
    "multiplication": tasks.multiplication,
    "parity": tasks.parity,
    "random_distractors": tasks.random_distractors,
    "random_lag": tasks.random_lag,
    "reber_pairs": lstm_rows.reber_pairs,
    "steps_ago": tasks.steps_ago,
    "temporal_order": tasks.temporal_order,
    "two_sequence": tasks.two_sequence,
    "with_targets": changes.with_targets,
    # stopping rules, and when a net grows
    "recent": stopping.recent,
    "streak": stopping.streak,
    "validation": stopping.validation,
    "when_slow": growth.when_slow,
    # activations of output units
    "clipped_linear": activations.clipped_linear,
    "linear": activations.identity,
    "linearised_logistic": activations.linearised_logistic,
    "logistic": activations.logistic,
    "logistic_without_slope": activations.logistic_without_slope,
    # cells of the family
    "coupled_lstm": coupled_lstm,
    "elman": elman,
    "gru": gru,
    "lstm": lstm,
    "peephole_lstm": peephole_lstm,
    "rnn": rnn,
    # gradient rules that are made with a number, and optimizers
    "windowed": windowed,
    "adagrad": optax.adagrad,
    "adam": optax.adam,
    "adamax": optax.adamax,
    "adamw": optax.adamw,
    "lion": optax.lion,
    "rmsprop": optax.rmsprop,
    "sgd": optax.sgd,
}

# words that functions are called with: as kept, and as the function has it
KEYWORDS = {
    "activation": "activation",
    "b1": "b1",
    "b2": "b2",
    "bias": "bias",
    "bias_correction": "bias_correction",
    "centered": "centered",
    "chrono_steps": "chrono_steps",
    "decay": "decay",
    "end_markers": "end_markers",
    "end_only": "end_only",
    "eps": "eps",
    "eps_in_sqrt": "eps_in_sqrt",
    "eps_root": "eps_root",
    "every": "every",
    "few": "few",
    "forget_bias": "forget_bias",
    "init_scale": "init_scale",
    "initial_accumulator_value": "initial_accumulator_value",
    "initial_bias": "initial_bias",
    "initial_scale": "initial_scale",
    "input_bias": "input_bias",
    "keep_first_mark": "keep_first_mark",
    "length": "length",
    "many": "many",
    "marks": "marks",
    "momentum": "momentum",
    "most": "most",
    "most_extra": "most_extra",
    "N": "N",
    "nesterov": "nesterov",
    "noisy_signal": "noisy_signal",
    "nonlinearity": "nonlinearity",
    "output_bias": "output_bias",
    "p": "p",
    "peephole_error": "peephole_error",
    "proj_size": "proj_size",
    "q": "q",
    "ratio": "ratio",
    "second_among": "second_among",
    "size": "size",
    "steps": "steps",
    "symbols": "symbols",
    "T": "T",
    "target_variance": "target_variance",
    "targets": "targets",
    "truth": "truth",
    "variance": "variance",
    "variant": "variant",
    "weight_decay": "weight_decay",
    "window": "window",
}

# methods of rivals, and their nets: what results keep of each; the other way round, for
# the names on the left are those of this project's own data
METHODS: dict[str, Mapping[str, str | None]] = {
    "BPTT": {"rule": "bptt", "trial": None},
    "Elman": {"rule": "rule", "trial": None},
    "RCC": {"rule": None, "trial": "cascade_trial"},
    "RTRL": {"rule": "stepwise", "trial": None},
    "chunker": {"rule": "bind", "trial": None},
    "guessing": {"rule": None, "trial": "guessing_trial"},
}
NETS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "cascade": ("cascade_net", {}),
    "chunker": ("chunker_net", {}),
    "Elman": ("elman_net", {}),
    "fully recurrent": ("fully_recurrent", {"bias": False}),
    "fully recurrent, biases": ("fully_recurrent", {}),
    "LSTM": ("lstm_net", {}),
    "one unit": ("one_unit", {}),
}
