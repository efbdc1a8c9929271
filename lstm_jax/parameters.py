"""Arrays in a file, written whole or not at all: parameters, and what else is kept of a run.

A file is NumPy's archive (npz), which anybody can read: one entry an array, under the path
of its leaf, and one entry that says whose format it is. Not safetensors: NumPy is here
already, and the archive carries a checksum for every array, which safetensors does not.
A file is written aside, flushed to the disk and renamed, so that whatever dies leaves the
old one or the new one.
"""

import contextlib
import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import jax
import numpy as np

from lstm_jax.types import Params

__all__ = ["load_params", "save_params"]

_FORMAT, _HEADER = "lstm_jax arrays 1", "lstm_jax"  # leaves have paths, which begin with . or [
_MOST_NAMED = 3  # differences that a refusal names


def save_params(path: Path | str, params: Params) -> None:
    """Write parameters to a file, whole or not at all.

    Args:
      path: of the file, used as it is; what was there is replaced. `~` is the home folder.
      params: a pytree of arrays of numbers, of any dtype that JAX or NumPy has. None stays
        what it is.

    Raises:
      ValueError: leaves that are no arrays of numbers; a file that cannot be written.

    Example:
      >>> import tempfile
      >>> from lstm_jax.cells.memory_block import memory_block
      >>> from lstm_jax.cells.topology import Topology
      >>> net = memory_block(Topology(inputs=2, blocks=(1,)))
      >>> params = net.init(jax.random.key(0))
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     save_params(f"{folder}/net.npz", params)
      ...     again = load_params(f"{folder}/net.npz", params)
      >>> all(map(np.array_equal, jax.tree.leaves(params), jax.tree.leaves(again)))
      True
    """
    path = Path(path).expanduser()
    arrays = named_leaves(params)
    try:
        write_arrays(path, arrays)
    except OSError as error:
        raise ValueError(
            f"cannot write {path}: {error.strerror or error}; give a file in a folder that exists "
            "and can be written"
        ) from error


def load_params(path: Path | str, like: Params) -> Params:
    """Read parameters that `save_params` wrote.

    Args:
      path: of the file.
      like: what they must be like: parameters of the same net, or their shapes from
        `jax.eval_shape(net.init, key)`.

    Returns:
      A pytree like `like`, of NumPy arrays with the bits that were saved.

    Raises:
      ValueError: a file that is damaged or no such file, or whose arrays have other names,
        shapes or dtypes.
    """
    path = Path(path).expanduser()
    try:
        arrays = read_arrays(path)
    except OSError as error:
        raise ValueError(
            f"cannot read {path}: {error.strerror or error}; give a file of save_params"
        ) from error
    try:
        return fill_in(like, arrays)
    except ValueError as error:
        raise ValueError(
            f"{path} holds other parameters ({error}); give a file of the same net"
        ) from error


def named_leaves(tree: Any) -> dict[str, np.ndarray]:
    """The leaves of a pytree as NumPy arrays, by their paths.

    Raises:
      ValueError: a leaf that is no array of numbers.
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    arrays = {jax.tree_util.keystr(at): leaf for at, leaf in leaves}
    if len(arrays) < len(leaves):
        raise ValueError("expected leaves with paths of their own, got two with the same path")
    return {name: _numbers(name, leaf) for name, leaf in arrays.items()}


def _numbers(name: str, leaf: Any) -> np.ndarray:
    try:
        array = np.asarray(leaf)
    except TypeError as error:
        raise ValueError(
            f"expected an array of numbers at {name!r}, got a {type(leaf).__name__}; of a "
            "random key give jax.random.key_data(key)"
        ) from error
    if array.dtype.kind not in "biufc" and array.dtype.isbuiltin != 2:  # 2: bfloat16 and its kin
        raise ValueError(
            f"expected an array of numbers at {name!r}, got dtype {array.dtype}; leave it out"
        )
    return array


def fill_in(like: Any, arrays: dict[str, np.ndarray]) -> Any:
    """The arrays in the tree structure of `like`, whose leaves have a shape and a dtype.

    Raises:
      ValueError: names, shapes or dtypes differ; in a few words.
    """
    leaves, tree = jax.tree_util.tree_flatten_with_path(like)
    wanted = {jax.tree_util.keystr(at): leaf for at, leaf in leaves}
    faults = [f"{name!r} is missing" for name in wanted if name not in arrays]
    faults += [f"{name!r} is one too many" for name in arrays if name not in wanted]
    for name in [name for name in wanted if name in arrays]:
        there, here = describe(arrays[name]), describe(wanted[name])
        if there != here:
            faults.append(f"{name!r} is {there} there, {here} here")
    if faults:
        more = f", and {len(faults) - _MOST_NAMED} more" * (len(faults) > _MOST_NAMED)
        raise ValueError(", ".join(faults[:_MOST_NAMED]) + more)
    return jax.tree.unflatten(tree, [arrays[name] for name in wanted])


def describe(leaf: Any) -> str:
    """Dtype and shape of an array, as `float32[8,3]`."""
    leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays to a file, whole or not at all.

    Raises:
      OSError: the file cannot be written; what was there is as it was.
    """
    # NumPy's format has no name for bfloat16 and its kin: their bits go there as integers
    named = {name: a.dtype.name for name, a in arrays.items() if a.dtype.isbuiltin == 2}
    plain = {
        name: a.view(f"u{a.dtype.itemsize}") if name in named else a for name, a in arrays.items()
    }
    header = np.array(json.dumps({"format": _FORMAT, "dtypes": named}))
    write_whole(path, lambda file: np.savez(file, **{_HEADER: header}, **plain))  # pyright: ignore


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read arrays that `write_arrays` wrote.

    Raises:
      OSError: there is no file, or it cannot be read.
      ValueError: it is damaged, or another kind of file.
    """
    with open(path, "rb") as file:
        try:
            return _unpacked(file)
        except OSError:
            raise
        except Exception as error:  # a damaged archive raises many kinds
            reason = (str(error).splitlines() or [type(error).__name__])[0][:100]
            raise ValueError(
                f"{path} is damaged or not a file of ours ({reason}); restore or remove it"
            ) from error


def _unpacked(file: BinaryIO) -> dict[str, np.ndarray]:
    opened = np.load(file, allow_pickle=False)
    if isinstance(opened, np.ndarray):
        raise ValueError("a single array")
    with opened as archive:
        header = json.loads(str(archive[_HEADER])) if _HEADER in archive.files else {}
        if header.get("format") != _FORMAT:
            raise ValueError(f"no archive of the format {_FORMAT!r}")
        arrays = {name: archive[name] for name in archive.files if name != _HEADER}
    return {
        name: a.view(np.dtype(header["dtypes"][name])) if name in header["dtypes"] else a
        for name, a in arrays.items()
    }


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a file beside `path`, and put it in its place when it is complete.

    Raises:
      OSError: the file cannot be written; what was there is as it was.
    """
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    with contextlib.suppress(OSError):  # not every system opens folders
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
