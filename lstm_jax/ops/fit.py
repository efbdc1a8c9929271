"""Whether a sequence fits a net: compared by shapes and kinds before anything runs.

What cannot be seen beforehand, numbers inside a compiled program, has one meaning in every
rule (`types.Sequence`); where it can be seen and is wrong, it is refused in one line.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from lstm_jax.ops.lanes import lanes_of
from lstm_jax.types import Array, Cell, Key, Net, Params, Sequence, State

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
    if not isinstance(sequence, Sequence):
        raise ValueError(f"sequence: expected a Sequence, got a {type(sequence).__name__}")
    for name in ("inputs", "targets", "goals", "mask", "length"):
        _expect_array(name, getattr(sequence, name))
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
    check_lengths(sequence, lanes)
    check_params(net, params, lanes)
    check_float_types(params=params, inputs=sequence.inputs, targets=sequence.targets)


def check_run(net: Cell | Net, params: Params, inputs: Any, state: State, length: Any) -> None:
    """ValueError in one line where what a net is run over, or begins with, does not fit it.

    Args:
      net: any cell, or a net, which has no state.
      params, inputs, state, length: as `networks.unroll.unroll` takes them.
    """
    _expect_array("inputs", inputs)
    if length is None:
        lanes = lanes_of(inputs)
    else:
        _expect_array("length", length)
        lanes = jnp.shape(length)
    check_inputs(net.inputs, inputs, lanes)
    if length is not None:
        check_length("length", length, lanes, len(inputs), "the number of steps")
    check_params(net, params, lanes)
    check_float_types(params=params, inputs=inputs, state=state)
    if state is None:
        return
    assert isinstance(net, Cell)  # whoever has a state is a cell
    wanted = jax.eval_shape(lambda: net.initial_state(lanes))
    _check_tree(
        "state", wanted, state, [()], "give a state that an earlier run returned, or None; a "
        "length goes by its name, length="
    )  # fmt: skip


def checked(net: Net) -> Net:
    """The net, whose `apply` refuses in one line what does not fit, before anything runs."""

    def apply(params: Params, inputs: Array, length: Array, key: Key | None = None, /) -> Array:
        _expect_array("length", length)
        check_run(net, params, inputs, None, length)
        check_key("the net", key if net.draws else None, jnp.shape(length))
        return net.apply(params, inputs, length, key)

    return net._replace(apply=apply)


_DRAWN: WeakKeyDictionary[Callable[..., Any], Any] = WeakKeyDictionary()


def drawn_shapes(net: Cell | Net) -> Any:
    """Shapes and types of the parameters that a net draws; None if its `init` cannot be traced."""
    with suppress(KeyError, TypeError):
        return _DRAWN[net.init]
    key = jax.eval_shape(lambda: jax.random.key(0))
    try:
        shapes = jax.eval_shape(net.init, key)
    except Exception:  # a net may draw where it likes
        return None
    with suppress(TypeError):  # a function that cannot be remembered
        _DRAWN[net.init] = shapes
    return shapes


def check_params(net: Cell | Net, params: Params, lanes: tuple[int, ...]) -> None:
    """ValueError in one line unless parameters are such as the net draws, or one such set a lane.

    Nothing is known, and nothing refused, of a net whose `init` cannot be traced.

    Args:
      net: a cell or a net.
      params: what is to be its parameters.
      lanes: of the sequence; every array of the parameters may have them behind its own axes.
    """
    wanted = drawn_shapes(net)
    if wanted is None:
        return
    write = "params = net.init(key) makes those of this net"
    _check_tree("params", wanted, params, [(), lanes], write)


def _check_tree(
    name: str, wanted: Any, tree: Any, behind: list[tuple[int, ...]], write: str
) -> None:
    """Every array of a tree has the shape wanted, with one of some shapes behind it."""
    wanted, found = _by_path(wanted), _by_path(tree)
    for path, like in wanted.items():
        leaf: Any = found.get(path)
        shapes = [] if like is None else [(*like.shape, *more) for more in behind]
        if path in found and (like is None or leaf is None):
            fits = leaf is like
        else:
            fits = path in found and jnp.shape(leaf) in shapes and _as_real(like, leaf)
        if fits:
            continue
        lanes = "".join(f" or {shape}" for shape in shapes[1:] if shape != shapes[0])
        expected = "None" if like is None else f"{like.dtype} of shape {shapes[0]}{lanes}"
        came = f"none of that name, but {_known(found)}"
        if path in found:
            came = "None" if leaf is None else f"{jnp.result_type(leaf)} of shape {jnp.shape(leaf)}"
        raise ValueError(f"{name}{path}: expected {expected}, got {came}; {write}")
    if more := [path for path in found if path not in wanted]:
        raise ValueError(f"{name}{more[0]}: expected nothing of that name; {write}")


def _as_real(like: Any, leaf: Any) -> bool:
    real = jnp.issubdtype(like.dtype, jnp.floating)
    return not real or bool(jnp.issubdtype(jnp.result_type(leaf), jnp.floating))


def _by_path(tree: Any) -> dict[str, Any]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda leaf: leaf is None)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def _known(found: dict[str, Any]) -> str:
    return ", ".join(list(found)[:3]) + ", ..." * (len(found) > 3) or "nothing"


def check_length(name: str, length: Any, lanes: tuple[int, ...], most: int, what: str) -> None:
    """ValueError unless lengths are integers, one a lane, that lie in range as far as one sees."""
    _expect_array(name, length)
    if jnp.shape(length) != lanes or not jnp.issubdtype(jnp.result_type(length), jnp.integer):
        raise ValueError(
            f"{name}: expected integers of shape {lanes}, got {jnp.result_type(length)} of "
            f"shape {jnp.shape(length)}"
        )
    if not isinstance(length, Tracer):
        _check_range(name, length, 0, most, what)


def check_inputs(number: int, inputs: Any, lanes: tuple[int, ...]) -> None:
    """ValueError if inputs are neither reals nor symbols for so many input units."""
    _expect_array("inputs", inputs)
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


def _expect_array(name: str, value: Any) -> None:
    if value is None or isinstance(value, list | tuple | str | dict):
        raise ValueError(
            f"{name}: expected an array, got a {type(value).__name__}; write jnp.asarray(...)"
        )


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
        wanted = "draws and needs a key a sequence: expected" if needed else "expected no key, or"
        raise ValueError(
            f"{name}{' ' if needed else ': '}{wanted} typed keys of shape {lanes}, the lanes, "
            f"got {came}; write {write}"
        )


def check_lengths(sequence: Sequence, lanes: tuple[int, ...]) -> None:
    """ValueError unless the lengths of a sequence, and of targets of their own, fit it."""
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
        check_length(name, length, lanes, most, what)


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
