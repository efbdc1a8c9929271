"""How settings are called where they are kept: data that no renaming of code may change.

Results compare the settings that they were made with by these names, and by those of
`settings.SETTINGS`. Where the library or a row calls something otherwise from now on, the
right-hand sides follow; what stands on the left stays as it is for as long as results are
kept.
"""

from collections.abc import Callable, Mapping
from typing import Any

from experiments.paper import changes, lstm_rows
from lstm_jax import activations, growth, stopping, tasks

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
}

# words that functions are called with: as kept, and as the function has it
KEYWORDS = {
    "end_markers": "end_markers",
    "keep_first_mark": "keep_first_mark",
    "noisy_signal": "noisy_signal",
    "p": "p",
    "q": "q",
    "second_among": "second_among",
    "target_variance": "target_variance",
    "targets": "targets",
    "truth": "truth",
    "variance": "variance",
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
