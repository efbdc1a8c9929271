"""A key in, a `Sequence` out: the tasks of the 1997 paper (its Section 5).

==========  ==================================================================================
experiment  task
==========  ==================================================================================
1           `embedded_reber`, and `reber_sets` with `from_pairs` or `set_pairs` for its sets
2a, 2b, 2c  `fixed_distractors`, `random_distractors`, `random_lag`
3a, 3b, 3c  `two_sequence`
4, 5        `adding`, `multiplication`
6a, 6b      `temporal_order`
==========  ==================================================================================

`delayed_logic`, `parity` and `steps_ago` are what the paper discusses in its Section 6.
`continual_reber`, `counting_language`, `copying`, `generated_spikes`, `measured_spikes` and
`unsegmented` are what later nets of the family were made for. Beside them stand `reber`, the
grammar inside the embedded one, and `modern_adding` and `modern_multiplication`, what the later
literature calls by these names.
"""

from lstm_jax.tasks.adding import adding, modern_adding, modern_multiplication, multiplication
from lstm_jax.tasks.copying import copying
from lstm_jax.tasks.counting_language import counting_language
from lstm_jax.tasks.limitations import AND, XOR, delayed_logic, parity, steps_ago
from lstm_jax.tasks.long_lag import fixed_distractors, random_distractors, random_lag
from lstm_jax.tasks.reber import (
    continual_reber,
    embedded_reber,
    from_pairs,
    from_set,
    reber,
    reber_sets,
    spell,
)
from lstm_jax.tasks.sets import from_sequences, set_pairs
from lstm_jax.tasks.temporal_order import temporal_order
from lstm_jax.tasks.timed_spikes import generated_spikes, measured_spikes
from lstm_jax.tasks.two_sequence import two_sequence
from lstm_jax.tasks.unsegmented import unsegmented

__all__ = [
    "AND",
    "XOR",
    "adding",
    "continual_reber",
    "copying",
    "counting_language",
    "delayed_logic",
    "embedded_reber",
    "fixed_distractors",
    "from_pairs",
    "from_sequences",
    "from_set",
    "generated_spikes",
    "measured_spikes",
    "modern_adding",
    "modern_multiplication",
    "multiplication",
    "parity",
    "random_distractors",
    "random_lag",
    "reber",
    "reber_sets",
    "set_pairs",
    "spell",
    "steps_ago",
    "temporal_order",
    "two_sequence",
    "unsegmented",
]
