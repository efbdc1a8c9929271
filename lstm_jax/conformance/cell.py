"""Whether a cell keeps its contract."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from lstm_jax.conformance.carousel import carousel_laws
from lstm_jax.conformance.derivatives import true_slopes
from lstm_jax.conformance.findings import (
    conclude,
    disturbed,
    in_lanes,
    lane,
    numbers,
    same,
    shapes,
    stacked,
    traced_anew,
)
from lstm_jax.conformance.net_inputs import net_inputs_laws
from lstm_jax.networks.unroll import net_of
from lstm_jax.types import Array, Cell, Key, Params, State

LANES = 3
STEPS = 4  # that the error is summed over
MOST_INPUTS = 64  # that are tried where a cell does not take what it says
REACHED_AFTER = 3  # steps: a state as a sequence makes it, in which nothing is 0 or equal


class Moments(NamedTuple):
    """What laws are tried at: parameters in which nothing is special, and what a step gets.

    Attributes:
      step: of the cell, compiled once for every shape.
      params: without lanes.
      states: one a lane, each reached by a few steps.
      inputs: one a lane.
    """

    step: Callable[..., Any]
    params: Params
    states: list[State]
    inputs: list[Array]


def check_cell(cell: Cell, *, key: Key | None = None) -> None:
    """Try on a cell what `types.Cell` says in prose; in float64, on small random numbers.

    It says nothing if all is well. Where a carousel is declared not diagonal though it is, or
    parameters never get a gradient, it warns.

    Args:
      cell: a cell, with or without an output layer.
      key: what the numbers are drawn from.

    Raises:
      ValueError: listing every promise that is broken, one line each, with the mend.

    Example:
      >>> from lstm_jax.cells.simple import elman
      >>> check_cell(elman(inputs=2, hidden=3))
      >>> check_cell(elman(inputs=2, hidden=3)._replace(outputs=4))
      Traceback (most recent call last):
        ...
      ValueError: the cell breaks 1 of what its contract promises:
      step: expected outputs of shape (4,), got (3,); mend step or Cell(outputs=...)
    """
    key = jax.random.key(0) if key is None else key
    at = cache(lambda: moments(cell, key))
    with jax.enable_x64(True):
        conclude(
            "the cell",
            {"init": lambda: _init(cell, key), "initial_state": lambda: _initial_state(cell)},
            {"step": lambda: _step_shapes(cell, key)},
            {
                "step": lambda: _step(cell, at()),
                "symbols": lambda: _symbols(cell, at()),
                "read": lambda: _read(cell, at()),
                **carousel_laws(cell, at),
                **net_inputs_laws(cell, at),
            },
            {"gradients": lambda: _gradients(cell, key)},
        )


def moments(cell: Cell, key: Key) -> Moments:
    """Parameters, states and inputs to try a cell at."""
    for_params, for_inputs, for_states = jax.random.split(key, 3)
    params = disturbed(for_params, cell.init(key))
    inputs = _inputs(cell, params, for_inputs, LANES)
    states, step = [], traced_anew(cell.step)
    for lane_key in jax.random.split(for_states, LANES):
        state = cell.initial_state()
        for x in _inputs(cell, params, lane_key, REACHED_AFTER):
            state, _ = step(params, state, x)
        states.append(state)
    return Moments(step, params, states, inputs)


def _inputs(cell: Cell, params: Params, key: Key, number: int) -> list[Array]:
    """`(inputs,)` reals each, or symbols for a cell that takes nothing else."""
    reals = numbers(key).normal(size=(number, cell.inputs))
    symbols = numbers(key).integers(cell.inputs, size=number, dtype=np.int32)
    both = [[jnp.asarray(one) for one in kind] for kind in (reals, symbols)]
    symbols_alone = not _takes(cell, params, both[0][0]) and _takes(cell, params, both[1][0])
    return both[symbols_alone]


def _takes(cell: Cell, params: Params, x: Array) -> bool:
    try:
        jax.eval_shape(cell.step, params, cell.initial_state(), x)
    except Exception:
        return False
    return True


def _init(cell: Cell, key: Key) -> Iterator[str]:
    params, again, other = cell.init(key), cell.init(key), cell.init(jax.random.fold_in(key, 1))
    if not all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(params)):
        yield f"expected a pytree of JAX arrays, got {shapes(params)}; wrap numbers in jnp.asarray"
    elif not same(again, params, 0):
        yield "gives other parameters for the same key; draw from the key alone"
    if shapes(other) != shapes(params):
        yield (
            f"shapes depend on the key, {shapes(params)} and {shapes(other)}; make them follow "
            "from the sizes of the cell"
        )


def _initial_state(cell: Cell) -> Iterator[str]:
    alone = cell.initial_state()
    if any(np.any(np.asarray(leaf)) for leaf in jax.tree.leaves(alone)):
        yield "expected zeros, got something else; carry what is not 0 in the parameters"
    for lanes in ((), (2,), (2, 3)):
        for dtype in (jnp.float32, jnp.float64):
            state = cell.initial_state(lanes, dtype)
            wanted = jax.tree.map(lambda a: (*a.shape, *lanes), alone)  # noqa: B023
            if jax.tree.map(jnp.shape, state) != wanted:
                yield (
                    f"initial_state({lanes}): expected shapes {wanted}, those without lanes and "
                    f"the lanes behind, got {jax.tree.map(jnp.shape, state)}"
                )
                return
            reals = [
                a.dtype for a in jax.tree.leaves(state) if jnp.issubdtype(a.dtype, jnp.floating)
            ]
            if any(real != dtype for real in reals):
                yield (
                    f"initial_state(lanes, {np.dtype(dtype)}) is of {sorted(map(str, set(reals)))};"
                    " write jnp.zeros(shape, dtype)"
                )
                return


def _step_shapes(cell: Cell, key: Key) -> Iterator[str]:
    params = disturbed(key, cell.init(key))
    if not _takes(cell, params, jnp.zeros(cell.inputs)):  # symbols alone, or another number
        taken = [n for n in range(MOST_INPUTS) if _takes(cell, params, jnp.zeros(n))]
        if taken:
            yield (
                f"expected inputs of shape ({cell.inputs},), takes ({taken[0]},); mend step or "
                "inputs"
            )
            return
    for lanes in ((), (LANES,)):
        for own in (False, True)[: 1 + len(lanes)]:
            given = in_lanes(params, LANES) if own else params
            one = _inputs(cell, params, key, 1)[0]
            state, x = cell.initial_state(lanes), in_lanes(one, LANES) if lanes else one
            after, y = jax.eval_shape(cell.step, given, state, x)
            weights = "weights of their own" if own else "shared weights"
            where = f" in lanes {lanes} with {weights}" if lanes else ""
            if jnp.shape(y) != (cell.outputs, *lanes):
                yield (
                    f"expected outputs of shape {(cell.outputs, *lanes)}, got {jnp.shape(y)}"
                    f"{where}; mend step or Cell(outputs=...)"
                )
                return
            if jax.tree.structure(after) != jax.tree.structure(state) or shapes(after) != shapes(
                state
            ):
                yield (
                    f"expected the state as it came, {shapes(state)}, got {shapes(after)}{where}; "
                    "keep structure, shapes and types"
                )
                return


def _step(cell: Cell, at: Moments) -> Iterator[str]:
    step, params, states, inputs = at
    alone = [step(params, s, x) for s, x in zip(states, inputs, strict=True)]
    if not all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(alone)):
        yield "gives NaN or infinity for small numbers"
    if not same(traced_anew(cell.step)(params, states[0], inputs[0]), alone[0], 0):
        yield "gives something else when it is asked again; keep nothing outside of the state"
    for own in (False, True):
        given = in_lanes(params, LANES) if own else params
        together = step(given, stacked(states), stacked(inputs))
        for i in range(LANES):
            if not same(lane(together, i), alone[i]):
                weights = "weights of its own" if own else "shared weights"
                yield (
                    f"lane {i} of {LANES} with {weights} is not what it is alone; let units be "
                    "axis 0 and never mix what comes behind (ops.linear, ops.lanes.along_lanes)"
                )
                break


def _symbols(cell: Cell, at: Moments) -> Iterator[str]:
    """A cell may refuse symbols, or reals; if it takes both, symbols are one-hot vectors."""
    step, params, states, _ = at
    symbols = [jnp.asarray(i % cell.inputs, jnp.int32) for i in range(LANES)]
    vectors = [jnp.asarray(np.eye(cell.inputs)[int(s)]) for s in symbols]
    if not _takes(cell, params, symbols[0]) or not _takes(cell, params, vectors[0]):
        return
    alone = [step(params, s, x) for s, x in zip(states, symbols, strict=True)]
    expected = [step(params, s, x) for s, x in zip(states, vectors, strict=True)]
    together = step(in_lanes(params, LANES), stacked(states), stacked(symbols))
    if not all(map(same, alone, expected)):
        yield (
            "an integer input is not what its one-hot vector is; use ops.linear, or refuse integers"
        )
    elif not same(together, stacked(expected)):
        yield "symbols in lanes are not what they are alone; use ops.linear"


def _read(cell: Cell, at: Moments) -> Iterator[str]:
    if cell.read is None:
        return
    read = jax.jit(cell.read)
    step, params, states, inputs = at
    for state, x in zip(states, inputs, strict=True):
        after, y = step(params, state, x)
        if not same(read(params, after, x), y):
            yield (
                "read(params, state, x) of the state after a step is not what the step returned; "
                "let step return read(params, state, x), or set read=None"
            )
            return


def _gradients(cell: Cell, key: Key) -> Iterator[str]:
    params = disturbed(key, cell.init(key))
    inputs = jnp.asarray(np.stack(_inputs(cell, params, key, STEPS)))
    return true_slopes(net_of(cell), params, inputs, key)
