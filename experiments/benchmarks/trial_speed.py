"""Speed: nanoseconds for one time step of one trial, everything included.

`bench` measures in one run and on one core row 4-100 (adding, 93 weights, on-line
learning) as `run_trials` runs it, with drawing, learning and stopping rule, and beside
it other rules in the same engine, other numbers of trials, other lengths, other numbers
of symbols, and on request the nets of other libraries (`other_libraries`). Times are those
of `engine`; work on padding and in idle lanes is not counted. `speed_tables` shows what
`bench` returns.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np

from experiments.benchmarks.engine import ROW, RULES, engine, say, time_block
from experiments.benchmarks.other_libraries import PEERS, time_peer
from experiments.benchmarks.stopwatch import least, load, machine, once, one_core
from experiments.paper.readings import LITERAL
from experiments.paper.row import Row
from experiments.paper.tables import ROWS
from experiments.running.jobs import Job
from lstm_jax.tasks import random_lag
from lstm_jax.training.records import TESTING

WIDTH = 32
REFILLED = (100, 1000)
WIDTHS = (8, 16, 24, 32, 48, 64)
LENGTHS = (100, 500, 1000)
SYMBOLS = ((200, 50), (200, 200), (200, 1000), (200, 4000), (1000, 50), (1000, 1000))  # q, p


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
    row = replace(ROWS["2c-50-50"], name=f"2c-{q}-{p}")
    return row.with_settings(task=partial(random_lag, p=p, q=q), inputs=p + 4)


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
      of `rules` likewise; each of `peers` (see `other_libraries.time_peer`). `refilled`: more
      trials than lanes, a block of `width` after the other. `widths` by lanes of a full block;
      at `width` lanes `lengths` by T and `symbols` by q and p. `ratios`: how many times as
      long as ours a rule or a peer takes, a peer under the XLA flags that suit it better
      and under none.
    """
    with one_core() as core:
        found: dict[str, Any] = {
            "machine": machine(core),
            "row": ROW.name,
            "seconds": seconds,
            "width": WIDTH,
        }
        found |= {**time_ours(lanes, seconds), "peers": {}}
        if peers:
            found["peers"] = time_peers(lanes, seconds)
    found["ratios"] = ratios(found)
    found["machine"]["load_after"] = load()
    say("")
    return found


def time_peers(lanes: tuple[int, ...], seconds: float) -> dict[str, Any]:
    """The nets of other libraries, as `time_peer` has each."""
    found = {}
    for name in PEERS:
        say(name)
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
            say(f"row {row.name}, {width} lanes" + (f", {rule}" if rule else ""))
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
    say(f"{' and '.join(map(str, REFILLED))} trials")
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
