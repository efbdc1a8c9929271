"""The loop of many independent trials.

A block of lanes advances on the devices in chunks; between chunks the host takes the
trials that are over out of their lanes, writes their records and puts waiting trials
in. Trial i is a function of `fold_in(key, i)` and its settings alone: which lane or
device it runs on, beside whom, and whether the process was killed in between, changes
no bit of its record, as long as the number of lanes a device is the same (that number
decides what program is compiled; blocks always have full width).
"""

import contextlib
import operator
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.training.trial import Trial
from lstm_jax.trials.identity import identity_of
from lstm_jax.trials.interruption import Interruption
from lstm_jax.trials.lanes import (
    Block,
    Finished,
    Program,
    Source,
    empty,
    ended,
    fill,
    program_of,
    put_in,
    source_of,
    with_points,
)
from lstm_jax.trials.plain import plain
from lstm_jax.trials.storage import MOST_TRIALS, Storage, open_storage
from lstm_jax.types import Key

_CHUNK_S, _CHECKPOINT_S = 0.5, 20.0  # how long a chunk takes; how often a checkpoint is made
_TICKS = 64  # of the first chunk


class Progress(NamedTuple):
    """Where a run stands.

    Attributes:
      trials: how many there are to be, of this process' share.
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
    and keeps its own records in the common folder. The next run may have another number of
    processes: a trial that any process recorded is over.

    A folder belongs to one run: to a trial (its programs, see `trials.identity`), a key,
    settings, a number of lanes, versions of this library and of JAX, and what `identity`
    says. `number` may change. While a run is at work there, a second one is refused. When
    SIGINT or SIGTERM comes meanwhile, a checkpoint is made before the signal has its way, at
    the end of the chunk; so it is when a listener or a `summary` raises an error.

    Args:
      trial: what a trial is, from `make_trial`.
      key: randomness of the whole run, `jax.random.key(seed, impl="threefry2x32")`; trial i
        gets `fold_in(key, i)`.
      number: how many trials, at most `2**31 - 1`.
      settings: numbers that differ between trials: a pytree of arrays with a leading
        axis of `number`; None if there are none.
      lanes: width of a block on each device; 16 and 32 are fast on CPUs.
      devices: how many of the local devices to use; None for all.
      folder: where records and checkpoints are kept, on this machine. A run started again
        with the same folder goes on where it was. None to keep nothing.
      identity: what else the run is, in numbers, strings, arrays, lists and dicts; a folder
        that holds another run is refused.
      budget_s: seconds after which the run is put down, to be taken up another time.
      on_chunk: told how the run stands, about twice a second.
      on_finished: told of every trial that ends in this process.

    Returns:
      The records of the trials that are over, by trial; without a folder those of this
      process, with one those of all processes so far. A dict each: `trial`, `phase`
      ("solved", "capped", "diverged"), `sequences`, `reached` (sequences when each
      criterion first held, -1 for never), `test` (`sequences`, `wrong`, mean `error`,
      mean `squared` error; None if there was none), `curve` and `curve_at`, the sequences
      at its points; and what the learner's `summary` says, as `trials.plain` writes it: NaN
      and infinity as the strings "NaN", "Infinity" and "-Infinity".

    Raises:
      ValueError: numbers out of range, another kind of key, an identity that cannot be
        written, too many lanes for the memory.
      RunError: the folder belongs to another run, is in use, or cannot be read or written;
        a summary that cannot be written.

    Example:
      >>> import lstm_jax as lj
      >>> trial = lj.make_trial(
      ...     lambda settings: lj.TrialConfig(
      ...         net=lj.readout(lj.memory_block(lj.Topology(inputs=1, blocks=(1,))), outputs=1),
      ...         task=lj.tasks.two_sequence(10, 1),
      ...         learner=lj.random_guessing(),
      ...         judge=lj.judging.within(0.3),
      ...         stop=lj.all_right(10),
      ...         max_sequences=10_000,
      ...         test_sequences=100,
      ...     )
      ... )
      >>> records = run_trials(trial, jax.random.key(0), 3, lanes=2)
      >>> [record["phase"] for record in records]
      ['solved', 'solved', 'solved']
    """
    number, lanes, here = _check(number, lanes, devices)
    _check_key(key)
    _check_settings(settings, number)
    said = plain(identity or {}, "identity")
    source = source_of(key, settings)
    process, processes = jax.process_index(), jax.process_count()
    mine = range(process, number, processes)
    with open_storage(folder, process, processes) as storage:
        kept = f"what {storage.folder} holds is kept; start the same run again to go on"
        with Interruption(storage.folder is not None) as interruption:
            program = program_of(trial, source, lanes, here)
            interruption.deliver(kept)
            storage.claim(lambda: identity_of(program, source, lanes, said), source.settings)
            interruption.deliver(kept)
            records = {r["trial"]: r for r in storage.records() if r["trial"] in mine}
            run = _Run(program, source, trial.summary, storage, records, mine)
            if len(records) < len(mine):
                block = _take_up(run)
                interruption.deliver(kept)
                program.advance.lower(block.state, _TICKS).compile()  # pyright: ignore
                interruption.deliver(kept)
                _go_on(run, block, interruption, budget_s, on_chunk, on_finished)
        records |= {r["trial"]: r for r in storage.records() if r["trial"] < number}
    return [with_points(records[i]) for i in sorted(records)]


class _Run(NamedTuple):
    """A run that goes on; `records` are those of this process' share, `mine`, and grow."""

    program: Program
    source: Source
    summary: Callable[[Any], dict]
    storage: Storage
    records: dict[int, dict]
    mine: range


def _check(number: Any, lanes: Any, devices: Any) -> tuple[int, int, int]:
    here = len(jax.local_devices())
    try:
        number, lanes = operator.index(number), operator.index(lanes)
        devices = here if devices is None else operator.index(devices)
    except TypeError as error:
        raise ValueError(
            f"expected whole numbers, got number={number!r}, lanes={lanes!r}, devices={devices!r}; "
            "write int(...)"
        ) from error
    if number < 1 or lanes < 1:
        raise ValueError(
            f"expected at least one trial and one lane, got {number} and {lanes}; "
            "write number=1, lanes=1"
        )
    if number > MOST_TRIALS:
        raise ValueError(
            f"expected at most {MOST_TRIALS} trials, which is what fold_in can number, got "
            f"{number}; use several keys"
        )
    if not 1 <= devices <= here:
        raise ValueError(
            f"expected devices from 1 to {here}, got {devices}; on a CPU set "
            "jax.config.update('jax_num_cpu_devices', n) before the first computation"
        )
    return number, lanes, devices


def _check_key(key: Any) -> None:
    """Other generators than threefry give lanes numbers that depend on their neighbours."""
    what = f"a {type(key).__name__}"
    if isinstance(key, jax.Array | np.ndarray):
        what = f"{key.dtype}{list(key.shape)}"
        if jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
            what = f"keys {jax.random.key_impl(key)}{list(key.shape)}"
            if str(jax.random.key_impl(key)) == "threefry2x32" and key.shape == ():
                return
    raise ValueError(
        f"expected one random key of threefry, got {what}; write jax.random.key(0, "
        'impl="threefry2x32")'
    )


def _check_settings(settings: Any, number: int) -> None:
    for leaf in jax.tree.leaves(settings):
        if np.shape(leaf)[:1] != (number,):
            raise ValueError(
                f"expected settings with a leading axis of {number}, one entry a trial, got an "
                f"array of shape {np.shape(leaf)}; repeat what all trials share"
            )
        if (dtype := np.asarray(leaf).dtype).kind not in "biufc" and dtype.isbuiltin != 2:
            raise ValueError(f"expected settings of numbers, got {dtype}; give them as float32")


def _go_on(
    run: _Run,
    block: Block,
    interruption: Interruption,
    budget_s: float | None,
    on_chunk: Callable[[Progress], None] | None,
    on_finished: Callable[[Finished], None] | None,
) -> None:
    """Advance until all trials are over, the budget is, or a signal comes."""
    began = saved = time.monotonic()
    for block in _chunks(run, block):  # noqa: B020
        with _kept_if_it_fails(run, block):
            for lane, (record, params) in ended(run.summary, block):
                if on_finished:  # before the record, without which the trial would run again
                    on_finished(Finished(with_points(record), params))
                run.storage.append(record)
                run.records[record["trial"]] = record
                block.ids[lane] = -1
            now = time.monotonic()
            if on_chunk:
                on_chunk(_progress(run, block, now - began))
        over_budget = budget_s is not None and now - began > budget_s
        if over_budget or interruption.caught or now - saved > _CHECKPOINT_S:
            _save(run, block)
            saved = now
        interruption.deliver(
            f"{len(run.records)} of {len(run.mine)} trials are recorded, "
            f"{np.sum(block.ids >= 0)} under way are kept in {run.storage.folder}; "
            "start the same run again to go on"
        )
        if over_budget:
            return


def _chunks(run: _Run, block: Block) -> Iterator[Block]:
    """Fill lanes and advance until nothing waits and nothing runs.

    Whoever takes trials out of a block marks their lanes as free in its `ids`.
    """
    begun = {int(i) for i in block.ids}
    waiting = (i for i in run.mine if i not in run.records and i not in begun)
    ticks = _TICKS
    while True:
        block = fill(run.program, run.source, block, waiting)
        if not np.any(block.ids >= 0):
            return
        began = time.monotonic()
        block = Block(jax.block_until_ready(run.program.advance(block.state, ticks)), block.ids)
        seconds = time.monotonic() - began
        yield block
        ticks = int(np.clip(ticks * _CHUNK_S / max(seconds, 1e-3), ticks / 2, ticks * 2)) or 1


@contextlib.contextmanager
def _kept_if_it_fails(run: _Run, block: Block) -> Iterator[None]:
    """Whatever is raised meanwhile, trials that are in lanes and not recorded are kept."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(Exception):  # of two errors the first one is told
            _save(run, block)
        raise


def _save(run: _Run, block: Block) -> None:
    if run.storage.folder is not None:
        run.storage.save(jax.device_get(block.state), block.ids)


def _take_up(run: _Run) -> Block:
    """The block as it was last saved, in lanes of this run; empty if there is none."""
    block = empty(run.program, run.source)
    for state, ids in run.storage.load(block.state):
        held = {int(i) for i in block.ids}
        block = put_in(
            run.program, block, state, ids,
            lambda i, held=held: i in run.mine and i not in run.records and i not in held,
        )  # fmt: skip
    return block


def _progress(run: _Run, block: Block, seconds: float) -> Progress:
    running = int(np.sum(np.asarray(block.state.sequences)[block.ids >= 0]))
    return Progress(
        trials=len(run.mine),
        done=len(run.records),
        solved=sum(r["phase"] == "solved" for r in run.records.values()),
        running=int(np.sum(block.ids >= 0)),
        sequences=running + sum(r["sequences"] for r in run.records.values()),
        seconds=seconds,
    )
