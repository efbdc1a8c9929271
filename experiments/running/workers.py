"""Jobs one after the other in this process, or several at once in processes of their own."""

import contextlib
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

from rich.console import Console

from experiments.common.ending import GRACE_S, at_the_end, not_now
from experiments.common.errors import UserError
from experiments.common.files import HERE
from experiments.running.jobs import Job
from experiments.running.progress import Bars
from experiments.running.run_job import read_progress, run, working_folder
from experiments.running.together import first


class Child(NamedTuple):
    """A process that runs one job."""

    job: Job
    process: subprocess.Popen
    out: IO[str]
    err: IO[str]


def run_here(jobs: list[Job], folder: Path, budget_s: float | None) -> int:
    """Run jobs one after the other in this process."""
    with Bars(Console(stderr=True)) as bars:
        for job in jobs:
            outcome = run(job, folder, budget_s, partial(bars.show, job))
            bars.drop(job)
            if first():
                print(outcome.says, flush=True)
    return 0


def run_apart(jobs: list[Job], workers: int, folder: Path, budget_s: float | None) -> int:
    """Run jobs in processes of their own, so many at a time, the longest first.

    Returns:
      The exit status: 0, or that of the last process that failed; the others go on.
    """
    waiting = sorted(jobs, key=lambda job: job.cost, reverse=True)
    children: list[Child] = []
    status = 0
    with Bars(Console(stderr=True)) as bars, at_the_end(partial(_stop, children)):
        while waiting or children:
            while waiting and len(children) < workers:
                with not_now():  # or one that is not yet among them would go on alone
                    children.append(_start(waiting.pop(0), folder, budget_s))
            time.sleep(0.2)
            for child in [c for c in children if c.process.poll() is not None]:
                children.remove(child)
                bars.drop(child.job)
                status = _relay(child) or status
            for child in children:
                _show(child.job, folder, bars)
    return status


def _show(job: Job, folder: Path, bars: Bars) -> None:
    with contextlib.suppress(UserError):  # of which the child itself speaks
        standing = read_progress(working_folder(folder, job))
        if standing.trials:
            bars.show(job, standing)


def _start(job: Job, folder: Path, budget_s: float | None) -> Child:
    command = [sys.executable, "-m", "experiments", "run", job.row.name]
    options = {
        "reading": job.reading.name,
        "trials": job.trials,
        "seed": job.seed,
        "lanes": job.lanes,
        "devices": job.devices,
        "workers": 1,
        "folder": folder.absolute(),
        "budget": budget_s,
    }
    for name, value in options.items():
        if value is not None:
            command += [f"--{name}", str(value)]
    out, err = _scratch(), _scratch()  # pipes could fill up
    return Child(job, subprocess.Popen(command, cwd=HERE.parent, stdout=out, stderr=err), out, err)


def _scratch() -> IO[str]:
    return tempfile.TemporaryFile("w+")


def _relay(child: Child) -> int:
    for file, stream in ((child.out, sys.stdout), (child.err, sys.stderr)):
        file.seek(0)
        print(file.read(), end="", file=stream, flush=True)
        file.close()
    return child.process.returncode


def _stop(children: list[Child]) -> None:
    for child in children:
        child.process.terminate()
    for child in children:
        try:
            child.process.wait(3 * GRACE_S)
        except subprocess.TimeoutExpired:  # which cannot even hear it
            child.process.kill()
            child.process.wait()
