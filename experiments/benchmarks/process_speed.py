"""How a run is divided among processes of one machine: seconds by number of processes.

Row 4-100 under a tolerance that no trial reaches, so that every trial trains to the cap and the
work is the same for every number of processes. Each number runs as a user would start it, in a
folder of its own.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from experiments.benchmarks.stopwatch import load, machine
from experiments.common.errors import UserError
from experiments.common.files import HERE

PROCESSES = (1, 2, 4)
TRIALS, LANES = 64, 16
WHAT = ("run", "4-100", "--trials", str(TRIALS), "--lanes", str(LANES), "--workers", "1")


def bench(cap: int = 150_000) -> dict[str, Any]:
    """Measure it; some minutes.

    Args:
      cap: training sequences of every trial.

    Returns:
      What JSON can hold: `machine`, and by number of `processes` the `seconds` from the start of
      the commands to the end of the last, and `training`, those of them in which trials ran, as
      the slowest process says.
    """
    found: dict[str, Any] = {"machine": machine(None), "trials": TRIALS, "cap": cap}
    found["processes"] = {str(number): _timed(number, cap) for number in PROCESSES}
    found["machine"]["load_after"] = load()
    return found


def _timed(number: int, cap: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        children = [_start(words, folder, cap) for words in _who(number)]
        ends = [child.wait() for child in children]
        seconds = time.monotonic() - began
        if any(ends):
            raise UserError(f"one of {number} processes ended with {max(ends)}")
        standing = [json.loads(p.read_text()) for p in Path(folder).glob("runs/*/progress*.json")]
    return {
        "seconds": round(seconds, 2),
        "training": max(one["seconds"] for one in standing),
        "sequences": sum(one["sequences"] for one in standing),
    }


def _who(number: int) -> list[list[str]]:
    if number == 1:
        return [[]]
    with socket.socket() as server:
        server.bind(("localhost", 0))
        address = f"localhost:{server.getsockname()[1]}"
    common = ["--coordinator", address, "--processes", str(number)]
    return [[*common, "--process", str(i)] for i in range(number)]


def _start(words: list[str], folder: str, cap: int) -> subprocess.Popen:
    settings = ["--set", f"cap={cap}", "test=0", "tolerance=1e-6"]
    command = [sys.executable, "-m", "experiments", *WHAT, "--folder", folder, *words, *settings]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=HERE.parent, stdout=quiet, env=os.environ.copy())
