"""Many independent trials: lanes that refill, devices, checkpoints, records.

run        the loop: fill lanes, advance, take out what is over, keep it
lanes      the compiled programs, and trials in and out of their lanes
storage    a run in a folder: records, checkpoints
identity   what a run is, and how two differ
locks      one process at a time
interruption    signals while something is under way
plain      what is written as JSON
columns    records as tidy tables
"""

from lstm_jax.trials.columns import curve_columns, record_columns
from lstm_jax.trials.errors import RunError
from lstm_jax.trials.lanes import Finished
from lstm_jax.trials.run import Progress, run_trials

__all__ = [
    "Finished",
    "Progress",
    "RunError",
    "curve_columns",
    "record_columns",
    "run_trials",
]
