"""Speed: nanoseconds for one time step of one trial, everything included.

`bench` measures in one run and on one core row 4-100 (adding, 93 weights, on-line
learning) as `run_trials` runs it, with drawing, learning and stopping rule, and beside
it other rules in the same engine, other numbers of trials, other lengths, other numbers
of symbols, and on request the nets of other libraries (`peers`). The time of a program
is that of the fastest of its repetitions, divided by its trials, their sequences and
the mean number of steps of a sequence; work on padding and in idle lanes is not counted.
"""

import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from rich import box
from rich.table import Table

from experiments.assembly import build, for_trials, settings
from experiments.files import HERE
from experiments.jobs import Job
from experiments.paper import ROWS, Row
from experiments.readings import LITERAL
from experiments.results import versions
from lstm_jax.gradients import truncated
from lstm_jax.gradients.bptt import bptt
from lstm_jax.tasks import random_lag
from lstm_jax.training import TESTING, Trial, make_trial
from lstm_jax.types import Rule, Task

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

PEERS = {"flax": "OptimizedLSTMCell", "equinox": "LSTMCell", "torch": "nn.LSTM"}
LANELESS = ("torch",)  # trains one trial at a time
MISSING = "not installed (make peers)"

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


def fastest(prepare: Callable[[], Any], run: Callable[[Any, int], Any], seconds: float) -> Sample:
    """Time `run(prepare(), sequences)` for about so many seconds, compiled before.

    Args:
      prepare: makes what a repetition begins with; its time does not count.
      run: the work; what it returns is waited for.
      seconds: for all repetitions, of which there are at least three.
    """

    def once(sequences: int) -> Sample:
        begin_with = jax.block_until_ready(prepare())
        clock, cpu = time.perf_counter(), time.process_time()
        jax.block_until_ready(run(begin_with, sequences))
        return Sample(time.perf_counter() - clock, time.process_time() - cpu, sequences, 1)

    once(1)
    sequences, sample = 1, once(1)
    while sample.seconds < seconds / 100:  # short ones find a moment when the core is free
        sequences = int(sequences * np.clip(seconds / 70 / sample.seconds, 1.5, 8)) + 1
        sample = once(sequences)
    samples = [sample]
    while len(samples) < 3 or sum(s.seconds for s in samples) < seconds:
        samples.append(once(sequences))
    return Sample(
        min(s.seconds for s in samples),
        min(s.cpu_seconds for s in samples),
        sequences,
        len(samples),
    )


def mean_length(task: Task, number: int = 4096) -> float:
    """Steps of a sequence, the mean of many."""
    keys = jax.random.split(jax.random.key(SEED), number)
    return float(jax.jit(jax.vmap(lambda key: task.sample(key).length))(keys).mean())


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

    def experiment(numbers):
        built = build(row)(numbers)
        return built._replace(rule=rule or built.rule, cap=cap or built.cap, test=0)

    trial: Trial = make_trial(experiment)
    numbers = jax.tree.map(lambda a: np.moveaxis(a, 0, -1), for_trials(settings(row), width))
    key = jax.random.key(SEED)

    @jax.jit
    def fill(ids, numbers):
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(ids)
        return jax.vmap(trial.init, in_axes=(0, -1), out_axes=-1)(keys, numbers)

    advance = jax.jit(trial.advance, donate_argnums=0)
    return Engine(lambda ids: fill(ids, numbers), advance, mean_length(row.task()))


def time_block(row: Row, width: int, seconds: float, rule: Rule | None = None) -> dict[str, Any]:
    """A block with a trial in every lane."""
    made = engine(row, width, rule)
    sample = fastest(lambda: made.fill(np.arange(width)), made.advance, seconds)
    return {**sample.per_step(width, made.steps), "steps": made.steps}


def time_refilled(numbers: tuple[int, ...], seconds: float, block: dict) -> dict[str, dict]:
    """Many trials, a block of lanes after the other: filled, trained to the cap, taken out.

    Args:
      numbers: of trials.
      seconds: for every thousand trials; says how many sequences a trial gets.
      block: how long one block takes.
    """
    blocks = -(-1000 // WIDTH)
    each = seconds / blocks / (1e-9 * block["ns"] * WIDTH * block["steps"])
    cap = max(int(each), 10)
    made = engine(ROW, WIDTH, cap=cap)

    def run(ids: np.ndarray, sequences: int) -> None:
        for first in range(0, len(ids), WIDTH):
            here = np.resize(ids[first : first + WIDTH], WIDTH)
            state = jax.device_get(made.advance(made.fill(here), sequences))
            assert np.all(state.phase > TESTING), "trials that should be over"

    run(np.arange(WIDTH), cap)
    return {str(n): _refilled(run, n, cap, made.steps) for n in numbers}


def _refilled(run: Callable, number: int, cap: int, steps: float) -> dict[str, Any]:
    clock, cpu = time.perf_counter(), time.process_time()
    run(np.arange(number), cap)
    sample = Sample(time.perf_counter() - clock, time.process_time() - cpu, cap, 1)
    lanes = -(-number // WIDTH) * WIDTH
    return {**sample.per_step(number, steps), "lanes_used": round(number / lanes, 3)}


def with_symbols(q: int, p: int) -> Row:
    """Experiment 2c with any number of distractors."""
    row = ROWS["2c-50-50"]
    return replace(row, name=f"2c-{q}-{p}", task=partial(random_lag, p=p, q=q), inputs=p + 4)


# -- others -----------------------------------------------------------------------------------


def time_peer(name: str, lanes: tuple[int, ...], seconds: float) -> dict[str, Any] | str:
    """A net of another library in processes of its own, with and without our XLA flags.

    Returns:
      `{"net", "version", "no_flags", "our_flags", "best"}`, the last three by number of
      lanes (`our_flags` only where they make a difference); or one line on why there is
      nothing.
    """
    if find_spec(name) is None:
        return MISSING
    flags = {"no_flags": "", "our_flags": os.environ.get("XLA_FLAGS", "")}
    if name in LANELESS or not flags["our_flags"]:
        del flags["our_flags"]
    asked = (1,) if name in LANELESS else lanes
    found = {kind: ask_peer(name, asked, seconds, text) for kind, text in flags.items()}
    for answer in found.values():
        if isinstance(answer, str):
            return answer
    best = {
        str(n): min((timed[str(n)] for timed in found.values()), key=lambda t: t["ns"])
        for n in asked
    }
    return {"net": PEERS[name], "version": version(name), **found, "best": best}


def ask_peer(name: str, lanes: tuple[int, ...], seconds: float, flags: str) -> Any:
    """What `python -m experiments.peers` says under these XLA flags, or why it fails."""
    environment = {**os.environ, "XLA_FLAGS": flags}
    command = [sys.executable, "-m", "experiments.peers", name, str(seconds), *map(str, lanes)]
    done = subprocess.run(command, cwd=HERE.parent, env=environment, capture_output=True, text=True)
    if done.returncode:
        return f"failed: {(done.stderr.strip().splitlines() or ['without a word'])[-1]}"
    return json.loads(done.stdout.splitlines()[-1])


# -- all of it --------------------------------------------------------------------------------


def bench(lanes: tuple[int, ...], seconds: float, peers: bool) -> dict[str, Any]:
    """Measure everything, on one core; a few minutes at two seconds a program.

    Args:
      lanes: numbers of trials side by side.
      seconds: for each program, which is compiled before.
      peers: time the nets of other libraries too, where they are installed.

    Returns:
      What JSON can hold. Times are in nanoseconds per trial and step: `ns` by the clock,
      `cpu_ns` by the processor. `ours` and each of `rules`, `as_run` and `peers` by number
      of trials; `widths` by lanes of the block; `refilled` for more trials than lanes;
      `lengths` and `symbols` at 32 lanes; `ratios` how many times as long as ours a rule
      or a peer takes, a peer under the flags that suit it better and under none.
    """
    with one_core() as core:
        found: dict[str, Any] = {"machine": machine(core), "row": ROW.name, "seconds": seconds}
        found |= time_ours(lanes, seconds)
        found["peers"] = {}
        if peers:
            for name in PEERS:
                _say(name)
                found["peers"][name] = time_peer(name, lanes, seconds)
    found["ratios"] = ratios(found)
    found["machine"]["load_after"] = _load()
    _say("")
    return found


def time_ours(lanes: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """The parts of `bench` that need this library only."""
    blocks: dict[tuple, dict] = {}

    def block(width: int, row: Row = ROW, rule: str | None = None) -> dict[str, Any]:
        if (width, row.name, rule) not in blocks:
            _say(f"row {row.name}, {width} lanes" + (f", {rule}" if rule else ""))
            timed = time_block(row, width, seconds, RULES[rule] if rule else None)
            blocks[width, row.name, rule] = timed
        return blocks[width, row.name, rule]

    def at_lanes(rule: str | None = None) -> dict[str, dict]:
        return {str(n): block(n, rule=rule) for n in lanes}

    found = {
        "ours": at_lanes(),
        "rules": {rule: at_lanes(rule) for rule in RULES},
        "widths": {str(n): block(n) for n in WIDTHS},
    }
    found["as_run"] = {str(n): _as_run(n, block) for n in lanes}
    _say(f"{REFILLED} trials in blocks of {WIDTH}")
    found["refilled"] = time_refilled(REFILLED, 4 * seconds, block(WIDTH))
    found["lengths"] = {str(T): block(WIDTH, ROWS[f"4-{T}"]) for T in LENGTHS}
    symbols = [(q, p, block(WIDTH, with_symbols(q, p))) for q, p in SYMBOLS]
    found["symbols"] = [{"q": q, "p": p, **timed} for q, p, timed in symbols]
    return found


def _as_run(number: int, block: Callable[[int], dict]) -> dict[str, Any]:
    """What so many trials cost in the blocks that `run` puts them in, some lanes idle."""
    width = Job(ROW, LITERAL, number).lanes
    share = -(-number // width) * width / number
    timed = block(width)
    return {
        "width": width,
        "ns": round(timed["ns"] * share, 2),
        "cpu_ns": round(timed["cpu_ns"] * share, 2),
    }


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
        "versions": {**versions(), **{name: _version(name) for name in PEERS}},
        "python": platform.python_version(),
        "load": _load(),
    }


def _load() -> list[float] | None:
    return [round(n, 2) for n in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return MISSING


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
    for part in (_compared(found), _other_numbers(found), _other_tasks(found)):
        grid.add_row(part)
    at = found["machine"]
    grid.add_row(
        f"{at['cpu']}, core {at['core']} of {at['cores']}, {at['date']}, load average "
        f"{at['load']} before, {at['load_after']} after; jax {at['versions']['jax']}\n"
        f"XLA flags {at['flags'] or 'none'}"
    )
    return grid


def _compared(found: dict[str, Any]) -> Table:
    lanes = list(found["ours"])
    made = _table(
        f"Row {found['row']}: nanoseconds per trial and step, and how many times ours that is",
        "",
        *(f"{n} trial{'s' * (n != '1')}" for n in lanes),
    )

    def add(name: str, timed: dict[str, dict], compare: bool = True) -> None:
        ours = found["ours"] if compare else {}
        made.add_row(name, *(_cell(timed.get(n), ours.get(n)) for n in lanes))

    add("ours, a lane for each trial", found["ours"], compare=False)
    widths = " ".join(str(timed["width"]) for timed in found["as_run"].values())
    add(f"ours, as `run` does it: blocks of {widths}", found["as_run"])
    made.add_section()
    for rule, timed in found["rules"].items():
        add(f"ours, by {rule}", timed)
    made.add_section()
    for name, peer in found["peers"].items():
        if isinstance(peer, str):
            made.add_row(name, peer)
            continue
        add(f"{name} {peer['version']} {peer['net']}", peer["no_flags"])
        if "our_flags" in peer:
            add(f"{name} under our XLA flags", peer["our_flags"])
    return made


def _cell(timed: dict | None, ours: dict | None = None) -> str:
    if timed is None:
        return "-"
    times = f"  ({timed['ns'] / ours['ns']:,.1f}x)" if ours else ""
    return f"{timed['ns']:,.1f}{times}"


def _other_numbers(found: dict[str, Any]) -> Table:
    made = _table("Other widths of the block, and more trials than lanes", "lanes", "trials", "ns")
    for width, timed in found["widths"].items():
        made.add_row(width, width, _cell(timed))
    made.add_section()
    for number, timed in found["refilled"].items():
        used = f"  ({timed['lanes_used']:.0%} of the lanes used)"
        made.add_row(str(WIDTH), number, _cell(timed) + used)
    return made


def _other_tasks(found: dict[str, Any]) -> Table:
    made = _table(f"Longer sequences and more symbols, {WIDTH} lanes", "task", "steps", "ns")
    for T, timed in found["lengths"].items():
        made.add_row(f"adding, T={T}", f"{timed['steps']:.0f}", _cell(timed))
    made.add_section()
    for timed in found["symbols"]:
        name = f"2c, q={timed['q']}, p={timed['p']}"
        made.add_row(name, f"{timed['steps']:.0f}", _cell(timed))
    return made


def _table(title: str, *heads: str) -> Table:
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for i, head in enumerate(heads):
        made.add_column(head, justify="left" if i == 0 else "right", no_wrap=True)
    return made
