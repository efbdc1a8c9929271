"""Speed: nanoseconds for one time step of one trial, everything included.

`bench` measures in one run and on one core row 4-100 (adding, 93 weights, on-line
learning) as `run_trials` runs it, with drawing, learning and stopping rule, and beside
it other rules in the same engine, other numbers of trials, other lengths, other numbers
of symbols, and on request the nets of other libraries (`peers`). The time of a program
is that of the fastest of its repetitions, divided by its trials, their sequences and
the mean number of steps of a sequence; work on padding and in idle lanes is not counted.
"""

import contextlib
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich import box
from rich.table import Table

from experiments.assembly import Settings, build, for_trials, settings
from experiments.jobs import Job
from experiments.paper import ROWS, Row
from experiments.readings import LITERAL
from experiments.results import versions
from lstm_jax.gradients import truncated
from lstm_jax.gradients.bptt import bptt
from lstm_jax.tasks import random_lag
from lstm_jax.training import TESTING, Experiment, Trial, make_trial
from lstm_jax.types import Rule

ROW = ROWS["4-100"]
RULES: dict[str, Rule] = {
    "definition": truncated.definition,
    "time_parallel": truncated.time_parallel,
    "bptt": bptt,
}
WIDTH = 32
REFILLED = (100, 1000)
WIDTHS = (8, 16, 24, 32, 48, 64)
LENGTHS = (100, 500, 1000)
SYMBOLS = ((200, 50), (200, 200), (200, 1000), (200, 4000), (1000, 50), (1000, 1000))  # q, p

SEED = 0


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


@cache
def mean_length(row: Row, number: int = 4096) -> float:
    """Steps of a sequence, the mean of many."""
    sample = row.task().sample
    keys = jax.random.split(jax.random.key(SEED), number)
    return float(jax.jit(jax.vmap(lambda key: sample(key).length))(keys).mean())


# -- ours -------------------------------------------------------------------------------------


class Engine(NamedTuple):
    """The compiled parts of a block, as `run_trials` has them.

    Attributes:
      fill: `ids -> TrialState` with these trials in its lanes.
      advance: `(TrialState, sequences) -> TrialState`.
      steps: of a sequence, the mean.
    """

    fill: Callable[[np.ndarray], Any]
    advance: Callable[[Any, int], Any]
    steps: float


def engine(row: Row, width: int, rule: Rule | None = None, cap: int | None = None) -> Engine:
    """A row under its literal reading in a block of so many lanes."""
    advance = jax.jit(_trial(row, rule, cap).advance, donate_argnums=0)
    return Engine(_filling(row, width, cap), advance, mean_length(row))


def _trial(row: Row, rule: Rule | None, cap: int | None) -> Trial:
    def experiment(numbers: Settings) -> Experiment:
        built = build(row)(numbers)
        return built._replace(rule=rule or built.rule, cap=cap or built.cap, test=0)

    return make_trial(experiment)


@cache  # the rule makes no difference
def _filling(row: Row, width: int, cap: int | None) -> Callable[[np.ndarray], Any]:
    init, key = _trial(row, None, cap).init, jax.random.key(SEED)
    numbers = jax.tree.map(lambda a: np.moveaxis(a, 0, -1), for_trials(settings(row), width))

    @jax.jit
    def fill(ids, numbers):
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(ids)
        return jax.vmap(init, in_axes=(0, -1), out_axes=-1)(keys, numbers)

    return lambda ids: fill(ids, numbers)


def time_block(row: Row, width: int, seconds: float, rule: Rule | None = None) -> dict[str, Any]:
    """A block with a trial in every lane."""
    made = engine(row, width, rule)
    sample = fastest(lambda: made.fill(np.arange(width)), made.advance, seconds)
    return {**sample.per_step(width, made.steps), "steps": made.steps}


def time_refilled(numbers: tuple[int, ...], seconds: float, block: dict) -> dict[str, dict]:
    """Many trials, a block of lanes after the other: filled, trained to the cap, taken out.

    Args:
      numbers: of trials.
      seconds: for a thousand trials; says how many sequences a trial gets.
      block: how long one block takes.
    """
    most = -(-max(numbers) // WIDTH)
    cap = int(seconds / most / (1e-9 * block["ns"] * WIDTH * block["steps"])) + 1
    made = engine(ROW, WIDTH, cap=cap)

    def run(number: int, sequences: int) -> None:
        for first in range(0, number, WIDTH):
            ids = np.minimum(np.arange(first, first + WIDTH), number - 1)
            state = jax.device_get(made.advance(made.fill(ids), sequences))
            assert np.all(state.phase > TESTING), "trials that should be over"

    def timed(number: int) -> dict[str, Any]:
        blocks = -(-number // WIDTH)
        samples = [once(lambda: number, run, cap) for _ in range(2 * most // blocks)]
        used = round(number / (blocks * WIDTH), 3)
        return {**least(samples).per_step(number, made.steps), "lanes_used": used}

    run(WIDTH, cap)
    return {str(n): timed(n) for n in numbers}


def with_symbols(q: int, p: int) -> Row:
    """Experiment 2c with any number of distractors."""
    row = ROWS["2c-50-50"]
    return replace(row, name=f"2c-{q}-{p}", task=partial(random_lag, p=p, q=q), inputs=p + 4)


# -- all of it --------------------------------------------------------------------------------


def bench(lanes: tuple[int, ...], seconds: float, peers: bool) -> dict[str, Any]:
    """Measure everything, on one core; a few minutes at two seconds a program.

    Args:
      lanes: numbers of trials side by side.
      seconds: for each program, which is compiled before.
      peers: time the nets of other libraries too, where they are installed.

    Returns:
      What JSON can hold. Times are in nanoseconds per trial and step, `ns` by the clock
      and `cpu_ns` by the processor. By number of trials: `exact`, in a block of so many
      lanes; `as_run`, in blocks as `run` makes them; `ours`, the faster of these two; each
      of `rules` likewise; each of `peers` (see `peers.time_peer`). `refilled`: more trials
      than lanes. `widths` by lanes of a full block; at 32 lanes `lengths` by T and
      `symbols` by q and p. `ratios`: how many times as long as ours a rule or a peer
      takes, a peer under the XLA flags that suit it better and under none.
    """
    with one_core() as core:
        found: dict[str, Any] = {"machine": machine(core), "row": ROW.name, "seconds": seconds}
        found |= {**time_ours(lanes, seconds), "peers": {}}
        if peers:
            found["peers"] = time_peers(lanes, seconds)
    found["ratios"] = ratios(found)
    found["machine"]["load_after"] = _load()
    _say("")
    return found


def time_peers(lanes: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """The nets of other libraries, as `peers.time_peer` has each."""
    from experiments.peers import PEERS, time_peer  # which times with what is here

    found = {}
    for name in PEERS:
        _say(name)
        found[name] = time_peer(name, lanes, seconds)
    return found


class Blocks:
    """How long blocks take, each measured when it is first asked for."""

    def __init__(self, seconds: float):
        self._seconds = seconds
        self._timed: dict[tuple, dict] = {}

    def full(self, width: int, row: Row = ROW, rule: str | None = None) -> dict[str, Any]:
        """A trial in every lane."""
        asked = (width, row.name, rule)
        if asked not in self._timed:
            _say(f"row {row.name}, {width} lanes" + (f", {rule}" if rule else ""))
            by = RULES[rule] if rule else None
            self._timed[asked] = time_block(row, width, self._seconds, by)
        return self._timed[asked]

    def holding(self, trials: int, width: int, rule: str | None = None) -> dict[str, Any]:
        """So many trials, lanes idle where they do not fill blocks of this width."""
        timed = self.full(width, rule=rule)
        share = -(-trials // width) * width / trials
        idle = {kind: round(timed[kind] * share, 2) for kind in ("ns", "cpu_ns")}
        return {**timed, **idle, "width": width}

    def as_run(self, trials: int, rule: str | None = None) -> dict[str, Any]:
        """In blocks as wide as `python -m experiments run` makes them."""
        return self.holding(trials, Job(ROW, LITERAL, trials).lanes, rule)

    def better(self, trials: int, rule: str | None = None) -> dict[str, Any]:
        """As run, or in one block of just so many lanes, whichever is faster."""
        ways = self.holding(trials, trials, rule), self.as_run(trials, rule)
        return min(ways, key=lambda timed: timed["ns"])


def time_ours(lanes: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """The parts of `bench` that need this library only."""
    blocks = Blocks(seconds)
    found = {
        "ours": {str(n): blocks.better(n) for n in lanes},
        "exact": {str(n): blocks.holding(n, n) for n in lanes},
        "as_run": {str(n): blocks.as_run(n) for n in lanes},
        "rules": {rule: {str(n): blocks.better(n, rule) for n in lanes} for rule in RULES},
        "widths": {str(n): blocks.full(n) for n in WIDTHS},
        "lengths": {str(T): blocks.full(WIDTH, ROWS[f"4-{T}"]) for T in LENGTHS},
        "symbols": {f"{q}-{p}": blocks.full(WIDTH, with_symbols(q, p)) for q, p in SYMBOLS},
    }
    _say(f"{' and '.join(map(str, REFILLED))} trials")
    return {**found, "refilled": time_refilled(REFILLED, 2 * seconds, blocks.full(WIDTH))}


def ratios(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """How many times as long as ours each rule and each peer takes, by number of trials."""
    others = dict(found["rules"])
    for name, peer in found["peers"].items():
        if not isinstance(peer, str):
            others |= {name: peer["best"], f"{name}, no flags": peer["no_flags"]}

    def to_ours(timed: dict[str, dict]) -> dict[str, float]:
        ours = found["ours"]
        return {n: round(t["ns"] / ours[n]["ns"], 2) for n, t in timed.items() if n in ours}

    return {name: to_ours(timed) for name, timed in others.items()}


# -- the machine ------------------------------------------------------------------------------


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
        "load": _load(),
    }


def _load() -> list[float] | None:
    return [round(n, 2) for n in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _cpu_model() -> str:
    with contextlib.suppress(OSError, IndexError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(": ", 1)[1] for line in lines if line.startswith("model name"))
    return platform.processor() or platform.machine()


def _say(what: str) -> None:
    """What is being timed, for a person who waits."""
    if sys.stderr.isatty():
        print(f"\r\x1b[Ktiming {what}" if what else "\r\x1b[K", end="", file=sys.stderr, flush=True)


# -- for a person -----------------------------------------------------------------------------


def table(found: dict[str, Any]) -> Table:
    """The result as tables, one below the other."""
    grid = Table.grid()
    grid.add_row(f"Row {found['row']}: nanoseconds per trial and step (how many times ours)")
    grid.add_row(_compared(found))
    grid.add_row(f"Blocks of other widths; more trials than lanes: {WIDTH} at a time")
    grid.add_row(_other_numbers(found))
    grid.add_row(f"Longer sequences and more symbols, {WIDTH} lanes")
    grid.add_row(_other_tasks(found))
    at = found["machine"]
    grid.add_row(
        f"{at['cpu']}, core {at['core']} of {at['cores']}, {at['date']}, load average "
        f"{at['load']} before, {at['load_after']} after; jax {at['versions']['jax']}"
    )
    grid.add_row(f"XLA flags: {at['flags'] or 'none'}")
    if (share := min(t["cpu_ns"] / t["ns"] for t in found["ours"].values())) < 0.9:
        grid.add_row(f"Not a quiet core: {share:.0%} of it at worst; see cpu_ns of --json.")
    return grid


def _compared(found: dict[str, Any]) -> Table:
    lanes = list(found["ours"])
    made = _table("", *(f"{n} trial{'s' * (n != '1')}" for n in lanes))

    def add(name: str, timed: dict[str, dict], compare: bool = True) -> None:
        ours = found["ours"] if compare else {}
        made.add_row(name, *(_cell(timed.get(n), ours.get(n)) for n in lanes))

    def widths(timed: dict[str, dict]) -> str:
        return ", ".join(str(t["width"]) for t in timed.values())

    add("ours, the better of these two", found["ours"], compare=False)
    for way in ("exact", "as_run"):
        add(f"  in blocks of {widths(found[way])}", found[way])
    made.add_section()
    for rule, timed in found["rules"].items():
        add(f"ours by {rule}", timed)
    made.add_section()
    for name, peer in found["peers"].items():
        if isinstance(peer, str):
            made.add_row(f"{name}: {peer}")
            continue
        add(f"{name} {peer['version']} {peer['net']}", peer["no_flags"])
        if "our_flags" in peer:
            add("  under our XLA flags", peer["our_flags"])
    return made


def _cell(timed: dict | None, ours: dict | None = None) -> str:
    if timed is None:
        return "-"
    times = f"  ({timed['ns'] / ours['ns']:,.1f}x)" if ours else ""
    return f"{timed['ns']:,.1f}{times}"


def _other_numbers(found: dict[str, Any]) -> Table:
    made = _table("lanes", "trials", "ns", "lanes used")
    for width, timed in found["widths"].items():
        made.add_row(width, width, _cell(timed))
    made.add_section()
    for number, timed in found["refilled"].items():
        made.add_row(str(WIDTH), number, _cell(timed), f"{timed['lanes_used']:.0%}")
    return made


def _other_tasks(found: dict[str, Any]) -> Table:
    made = _table("task", "steps", "ns")
    for T, timed in found["lengths"].items():
        made.add_row(f"adding, T={T}", f"{timed['steps']:.0f}", _cell(timed))
    made.add_section()
    for name, timed in found["symbols"].items():
        q, p = name.split("-")
        made.add_row(f"2c, q={q}, p={p}", f"{timed['steps']:.0f}", _cell(timed))
    return made


def _table(*heads: str) -> Table:
    made = Table(box=box.SIMPLE_HEAD)
    for i, head in enumerate(heads):
        made.add_column(head, justify="left" if i == 0 else "right", no_wrap=True)
    return made
