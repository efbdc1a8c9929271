"""Whether a sequence fits a net: compared by shapes and kinds before anything runs.

What cannot be seen beforehand, numbers inside a compiled program, has one meaning in every
rule (`types.Sequence`); where it can be seen and is wrong, it is refused in one line.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lstm_jax.types import Array, Cell, Key, Net, Params, Sequence

LAYOUT = "time is axis 0, units axis 1, lanes last"


def fitted(net: Cell | Net, params: Params, sequence: Sequence) -> Sequence:
    """The sequence, checked against the net, with every rule's meaning of its numbers applied.

    Lengths lie within the steps, the mask is true only where a target lives, inputs behind
    the end and targets without an error signal are 0.

    Raises:
      ValueError: shapes, kinds or float types that do not fit; values that can be seen to lie
        out of range.

    Example:
      >>> from lstm_jax.cells.simple import elman
      >>> net, x = elman(inputs=2, hidden=1), jnp.ones((6, 2))
      >>> sequence = Sequence(x, x[:, :1], x[:, :1], jnp.ones(6, bool), jnp.array(60))
      >>> fitted(net, net.init(jax.random.key(0)), sequence)
      Traceback (most recent call last):
        ...
      ValueError: length: expected values from 0 to 6, the number of steps, got 60
    """
    check_fit(net, params, sequence)
    sequence = normalised(sequence)
    return sequence.replace(inputs=living_inputs(sequence.inputs, sequence.length))


def normalised(sequence: Sequence) -> Sequence:
    """The sequence with lengths, mask and silent targets as `types.Sequence` says.

    Its inputs are as they were: whoever reads them stops at the end.
    """
    length = living_length(sequence)
    mask = sequence.mask & living_targets(sequence.replace(length=length))
    return sequence.replace(
        targets=jnp.where(jnp.expand_dims(mask, 1), sequence.targets, 0),
        mask=mask,
        length=length,
    )


def normalised_step(
    x: Array, target: Array, mask: Array | bool, alive: Array | bool
) -> tuple[Array, Array, Array]:
    """One step as `normalised` has it, for rules that must not keep a copy of the sequence.

    Args:
      x: `(inputs, *lanes)` reals or `(*lanes)` symbols.
      target: `(outputs, *lanes)`.
      mask: `(*lanes)` bool.
      alive: `(*lanes)` bool, whether the step lives.

    Returns:
      `x, target, mask`: the mask true in living lanes alone, what is never read 0.
    """
    mask = jnp.logical_and(mask, alive)
    target = jnp.where(jnp.expand_dims(mask, 0), target, 0)
    return living_input(x, alive), target, mask


def living_length(sequence: Sequence) -> Array:
    """Lengths from 0 to the number of steps as int32, whatever integers they came as."""
    length = jnp.asarray(sequence.length)
    most = min(len(sequence.inputs), jnp.iinfo(length.dtype).max)
    return jnp.clip(length, 0, most).astype(jnp.int32)


def living_input(x: Array, alive: Array | bool) -> Array:
    """The input of one step, `(inputs, *lanes)` or `(*lanes)` symbols; 0 in lanes that are over."""
    return jnp.where(jnp.expand_dims(alive, range(jnp.ndim(x) - jnp.ndim(alive))), x, 0)


def living_inputs(inputs: Array, length: Array) -> Array:
    """Inputs, 0 behind the end: `(time, units, *lanes)` reals or `(time, *lanes)` symbols."""
    alive = living_steps(len(inputs), length)
    return jnp.where(jnp.expand_dims(alive, range(1, 1 + inputs.ndim - alive.ndim)), inputs, 0)


def living_targets(sequence: Sequence) -> Array:
    """`(target_time, *lanes)` bool, where a target lives."""
    if sequence.targets_at == "end":
        return (sequence.length > 0)[None]
    ends = sequence.length if sequence.targets_at == "steps" else sequence.target_length
    return living_steps(len(sequence.targets), jnp.asarray(ends))


def living_steps(steps: int, length: Array) -> Array:
    """`(steps, *lanes)` bool, true below the length `(*lanes)`."""
    times = jnp.arange(steps, dtype=jnp.int32).reshape(steps, *[1] * length.ndim)
    return times < length.astype(jnp.int32)[None]


def check_fit(net: Cell | Net, params: Params, sequence: Sequence) -> None:
    """ValueError in one line where a sequence does not fit a net; see `fitted`."""
    lanes = jnp.shape(sequence.length)
    check_inputs(net.inputs, sequence.inputs, lanes)
    steps = {"steps": len(sequence.inputs), "end": 1}.get(
        sequence.targets_at, len(sequence.targets)
    )
    if sequence.targets_at not in ("steps", "end", "own"):
        raise ValueError(
            f"targets_at: expected 'steps', 'end' or 'own', got {sequence.targets_at!r}"
        )
    for name in ("targets", "goals"):
        shape = jnp.shape(getattr(sequence, name))
        if shape != (steps, net.outputs, *lanes):
            raise ValueError(_misfit(name, shape, (steps, net.outputs, *lanes), sequence))
    if jnp.shape(sequence.mask) != (steps, *lanes):
        raise ValueError(_misfit("mask", jnp.shape(sequence.mask), (steps, *lanes), sequence))
    if not jnp.issubdtype(jnp.result_type(sequence.mask), jnp.bool_):
        raise ValueError(f"mask: expected bool, got {jnp.result_type(sequence.mask)}")
    _check_lengths(sequence, lanes)
    check_float_types(params=params, inputs=sequence.inputs, targets=sequence.targets)


def check_inputs(number: int, inputs: Any, lanes: tuple[int, ...]) -> None:
    """ValueError if inputs are neither reals nor symbols for so many input units."""
    shape, dtype = jnp.shape(inputs), jnp.result_type(inputs)
    symbols = jnp.issubdtype(dtype, jnp.integer)
    if shape[1:] != (lanes if symbols else (number, *lanes)) or not shape:
        wanted = ", ".join(["time", str(number), *map(str, lanes)])
        as_symbols = ", ".join(["time", *map(str, lanes)])
        raise ValueError(
            f"inputs: expected reals ({wanted}) or integer symbols ({as_symbols}), got {dtype} of "
            f"shape {shape} beside a length of shape {lanes}; {LAYOUT}, and whole numbers that "
            "are no symbols must be made real: inputs.astype(float)"
        )
    if not shape[0]:
        raise ValueError("inputs: expected at least 1 step, got none")
    if jnp.issubdtype(dtype, jnp.bool_) or jnp.issubdtype(dtype, jnp.complexfloating):
        raise ValueError(f"inputs: expected reals or integer symbols, got {dtype}")
    if symbols and not isinstance(inputs, Tracer):
        _check_range("inputs", inputs, 0, number - 1, f"{number} symbols")


def check_float_types(**parts: Any) -> None:
    """ValueError if what meets in a step has different float types; names two of them."""
    types = {}
    for name, tree in parts.items():
        for leaf in jax.tree.leaves(tree):
            if jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
                types.setdefault(jnp.dtype(jnp.result_type(leaf)), name)
    if len(types) > 1:
        (one, first), (other, second), *_ = types.items()
        raise ValueError(
            f"expected one float type, got {one} in {first} and {other} in {second}; write "
            f"jax.tree.map(lambda a: a.astype('{one}'), {second})"
        )


def check_key(name: str, key: Key | None, lanes: tuple[int, ...], *, needed: bool = False) -> None:
    """ValueError unless there is a typed key for every lane, or none where none is needed.

    Args:
      name: of what draws, for the error.
      key: `(*lanes)` typed keys, or None.
      lanes: of the sequence.
      needed: whether None is refused.
    """
    if key is None and not needed:
        return
    typed = jnp.issubdtype(getattr(key, "dtype", np.dtype(object)), jax.dtypes.prng_key)
    shape = getattr(key, "shape", ())
    if not typed or shape != lanes:
        came = f"keys of shape {shape}" if typed else f"{key}"
        write = f"jax.random.split(key, {lanes})" if lanes else "jax.random.key(0)"
        raise ValueError(
            f"{name} draws and needs a key a sequence: expected typed keys of shape {lanes}, the "
            f"lanes, got {came}; write {write}"
        )


def _check_lengths(sequence: Sequence, lanes: tuple[int, ...]) -> None:
    own = sequence.targets_at == "own"
    if own != (sequence.target_length is not None):
        raise ValueError(
            f"target_length: expected {'a length' if own else 'None'} with "
            f"targets_at={sequence.targets_at!r}, got {sequence.target_length}"
        )
    limits: dict[str, tuple[Any, int, str]] = {
        "length": (sequence.length, len(sequence.inputs), "the number of steps")
    }
    if own:
        most = len(sequence.targets)
        limits["target_length"] = sequence.target_length, most, "the number of targets"
    for name, (length, most, what) in limits.items():
        if jnp.shape(length) != lanes or not jnp.issubdtype(jnp.result_type(length), jnp.integer):
            raise ValueError(
                f"{name}: expected integers of shape {lanes}, got {jnp.result_type(length)} of "
                f"shape {jnp.shape(length)}"
            )
        if not isinstance(length, Tracer):
            _check_range(name, length, 0, most, what)


def _check_range(name: str, values: Any, least: int, most: int, what: str) -> None:
    values = np.asarray(values)
    wrong = values[(values < least) | (values > most)]
    if wrong.size:
        raise ValueError(
            f"{name}: expected values from {least} to {most}, {what}, got {wrong.flat[0]}"
        )


def _misfit(name: str, shape: tuple, wanted: tuple, sequence: Sequence) -> str:
    hint = ""
    if shape[:1] == (1,) and sequence.targets_at == "steps":
        hint = "; for one target at the end write targets_at='end'"
    return (
        f"{name}: expected shape {wanted} for targets_at={sequence.targets_at!r}, got {shape}"
        f"; {LAYOUT}{hint}"
    )
