"""Speed of the rivals: the laws of their costs, and each of them beside a plain loop.

`bench` measures in one run and on one core what a step of RTRL costs, by the units of a
net that is recurrent throughout and by the weights of one with a single recurrent unit;
what memory gradients take, by the length of the sequence; and the methods of Tables 1 and
2, and guessing, as `run_trials` runs them, with drawing, learning and stopping rule, beside
loops that do the same for one trial (`plain_loops`). The loops get their sequences drawn
beforehand, and unpadded. `speed_tables` shows what `bench` returns.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

import jax
import numpy as np

from experiments.benchmarks import plain_loops, plain_loops_torch
from experiments.benchmarks.cascade_speed import table, time_candidates
from experiments.benchmarks.engine import ROW, SEED, say, time_block
from experiments.benchmarks.other_libraries import MISSING
from experiments.benchmarks.plain_loops import Drawn
from experiments.benchmarks.stopwatch import fastest, load, machine, one_core
from experiments.methods.registry import net
from experiments.methods.trial_settings import settings
from experiments.paper.rival_rows import long_lag_rival
from experiments.paper.row import Rival, Row
from experiments.paper.tables import ROWS
from lstm_jax.gradients import bptt, forward_traces, rtrl
from lstm_jax.losses import squared_error
from lstm_jax.methods.sequence_chunker import TwoNets
from lstm_jax.networks.readout import Readout
from lstm_jax.tasks import adding, fixed_distractors
from lstm_jax.types import GradientRule, Params, Sequence

LANES = 16  # in 32 the larger nets of Tables 1 and 2 outgrow the caches
UNITS = (4, 8, 16, 32)
SYMBOLS = (4, 10, 30, 100)  # p
STEPS = (100, 1000, 10_000)
KEPT: dict[str, GradientRule] = {"rtrl": rtrl, "online": forward_traces, "bptt": bptt}
ROWS_BESIDE = (
    *("1-rtrl-3", "1-rtrl-12", "1-elman", "2a-rtrl-4-1", "2a-rtrl-10-1", "2a-rtrl-100-1"),
    *("2a-chunker-4-1", "2a-chunker-100-1", "2a-bptt-4-1", "2a-bptt-100-1"),
)
DRAWN = 256  # sequences that a loop goes through again and again


def bench(seconds: float) -> dict[str, Any]:
    """Measure everything, on one core; some minutes at two seconds a program.

    Args:
      seconds: for each program, which is compiled before.

    Returns:
      What JSON can hold. Times are in nanoseconds per trial and step, `ns` by the clock and
      `cpu_ns` by the processor. `dense` by units and `one_unit` by p: of RTRL in `lanes`,
      with `weights`, the sensitivities `carried`, those of `all` units to all weights, and
      the `multiplications` that carry them on. `memory` by rule and steps, in bytes.
      `rivals` by row: `ours`; `loops` by name, or why there is none; and
      `ratios`, how many times as long as ours a loop takes.
    """
    with one_core() as core:
        found: dict[str, Any] = {
            "machine": machine(core),
            "seconds": seconds,
            "lanes": LANES,
            "dense": {str(n): time_rtrl(dense(n), n, seconds) for n in UNITS},
            "one_unit": {str(p): time_rtrl(long_lag("RTRL", p), p + 2, seconds) for p in SYMBOLS},
            "memory": {rule: {str(T): scratch(rule, T) for T in STEPS} for rule in KEPT},
            "rivals": {name: time_beside(find(name), seconds) for name in ROWS_BESIDE},
        }
        found["rivals"]["guess-3a-100-3"] = time_guessing(ROWS["guess-3a-100-3"], seconds)
        found["rivals"]["1-rcc"] = time_cascade(ROWS["1-rcc"], seconds)
    found["machine"]["load_after"] = load()
    say("")
    return found


# ---------------------------------------------------------------- laws


def dense(units: int) -> Row:
    """RTRL at every step of units that are all connected; sequences are those of adding."""
    rival = Rival("RTRL", units, ("fully recurrent, biases", 2, units, 1))
    row = replace(ROW, name=f"rtrl-{units}", rival=rival)
    return row.with_settings(
        task=partial(adding, 20), blocks=(), input_gate=None, every_step=True, rate=0.01
    )


def time_rtrl(row: Row, units: int, seconds: float) -> dict[str, Any]:
    """A step of RTRL, and how many numbers it carries along.

    Args:
      row: learns by `rtrl`.
      units: all units that are no inputs.
      seconds: how long it is timed.
    """
    say(f"RTRL, {row.name}")
    counted = numbers_carried(row)
    every = {"all": units * counted["weights"]}
    return {**time_block(row, LANES, seconds), **counted, **every}


def numbers_carried(row: Row) -> dict[str, int]:
    """Weights, sensitivities that `rtrl` carries, multiplications that it takes."""
    cell = net(row)
    params = jax.eval_shape(cell.init, jax.random.key(SEED))
    assert rtrl.online
    memory = jax.eval_shape(rtrl.online(cell, squared_error).init, params)
    carried = _size(memory.by_weights)
    return {
        "weights": _size(params),
        "carried": carried,
        "multiplications": _size(memory.state) * carried,  # ds(t)/ds(t-1) times each column
    }


def _size(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def exponents(costs: dict[str, float]) -> list[float]:
    """Between successive sizes: e where the cost goes with the size to the power of e.

    Example:
      >>> exponents({"2": 16.0, "4": 256.0, "8": 256.0})
      [4.0, 0.0]
    """
    points = [(math.log(float(size)), math.log(cost)) for size, cost in costs.items()]
    return [
        round((cost - cost_before) / (size - size_before), 2)
        for (size_before, cost_before), (size, cost) in pairwise(points)
    ]


def scratch(rule: str, steps: int) -> int:
    """Bytes of working memory for the gradient of a sequence, beside weights and sequence."""
    cell, task = net(ROW), adding(100)
    params = jax.eval_shape(cell.init, jax.random.key(SEED))
    sequence = jax.eval_shape(task.sample, jax.random.key(SEED))
    inputs = jax.ShapeDtypeStruct((steps, *sequence.inputs.shape[1:]), sequence.inputs.dtype)
    learn = jax.jit(KEPT[rule](cell, squared_error))
    analysis = learn.lower(params, sequence.replace(inputs=inputs)).compile().memory_analysis()
    assert analysis, "a backend that tells"
    return analysis.temp_size_in_bytes


# ---------------------------------------------------------------- rivals beside loops


def find(name: str) -> Row:
    """A row of the tables, or one of experiment 2a with another number of distractors."""
    if name in ROWS:
        return ROWS[name]
    _, method, p, _ = name.split("-")
    return long_lag({"rtrl": "RTRL", "bptt": "BPTT"}.get(method, method), int(p))


def long_lag(method: str, p: int) -> Row:
    """Experiment 2a with any number of distractors, rate 1."""
    row = ROWS[f"2a-{method.lower()}-100-1"]
    row = replace(row, name=f"2a-{method.lower()}-{p}-1", rival=long_lag_rival(method, p))
    return row.with_settings(task=partial(fixed_distractors, p), inputs=p + 1, outputs=p + 1)


def loop_of(row: Row) -> str:
    """The name of the loop that does the same."""
    assert row.rival
    return f"{row.rival.method}{', one unit' if row.rival.units == 1 else ''}"


def time_beside(row: Row, seconds: float) -> dict[str, Any]:
    """A row in lanes, and its loops."""
    name, start = loop_of(row), tables(net(row).init(jax.random.key(SEED)))
    rate, sequences, found = float(settings(row).rate), drawn(row, DRAWN), {}
    ours = _ours(row, seconds)
    say(f"row {row.name}, NumPy")
    found["NumPy"] = time_loop(
        lambda: start, _at(rate, plain_loops.LOOPS[name]), sequences, seconds
    )
    if name in plain_loops_torch.TORCH:
        found["torch"] = MISSING
    if name in plain_loops_torch.TORCH and find_spec("torch"):
        say(f"row {row.name}, torch")
        begin = partial(plain_loops_torch.torch_start, start, rate)
        found["torch"] = time_loop(
            begin, _at(rate, plain_loops_torch.TORCH[name]), sequences, seconds
        )
    return _compared(row, ours, found)


def _at(rate: float, learn: plain_loops.GradientFn) -> Callable[[Any, Drawn], Any]:
    return lambda weights, one: learn(weights, one, rate)


def time_guessing(row: Row, seconds: float) -> dict[str, Any]:
    """Weights guessed until they are right; the loop draws its own."""
    ours = _ours(row, seconds)
    say(f"row {row.name}, NumPy")
    start = tables(net(row).init(jax.random.key(SEED)))
    learn = partial(plain_loops.guess, random=np.random.default_rng(SEED))
    return _compared(
        row, ours, {"NumPy": time_loop(lambda: start, learn, drawn(row, DRAWN), seconds)}
    )


def time_cascade(row: Row, seconds: float) -> dict[str, Any]:
    """An epoch of the candidates of cascade-correlation, and its loops."""
    return _compared(row, *time_candidates(row, LANES, seconds))


def _ours(row: Row, seconds: float) -> dict[str, Any]:
    say(f"row {row.name}, {LANES} lanes")
    return time_block(row, LANES, seconds)


def _compared(row: Row, ours: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    assert row.rival
    ratios = {n: round(t["ns"] / ours["ns"], 2) for n, t in found.items() if t != MISSING}
    return {"method": row.rival.method, "ours": ours, "loops": found, "ratios": ratios}


def time_loop(
    start: Callable[[], Any],
    learn: Callable[[Any, Drawn], Any],
    sequences: list[tuple[Drawn, int]],
    seconds: float,
) -> dict[str, Any]:
    """Sequence after sequence, one trial; steps are counted as in lanes, padding is not."""

    def run(weights: Any, number: int) -> None:
        for i in range(number):
            weights = learn(weights, sequences[i % len(sequences)][0])

    steps = float(np.mean([length for _, length in sequences]))
    return fastest(start, run, seconds).per_step(1, steps)


def drawn(row: Row, number: int) -> list[tuple[Drawn, int]]:
    """Sequences of a row as the loops read them, and how many steps each of them has."""
    keys = jax.random.split(jax.random.key(SEED), number)
    many = jax.device_get(jax.jit(jax.vmap(row.training.task().sample))(keys))
    return [_unpadded(jax.tree.map(lambda leaf, i=i: leaf[i], many)) for i in range(number)]


def _unpadded(one: Sequence) -> tuple[Drawn, int]:
    length = int(one.length)
    told = length if len(one.mask) == 1 else int(one.mask.sum())
    return Drawn(np.asarray(one.inputs[:told]), np.asarray(one.targets[:told], float)), length


def tables(params: Params) -> Any:
    """Parameters as the loops have them: a table for each layer, a row for each unit."""
    if isinstance(params, TwoNets):
        return tuple(map(tables, params))
    if isinstance(params, Readout):
        return table(params.cell), table((params.from_inputs, params.from_cell, params.bias))
    return (table(params),)
