"""Results as they might have been, for tests that read them."""

import numpy as np

from experiments.paper.readings import readings
from experiments.paper.tables import ROWS
from experiments.running import results
from experiments.running.jobs import Job
from lstm_jax.training.records import curve_points


def record(trial, after, first=None, phase="solved", cap=313_900):
    solved = phase == "solved"
    points = curve_points(cap)
    return {
        "trial": trial,
        "phase": phase,
        "sequences": after,
        "reached": [*([] if first is None else [first]), after if solved else -1],
        "test": {"sequences": 2560, "wrong": 2, "error": 0.0123456789, "squared": 0.0004}
        if solved
        else None,
        "curve": [float(1 / np.sqrt(n)) if n <= after else None for n in points],
    }


def job(row="6a", reading="literal", trials=3, **options):
    return Job(ROWS[row], readings(ROWS[row])[reading], trials, **options)


def keep(folder, job, records, seconds=12.34):
    path = folder / "results" / f"{job.name}.json"
    results.write(path, results.result(job, records, seconds))
    return path
