"""The commands of `python -m experiments`; their arguments become options, by tyro."""

from experiments.cli.measures import bench, check
from experiments.cli.rows import demo, figure, list_rows, report, run
from experiments.cli.studies import claims, family, study, sweep

COMMANDS = {
    "list": list_rows,
    "run": run,
    "report": report,
    "figure": figure,
    "sweep": sweep,
    "study": study,
    "claims": claims,
    "family": family,
    "check": check,
    "bench": bench,
    "demo": demo,
}
