"""Processes of the command line, as a person starts them: for tests that end or watch them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CPU = {**os.environ, "JAX_PLATFORMS": "cpu"}
# says when a module begins to be imported, and goes on as `python -m experiments`
ANNOUNCING = """
import runpy, sys

class Announce:
    def find_spec(name, path=None, target=None):
        if name == {module!r}:
            print("importing", flush=True)

sys.meta_path.insert(0, Announce)
sys.argv[0] = "experiments"
runpy.run_module("experiments", run_name="__main__", alter_sys=True)
"""


@contextlib.contextmanager
def started(*command: str) -> Iterator[subprocess.Popen]:
    """A process of Python in the root of the checkout; it and its children are gone afterwards."""
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=CPU,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def finished(*command: str) -> tuple[int, str, str]:
    """Status, output and errors of a process of Python that ends by itself."""
    with started(*command) as process:
        out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def ended(process: subprocess.Popen) -> tuple[int, str]:
    """Status and errors of a process that was told to end."""
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def wait_for(what: Callable[[], bool], seconds: float = 120) -> None:
    """Until something is so."""
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.05)
