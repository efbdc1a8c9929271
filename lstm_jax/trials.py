"""Many independent trials: lanes that refill, devices, checkpoints, records.

A block of lanes advances on the devices in chunks; between chunks the host takes the
trials that are over out of their lanes, writes their records and puts waiting trials
in. Trial i is a function of `fold_in(key, i)` and its settings alone: which lane or
device it runs on, beside whom, and whether the process was killed in between, changes
no bit of its record, as long as the number of lanes a device is the same (that number
decides what program is compiled; blocks always have full width).
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lstm_jax.storage import RunError, Storage, open_storage
from lstm_jax.training import IDLE, PHASES, SOLVED, TESTING, Trial, TrialState
from lstm_jax.types import Key, Params
from lstm_jax.wiring import freeze

__all__ = ["Finished", "Progress", "RunError", "run_trials"]

_CHUNK_S, _CHECKPOINT_S = 0.5, 20.0  # how long a chunk takes; how often a checkpoint is made


class Progress(NamedTuple):
    """Where a run stands.

    Attributes:
      trials: how many there are to be.
      done: how many are over, however they ended.
      solved: how many of those reached their criterion.
      running: how many are in lanes now.
      sequences: training sequences of all trials so far, earlier processes included.
      seconds: since this process began.
    """

    trials: int
    done: int
    solved: int
    running: int
    sequences: int
    seconds: float


class Finished(NamedTuple):
    """A trial that is over: its record, and what it had learned (NumPy arrays, no lanes)."""

    record: dict
    params: Params


class Block(NamedTuple):
    """Trials in lanes.

    Attributes:
      state: `TrialState` with lanes last, spread over the devices.
      ids: `(lanes,)`, which trial is in which lane; -1 for none.
    """

    state: TrialState
    ids: np.ndarray


def run_trials(
    trial: Trial,
    key: Key,
    number: int,
    *,
    settings: Any = None,
    lanes: int = 16,
    devices: int | None = None,
    folder: Path | str | None = None,
    identity: dict | None = None,
    budget_s: float | None = None,
    on_chunk: Callable[[Progress], None] | None = None,
    on_finished: Callable[[Finished], None] | None = None,
) -> list[dict]:
    """Run trials 0 to `number - 1`, as many at a time as there are lanes.

    In a JAX distributed run every process takes every n-th trial, on its own devices,
    and keeps its own records in the common folder.

    Args:
      trial: what a trial is, from `training.make_trial`.
      key: randomness of the whole run; trial i gets `fold_in(key, i)`.
      number: how many trials.
      settings: numbers that differ between trials: a pytree of arrays with a leading
        axis of `number`; None if there are none.
      lanes: width of a block on each device; 16 and 32 are fast on CPUs.
      devices: how many of the local devices to use; None for all.
      folder: where records and checkpoints are kept. A run started again with the same
        folder goes on where it was. None to keep nothing.
      identity: what the run is; a folder that holds another run is refused.
      budget_s: seconds after which the run is put down, to be taken up another time.
      on_chunk: told how the run stands, about twice a second.
      on_finished: told of every trial that ends in this process.

    Returns:
      The records of the trials that are over, by trial; a dict each: `trial`, `phase`
      ("solved", "capped", "diverged"), `sequences`, `reached` (sequences when each
      criterion first held, -1 for never), `test` (`sequences`, `wrong`, mean `error`,
      mean `squared` error; None if there was none) and `curve`; and what the trial's
      `details` say.

    Raises:
      ValueError: numbers out of range.
      RunError: the folder belongs to another run, or cannot be read or written.
    """
    here = _check(number, lanes, devices)
    _check_settings(settings, number)
    program = _compile(trial, key, settings, lanes, here)
    storage = open_storage(folder, {**(identity or {}), "lanes": lanes}, jax.process_index())
    mine = range(jax.process_index(), number, jax.process_count())
    records = {r["trial"]: r for r in storage.records() if r["trial"] in mine}
    began = saved = time.monotonic()
    block = _take_up(program, storage, records, mine)
    for block, finished in _chunks(program, block, records, mine):  # noqa: B020
        for one in finished:
            if on_finished:  # before the record, without which the trial would run again
                on_finished(one)
            storage.append(one.record)
            records[one.record["trial"]] = one.record
        now = time.monotonic()
        if on_chunk:
            on_chunk(_progress(records, block, len(mine), now - began))
        over_budget = budget_s is not None and now - began > budget_s
        if over_budget or now - saved > _CHECKPOINT_S:
            storage.save(jax.device_get(block.state), block.ids)
            saved = now
        if over_budget:
            break
    return [records[i] for i in sorted(records)]


class _Program(NamedTuple):
    """The compiled parts, for blocks of `width` lanes in all."""

    width: int
    order: np.ndarray  # lanes in the order in which they are filled, devices in turn
    empty: Callable[[], TrialState]
    refill: Callable[[TrialState, np.ndarray, np.ndarray], TrialState]
    advance: Callable[[TrialState, int], TrialState]
    place: Callable[[TrialState], TrialState]
    details: Callable[[TrialState], dict]


def _check(number: int, lanes: int, devices: int | None) -> int:
    here = len(jax.local_devices())
    if number < 1 or lanes < 1:
        raise ValueError(f"expected at least one trial and one lane, got {number} and {lanes}")
    if devices is not None and not 1 <= devices <= here:
        raise ValueError(
            f"expected devices from 1 to {here}, got {devices}; on a CPU set "
            "jax.config.update('jax_num_cpu_devices', n) before the first computation"
        )
    return devices or here


def _check_settings(settings: Any, number: int) -> None:
    for leaf in jax.tree.leaves(settings):
        if np.shape(leaf)[:1] != (number,):
            raise ValueError(
                f"expected settings with a leading axis of {number}, one entry a trial, got an "
                f"array of shape {np.shape(leaf)}; repeat what all trials share"
            )


def _compile(trial: Trial, key: Key, settings: Any, lanes: int, devices: int) -> _Program:
    mesh = Mesh(np.array(jax.local_devices()[:devices]), ("lanes",))
    width = lanes * devices

    def fresh(ids, settings):
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(ids)
        return jax.vmap(trial.init, in_axes=(0, -1), out_axes=-1)(keys, settings)

    def settings_of(ids):
        return jax.tree.map(lambda a: np.moveaxis(np.asarray(a)[ids], 0, -1), settings)

    def spec(leaf):
        return PartitionSpec(*[None] * (leaf.ndim - 1), "lanes")

    none = np.zeros(width, np.int32)
    specs = jax.tree.map(spec, jax.eval_shape(fresh, none, settings_of(none)))
    shardings = jax.tree.map(lambda s: NamedSharding(mesh, s), specs)
    advance = jax.shard_map(
        trial.advance,
        mesh=mesh,
        in_specs=(specs, PartitionSpec()),
        out_specs=specs,
        check_vma=False,
    )
    init = jax.jit(fresh, out_shardings=shardings)
    merge = jax.jit(freeze, out_shardings=shardings)

    def empty():
        state = init(none, settings_of(none))
        return state._replace(phase=jax.device_put(none + IDLE, shardings.phase))

    def refill(state, new, ids):
        ids = np.where(new, ids, 0).astype(np.int32)
        return merge(new, init(ids, settings_of(ids)), state)

    return _Program(
        width=width,
        order=np.arange(width).reshape(devices, lanes).T.reshape(-1),
        empty=empty,
        refill=refill,
        advance=jax.jit(advance, donate_argnums=0, out_shardings=shardings),
        place=lambda state: jax.device_put(state, shardings),
        details=trial.details,
    )


def _chunks(
    program: _Program, block: Block, records: dict, mine: range
) -> Iterator[tuple[Block, list[Finished]]]:
    """Fill lanes, advance, take out what is over; until nothing waits and nothing runs."""
    waiting = [i for i in mine if i not in records and i not in block.ids]
    ticks = 64
    while True:
        block, waiting = _fill(program, block, waiting)
        if not np.any(block.ids >= 0):
            return
        began = time.monotonic()
        state = jax.block_until_ready(program.advance(block.state, ticks))
        seconds = time.monotonic() - began
        finished, ids = _take_out(program.details, Block(state, block.ids))
        block = Block(state, ids)
        yield block, finished
        ticks = int(np.clip(ticks * _CHUNK_S / max(seconds, 1e-3), ticks / 2, ticks * 2)) or 1


def _fill(program: _Program, block: Block, waiting: list[int]) -> tuple[Block, list[int]]:
    free = [lane for lane in program.order if block.ids[lane] < 0][: len(waiting)]
    if not free:
        return block, waiting
    ids = block.ids.copy()
    ids[free] = waiting[: len(free)]
    new = np.zeros(program.width, bool)
    new[free] = True
    return Block(program.refill(block.state, new, ids), ids), waiting[len(free) :]


def _take_out(details: Callable[[Any], dict], block: Block) -> tuple[list[Finished], np.ndarray]:
    """What is over in a block, and who is left in its lanes."""
    phase = np.asarray(block.state.phase)
    over = np.flatnonzero((block.ids >= 0) & (phase > TESTING))
    if not len(over):
        return [], block.ids
    state = jax.device_get(block.state)
    finished = []
    for lane in over:
        alone = jax.tree.map(lambda leaf, lane=lane: leaf[..., lane], state)
        record = _record(int(block.ids[lane]), alone) | details(alone)
        finished.append(Finished(record, alone.params))
    ids = block.ids.copy()
    ids[over] = -1
    return finished, ids


def _record(trial: int, state: TrialState) -> dict:
    tally, solved = state.tally, state.phase == SOLVED
    count = int(tally.sequences)
    test = {
        "sequences": count,
        "wrong": int(tally.wrong),
        "error": float(tally.error) / max(count, 1),
        "squared": float(tally.squared) / max(count, 1),
    }
    return {
        "trial": trial,
        "phase": PHASES[int(state.phase)],
        "sequences": int(state.sequences),
        "reached": [int(n) for n in state.reached],
        "test": test if solved and count else None,
        "curve": [float(e) if np.isfinite(e) else None for e in state.curve.error],
    }


def _progress(records: dict, block: Block, trials: int, seconds: float) -> Progress:
    running = int(np.sum(np.asarray(block.state.sequences)[block.ids >= 0]))
    return Progress(
        trials=trials,
        done=len(records),
        solved=sum(r["phase"] == "solved" for r in records.values()),
        running=int(np.sum(block.ids >= 0)),
        sequences=running + sum(r["sequences"] for r in records.values()),
        seconds=seconds,
    )


def _take_up(program: _Program, storage: Storage, records: dict, mine: range) -> Block:
    """The block as it was last saved, in lanes of this run; empty if there is none."""
    state, ids = program.empty(), np.full(program.width, -1)
    saved = storage.load(state)
    if saved is None:
        return Block(state, ids)
    saved_state, saved_ids = saved
    going = [lane for lane, i in enumerate(saved_ids) if i in mine and i not in records]
    lanes = program.order[: len(going)]
    going = going[: len(lanes)]
    ids[lanes] = saved_ids[going]

    def put(old, leaf):
        leaf = np.array(leaf)
        if not leaf.size:
            return leaf
        leaf[..., lanes] = np.asarray(old)[..., going]
        return leaf

    return Block(program.place(jax.tree.map(put, saved_state, state)), ids)
