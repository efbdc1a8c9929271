"""A stopwatch for compiled programs, and what machine it was held over.

The time of a program is that of the fastest of its repetitions, after it was compiled.
"""

import contextlib
import os
import platform
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.common.provenance import versions


class Sample(NamedTuple):
    """What one program took.

    Attributes:
      seconds: of the fastest repetition, by the clock.
      cpu_seconds: of the processor, the least of any repetition; much less than
        `seconds` where other processes had a share of the core.
      sequences: in one repetition.
      repetitions: how many there were.
    """

    seconds: float
    cpu_seconds: float
    sequences: int
    repetitions: int

    def per_step(self, trials: int, steps: float) -> dict[str, Any]:
        """In nanoseconds per trial and step, as JSON has it."""
        one = 1e-9 * self.sequences * trials * steps
        return {
            "ns": round(self.seconds / one, 2),
            "cpu_ns": round(self.cpu_seconds / one, 2),
            "sequences": self.sequences,
            "repetitions": self.repetitions,
        }


def once(prepare: Callable[[], Any], run: Callable[[Any, int], Any], sequences: int) -> Sample:
    """Time `run(prepare(), sequences)`, without the time of `prepare`."""
    begin_with = jax.block_until_ready(prepare())
    clock, cpu = time.perf_counter(), time.process_time()
    jax.block_until_ready(run(begin_with, sequences))
    return Sample(time.perf_counter() - clock, time.process_time() - cpu, sequences, 1)


def least(samples: list[Sample]) -> Sample:
    """Repetitions of the same as one: the least of each time."""
    seconds = min(s.seconds for s in samples)
    return Sample(seconds, min(s.cpu_seconds for s in samples), samples[0].sequences, len(samples))


def fastest(prepare: Callable[[], Any], run: Callable[[Any, int], Any], seconds: float) -> Sample:
    """Time `run(prepare(), sequences)` for about so many seconds, after it was compiled.

    Args:
      prepare: makes what a repetition begins with; its time does not count.
      run: the work; what it returns is waited for.
      seconds: for all repetitions, of which there are at least three.
    """
    once(prepare, run, 1)
    sample = once(prepare, run, 1)
    while sample.seconds < seconds / 100:  # short ones find a moment when the core is free
        longer = np.clip(seconds / 70 / sample.seconds, 1.5, 8)
        sample = once(prepare, run, int(sample.sequences * longer) + 1)
    samples = [sample]
    while len(samples) < 3 or sum(s.seconds for s in samples) < seconds:
        samples.append(once(prepare, run, sample.sequences))
    return least(samples)


@contextlib.contextmanager
def one_core() -> Iterator[int | None]:
    """Keep this process, its threads and its children on one core, where that is possible.

    Call it before the first computation: XLA makes as many threads as it finds cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield None
        return
    before = os.sched_getaffinity(0)
    _pin({max(before)})
    try:
        yield max(before)
    finally:
        _pin(before)


def _pin(cores: set[int]) -> None:
    threads = Path("/proc/self/task")
    for thread in [int(t.name) for t in threads.iterdir()] if threads.exists() else [0]:
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(thread, cores)


def machine(core: int | None) -> dict[str, Any]:
    """What was measured, when, and on what."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "core": core,
        "device": jax.devices()[0].device_kind,
        "flags": os.environ.get("XLA_FLAGS", ""),
        "versions": versions(),
        "python": platform.python_version(),
        "load": load(),
    }


def load() -> list[float] | None:
    """Of the whole machine, over the last 1, 5 and 15 minutes."""
    return [round(n, 2) for n in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _cpu_model() -> str:
    with contextlib.suppress(OSError, IndexError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()
