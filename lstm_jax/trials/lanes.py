"""Trials in lanes: the compiled programs, and how trials come into lanes and out of them."""

import os
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from lstm_jax.ops.lanes import tree_where
from lstm_jax.training.records import IDLE, MOST_SEQUENCES, PHASES, SOLVED, TESTING, curve_points
from lstm_jax.training.trial import Trial, TrialState
from lstm_jax.trials.errors import RunError
from lstm_jax.trials.plain import plain
from lstm_jax.types import Key, Params

_PROGRAMS = 8  # trials whose programs are remembered


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


class Source(NamedTuple):
    """Where trials come from.

    Attributes:
      key: key data; trial i gets `fold_in(key, i)`.
      settings: NumPy arrays with trials in front, in the dtypes in which JAX computes.
    """

    key: np.ndarray
    settings: Any

    def of(self, ids: np.ndarray) -> Any:
        """The settings of these trials, lanes last."""
        return jax.tree.map(lambda a: np.moveaxis(a[ids], 0, -1), self.settings)


class Program(NamedTuple):
    """The compiled parts of a trial, for blocks of `width` lanes in all.

    Attributes:
      width: lanes on all devices.
      order: lanes in the order in which they are filled, devices in turn.
      one: `ShapeDtypeStruct`s of the state of one trial.
      init: `(key data, ids, settings) -> TrialState`.
      merge: `(new, fresh, state) -> TrialState`, fresh lanes where they are new.
      advance: `(TrialState, ticks) -> TrialState`; gives its argument away.
      place: puts a state on the devices.
      texts: what the trial's functions compute, as StableHLO, by name.
    """

    width: int
    order: np.ndarray
    one: TrialState
    init: Callable[[np.ndarray, np.ndarray, Any], TrialState]
    merge: Callable[[np.ndarray, TrialState, TrialState], TrialState]
    advance: Callable[[TrialState, int], TrialState]
    place: Callable[[TrialState], TrialState]
    texts: Callable[[], dict[str, str]]


def source_of(key: Key, settings: Any) -> Source:
    """The key and the settings as NumPy arrays."""

    def array(leaf):
        leaf = np.asarray(leaf)
        return leaf.astype(jax.dtypes.canonicalize_dtype(leaf.dtype))

    return Source(np.asarray(jax.random.key_data(key)), jax.tree.map(array, settings))


def program_of(trial: Trial, source: Source, lanes: int, devices: int) -> Program:
    """The compiled parts of a trial; the same ones for the same trial and shapes.

    Raises:
      ValueError: so many lanes do not fit into the memory of the machine.
    """
    leaves, tree = jax.tree.flatten(source.settings)
    shapes = tuple((leaf.shape[1:], leaf.dtype) for leaf in leaves)
    here = tuple(jax.local_devices()[:devices])
    precision = jax.dtypes.canonicalize_dtype(np.float64)
    return _program(trial.init, trial.advance, (tree, shapes), lanes, here, precision)


@lru_cache(maxsize=_PROGRAMS)  # a few trials that nobody needs any more may stay
def _program(init, advance, settings, lanes: int, devices: tuple, precision) -> Program:
    tree, shapes = settings
    zeros = jax.tree.unflatten(tree, [np.zeros(shape, dtype) for shape, dtype in shapes])
    key = jax.random.key(0, impl="threefry2x32")
    alone, block = jax.jit(init), jax.jit(advance)
    one = alone.eval_shape(key, zeros)
    width = lanes * len(devices)
    _check_memory(one, lanes, len(devices))

    def fresh(key, ids, settings):
        key = jax.random.wrap_key_data(key, impl="threefry2x32")
        keys = jax.vmap(lambda i: jax.random.fold_in(key, i))(ids)
        return jax.vmap(init, in_axes=(0, -1), out_axes=-1)(keys, settings)

    def texts():
        wide = jax.tree.map(lambda a: jax.ShapeDtypeStruct((*a.shape, lanes), a.dtype), one)
        programs = {"init": alone.lower(key, zeros), "advance": block.lower(wide, 1)}
        return {name: program.as_text() for name, program in programs.items()}

    mesh = Mesh(np.array(devices), ("lanes",))
    specs = jax.tree.map(lambda a: PartitionSpec(*[None] * a.ndim, "lanes"), one)
    shardings = jax.tree.map(lambda spec: NamedSharding(mesh, spec), specs)
    sharded = jax.shard_map(
        advance, mesh=mesh, in_specs=(specs, PartitionSpec()), out_specs=specs, check_vma=False
    )
    return Program(
        width=width,
        order=np.arange(width).reshape(len(devices), lanes).T.reshape(-1),
        one=one,
        init=jax.jit(fresh, out_shardings=shardings),
        merge=jax.jit(tree_where, out_shardings=shardings),
        advance=jax.jit(sharded, donate_argnums=0, out_shardings=shardings),
        place=lambda state: jax.device_put(state, shardings),
        texts=texts,
    )


def _check_memory(one: Any, lanes: int, devices: int) -> None:
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not every system tells
        return
    each = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(one))
    if each * lanes * devices > memory:
        raise ValueError(
            f"expected lanes that fit into the {memory / 2**30:.0f} GiB of this machine, got "
            f"{lanes} on {devices} devices, which take {each * lanes * devices / 2**30:.3g} GiB; "
            f"give at most lanes={memory // (each * devices)}"
        )


def empty(program: Program, source: Source) -> Block:
    """A block without trials."""
    none = np.zeros(program.width, np.int32)
    state = program.init(source.key, none, source.of(none))
    state = state._replace(phase=jax.device_put(none + IDLE, state.phase.sharding))
    return Block(state, np.full(program.width, -1))


def fill(program: Program, source: Source, block: Block, waiting: Iterator[int]) -> Block:
    """Waiting trials in the lanes that are free, until there is none of either."""
    free = [lane for lane in program.order if block.ids[lane] < 0]
    filled = dict(zip(free, waiting, strict=False))
    if not filled:
        return block
    ids, new = block.ids.copy(), np.zeros(program.width, bool)
    ids[list(filled)], new[list(filled)] = list(filled.values()), True
    begun = np.where(new, ids, 0).astype(np.int32)
    fresh = program.init(source.key, begun, source.of(begun))
    return Block(program.merge(new, fresh, block.state), ids)


def put_in(
    program: Program, block: Block, saved: Any, ids: np.ndarray, wanted: Callable[[int], bool]
) -> Block:
    """Those trials of a checkpoint that are wanted and for which there are free lanes."""
    going = [lane for lane, i in enumerate(ids) if i >= 0 and wanted(int(i))]
    lanes = [lane for lane in program.order if block.ids[lane] < 0][: len(going)]
    going = going[: len(lanes)]
    if not going:
        return block
    new = block.ids.copy()
    new[lanes] = ids[going]

    def put(leaf, old):
        leaf = np.array(leaf)
        leaf[..., lanes] = old[..., going]
        return leaf

    return Block(program.place(jax.tree.map(put, block.state, saved)), new)


def ended(summary: Callable[[Any], dict], block: Block) -> Iterator[tuple[int, Finished]]:
    """The trials in a block that are over, and their lanes."""
    over = np.flatnonzero((block.ids >= 0) & (np.asarray(block.state.phase) > TESTING))
    state = jax.device_get(block.state) if len(over) else None
    for lane in over:
        alone = jax.tree.map(lambda leaf, lane=lane: leaf[..., lane], state)
        yield int(lane), Finished(_record(int(block.ids[lane]), alone, summary), alone.params)


def with_points(record: dict) -> dict:
    """A record with the sequence counts of the points of its curve, which are no news."""
    return {**record, "curve_at": curve_points(MOST_SEQUENCES)[: len(record["curve"])].tolist()}


def _record(trial: int, state: TrialState, summary: Callable[[Any], dict]) -> dict:
    tally, solved = state.tally, state.phase == SOLVED
    count = int(tally.sequences)
    test = {
        "sequences": count,
        "wrong": int(tally.wrong),
        "error": float(tally.error.value) / max(count, 1),
        "squared": float(tally.squared.value) / max(count, 1),
    }
    record = {
        "trial": trial,
        "phase": PHASES[int(state.phase)],
        "sequences": int(state.sequences),
        "reached": [int(n) for n in state.reached],
        "test": plain(test, "test") if solved and count else None,
        "curve": [
            float(e) if i < state.curve.at and np.isfinite(e) else None
            for i, e in enumerate(state.curve.error)
        ],
    }
    return {**record, **_summary(summary(state), trial, {*record, "curve_at"})}


def _summary(said: Any, trial: int, taken: set[str]) -> dict:
    name = f"summary of trial {trial}"
    try:
        if not isinstance(said, dict):
            raise ValueError(f"expected a dict, got {name} of type {type(said).__name__}")
        if clash := sorted(taken & said.keys()):
            raise ValueError(f"expected other names than {clash[0]!r} in the {name}")
        return plain(said, name)
    except ValueError as error:
        raise RunError(
            f"{error}; mend Learner.summary and start the same run again: with a folder the trial "
            "is kept"
        ) from error
