"""Speed: nanoseconds for one time step of one trial, everything included.

`bench` measures in one run and on one core row 4-100 (adding, 93 weights, on-line
learning) as `run_trials` runs it, with drawing, learning and stopping rule, and beside
it other rules in the same engine, other numbers of trials, other lengths, other numbers
of symbols, and on request the nets of other libraries (`peers`). The time of a program
is that of the fastest of its repetitions, divided by its trials, their sequences and
the mean number of steps of a sequence; work on padding and in idle lanes is not counted.
`timing_tables` shows what `bench` returns.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.assembly import Settings, build, for_trials, trial
from experiments.jobs import Job
from experiments.readings import LITERAL
from experiments.rows import Row
from experiments.stopwatch import fastest, least, load, machine, once, one_core
from experiments.tables import ROWS
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


@cache
def mean_length(row: Row, number: int = 4096) -> float:
    """Steps of a sequence, the mean of many."""
    sample = row.task().sample
    keys = jax.random.split(jax.random.key(SEED), number)
    return float(jax.jit(jax.vmap(lambda key: sample(key).length))(keys).mean())


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
    if row.rival and row.rival.trial:
        return trial(row)

    def experiment(numbers: Settings) -> Experiment:
        built = build(row)(numbers)
        return built._replace(rule=rule or built.rule, cap=cap or built.cap, test=0)

    return make_trial(experiment)


@cache  # the rule makes no difference
def _filling(row: Row, width: int, cap: int | None) -> Callable[[np.ndarray], Any]:
    init, key = _trial(row, None, cap).init, jax.random.key(SEED)
    numbers = jax.tree.map(lambda a: np.moveaxis(a, 0, -1), for_trials(row, width))

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
      than lanes, a block of `width` after the other. `widths` by lanes of a full block; at
      `width` lanes `lengths` by T and `symbols` by q and p. `ratios`: how many times as
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
    """The nets of other libraries, as `peers.time_peer` has each."""
    from experiments.peers import PEERS, time_peer  # which times with what is here

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


def say(what: str) -> None:
    """What is being timed, for a person who waits."""
    if sys.stderr.isatty():
        print(f"\r\x1b[Ktiming {what}" if what else "\r\x1b[K", end="", file=sys.stderr, flush=True)
