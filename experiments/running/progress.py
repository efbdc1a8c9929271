"""Progress bars for long work; nothing at all when nobody sits at a terminal."""

import contextlib
import time

from rich import progress as bars
from rich.console import Console

from experiments.common.clock import duration
from experiments.running.jobs import Job
from lstm_jax.trials import Progress


def expected(job: Job, standing: Progress) -> float:
    """Training sequences that a job will probably take: the paper's mean, or its own if larger."""
    begun = max(standing.done + standing.running, 1)
    mean = max(job.row.published.after or 0, standing.sequences / begun)
    return max(mean * standing.trials, standing.sequences)


class Speed:
    """Sequences per second, smoothed over some ten seconds."""

    def __init__(self):
        self._last: tuple[float, int] | None = None
        self.value = 0.0

    def update(self, sequences: int) -> float:
        """Take note of a number of sequences, now."""
        now = time.monotonic()
        if self._last is not None and sequences > self._last[1]:
            passed = max(now - self._last[0], 1e-3)
            fresh = (sequences - self._last[1]) / passed
            share = min(passed / 10, 1) if self.value else 1
            self.value += share * (fresh - self.value)
        if self._last is None or sequences != self._last[1]:
            self._last = (now, sequences)
        return self.value


class Bars(contextlib.AbstractContextManager):
    """One bar a job: sequences per second, trials done, solved, running, estimated rest."""

    def __init__(self, console: Console):
        self._progress = bars.Progress(
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=20),
            bars.TextColumn("{task.fields[text]}"),
            bars.TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._tasks: dict[str, tuple] = {}

    def __enter__(self):
        self._progress.start()
        return self

    def __exit__(self, *_):
        self._progress.stop()

    def show(self, job: Job, standing: Progress) -> None:
        """Say where a job stands."""
        if job.name not in self._tasks:
            self._tasks[job.name] = (self._progress.add_task(job.name, text=""), Speed())
        task, speed = self._tasks[job.name]
        rate = speed.update(standing.sequences)
        total = expected(job, standing)
        rest = duration((total - standing.sequences) / rate) if rate else "?"
        text = (
            f"{standing.done}/{standing.trials} done, {standing.solved} solved, "
            f"{standing.running} running; {rate:,.0f} sequences/s, about {rest} left"
        )
        self._progress.update(task, total=total, completed=standing.sequences, text=text)

    def drop(self, job: Job) -> None:
        """Take away the bar of a job that is over."""
        if job.name in self._tasks:
            self._progress.remove_task(self._tasks.pop(job.name)[0])
