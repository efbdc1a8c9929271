"""The commands of `python -m experiments`; their arguments become options, by tyro."""

from experiments.commands.inquiries import claims, study, sweep
from experiments.commands.measures import bench, check
from experiments.commands.rows import demo, figure, list_rows, report, run

COMMANDS = {
    "list": list_rows,
    "run": run,
    "report": report,
    "figure": figure,
    "sweep": sweep,
    "study": study,
    "claims": claims,
    "check": check,
    "bench": bench,
    "demo": demo,
}
