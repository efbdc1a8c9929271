"""Where a run is kept: its identity, its records, its last checkpoint.

    folder/identity.json        what the run is
    folder/settings.npz         the settings of its trials
    folder/records.0.jsonl      one line a finished trial, appended as they come
    folder/checkpoint.0.npz     the trials in lanes (the format of `parameters`, which says why)

The number is that of the process. Records and checkpoints belong to trials and not to
processes: whoever starts reads those of all, so the next run may have more or fewer of them.
A line is written whole or not at all, and so is a checkpoint: a process may die at any moment.
"""

import errno
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import jax
import numpy as np

from lstm_jax.parameters import fill_in, named_leaves, read_arrays, write_arrays
from lstm_jax.training.records import IDLE, PHASES, SOLVED
from lstm_jax.trials.errors import RunError, clear_errors
from lstm_jax.trials.identity import claim
from lstm_jax.trials.locks import alone, guarded, other_numbers

MOST_TRIALS = 2**31 - 1  # `fold_in` takes 32 bits
_FIELDS = ("trial", "phase", "sequences", "reached", "test", "curve")
_ENDS = PHASES[SOLVED:IDLE]
_IDS = "ids"


class Storage:
    """Keeps nothing: what a run without a folder gets, and the interface of `Folder`."""

    folder: Path | None = None

    def claim(self, identity: Callable[[], dict], settings: Any) -> None:
        """Say what the run is; refused if the folder holds another one."""

    def records(self) -> list[dict]:
        """Records of the trials that are over, of all processes."""
        return []

    def append(self, record: dict) -> None:
        """Keep one more record, whole or not at all."""

    def save(self, state: Any, ids: np.ndarray) -> None:
        """Keep the trials in lanes, instead of those kept before."""

    def load(self, like: Any) -> Iterator[tuple[Any, np.ndarray]]:
        """The trials last kept, in the tree structure of `like`, own ones first."""
        yield from ()


class Folder(Storage):
    """A run kept in a folder."""

    def __init__(self, folder: Path, process: int, processes: int = 1):
        self.folder = folder
        self._processes = processes
        self._records = folder / f"records.{process}.jsonl"
        self._checkpoint = folder / f"checkpoint.{process}.npz"

    def claim(self, identity: Callable[[], dict], settings: Any) -> None:
        """Say what the run is; refused if the folder holds another one."""
        said = identity()
        with guarded(self._records.parent):
            claim(self._records.parent, said, named_leaves(settings))

    def records(self) -> list[dict]:
        """Records of all finished trials; half a line at the end does not count."""
        with clear_errors(self._records.parent):
            _cut_half_a_line(self._records)
            paths = _numbered(self._records.parent, "records.*.jsonl")
            lines = [(p, p.read_bytes().split(b"\n")[:-1]) for p in paths]
        found: dict[int, tuple[str, dict]] = {}
        for where, line in [(f"{p} line {n}", s) for p, ss in lines for n, s in enumerate(ss, 1)]:
            record = _parsed(line, where)
            first, _ = found.setdefault(record["trial"], (where, record))
            if first != where:
                raise RunError(
                    f"{where} is a second record of trial {record['trial']}, the first is {first}; "
                    "remove one of the lines"
                )
        return [record for _, record in found.values()]

    def append(self, record: dict) -> None:
        """Append a line; when the disk is full the file is left as it was."""
        line = json.dumps(record, allow_nan=False).encode() + b"\n"
        path = self._records
        with clear_errors(path.parent), open(path, "ab", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            try:
                if file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                os.truncate(path, before)
                raise

    def save(self, state: Any, ids: np.ndarray) -> None:
        """Write a checkpoint in the place of the one before."""
        with clear_errors(self._records.parent):
            write_arrays(self._checkpoint, {_IDS: ids, **named_leaves(state)})

    def load(self, like: Any) -> Iterator[tuple[Any, np.ndarray]]:
        """The last complete checkpoints that may hold own trials, own ones first.

        Of a thousand processes each would read a thousand of them; where there have never been
        more or fewer processes, every one has all of its own trials in its own.
        """
        paths = _numbered(self._records.parent, "checkpoint.*.npz")
        if not other_numbers(self._records.parent, self._processes):
            paths = [path for path in paths if path == self._checkpoint]
        for path in sorted(paths, key=lambda path: path != self._checkpoint):
            try:
                with clear_errors(path.parent):
                    yield _in_lanes(read_arrays(path), like)
            except RunError:
                raise
            except ValueError as error:
                raise RunError(
                    f"{path} is no checkpoint of this run ({error}); remove it to begin its "
                    "unfinished trials again, finished ones are kept"
                ) from error


@contextmanager
def open_storage(
    folder: Path | str | None, process: int = 0, processes: int = 1
) -> Iterator[Storage]:
    """The storage of a run, in a folder that is made if it is new; held as long as it is open.

    Raises:
      RunError: the folder cannot be used, or another process is at work there.
    """
    if folder is None:
        yield Storage()
        return
    path = folder_of(folder)
    with clear_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    with alone(path, process, processes):
        with guarded(path), clear_errors(path):
            _remove_parts(path, process, processes)
        yield Folder(path, process, processes)


def folder_of(folder: Path | str) -> Path:
    """The absolute path of a folder on this machine: `~` is home, `file:///x` is `/x`.

    Raises:
      RunError: an address of something else.
    """
    text = os.fspath(folder)
    if not isinstance(text, str) or not text or "\0" in text:
        raise RunError(f"expected the path of a folder, got {text!r:.60}; write folder='runs/1'")
    if scheme := re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/", text):  # one letter is a drive
        parts = urlsplit(text)
        if scheme[1].lower() != "file" or parts.netloc not in ("", "localhost"):
            raise RunError(
                f"expected a folder of this machine, got {text!r}; give one, and copy it to "
                f"{scheme[1]} when the run is over"
            )
        text = unquote(parts.path)
    try:
        return Path(os.path.abspath(Path(text).expanduser()))
    except RuntimeError as error:
        raise RunError(f"expected a folder, got {text!r}: {error}; write it in full") from error


def _numbered(folder: Path, pattern: str) -> list[Path]:
    """Files of all processes, in the order of their numbers."""
    numbers = {p: p.name.split(".")[1] for p in folder.glob(pattern)}
    return sorted((p for p, n in numbers.items() if n.isdecimal()), key=lambda p: int(numbers[p]))


def _remove_parts(folder: Path, process: int, processes: int) -> None:
    """Remove what was left half-written by processes that are no more, this one's before it."""
    for path in folder.glob("*.part"):
        kind, number, *_ = path.name.split(".")
        shared = kind in ("identity", "settings")
        if shared or (kind == "checkpoint" and _gone(number, process, processes)):
            path.unlink(missing_ok=True)


def _gone(number: str, process: int, processes: int) -> bool:
    return number.isdecimal() and (int(number) == process or int(number) >= processes)


def _cut_half_a_line(path: Path) -> None:
    if not path.exists():
        return
    text = path.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        os.truncate(path, whole)


def _parsed(line: bytes, where: str) -> dict:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{where} is not JSON ({error}); remove the line") from error
    if fault := _fault(record):
        raise RunError(f"{where} is no record ({fault}); remove the line")
    return record


def _fault(record: Any) -> str | None:
    if not isinstance(record, dict):
        return f"a {type(record).__name__} and no object"
    if missing := [name for name in _FIELDS if name not in record]:
        return f"without {', '.join(missing)}"
    for name, most in (("trial", MOST_TRIALS), ("sequences", 2**31)):
        value = record[name]
        if type(value) is not int or not 0 <= value < most:
            return f"{name} is {value!r:.40}, expected a number from 0 to {most - 1}"
    if record["phase"] not in _ENDS:
        return f"phase is {record['phase']!r:.40}, expected one of {', '.join(_ENDS)}"
    return None


def _in_lanes(arrays: dict[str, np.ndarray], like: Any) -> tuple[Any, np.ndarray]:
    """A checkpoint's state and trials; refused if any array does not fit."""
    ids = arrays.pop(_IDS, None)
    if ids is None or ids.dtype.kind != "i" or ids.ndim != 1:
        raise ValueError("it does not say which trials it holds")
    held = ids[ids >= 0]
    if len(np.unique(held)) < len(held):
        raise ValueError("it holds a trial twice")
    width = len(ids)
    wide = jax.tree.map(lambda a: jax.ShapeDtypeStruct((*a.shape[:-1], width), a.dtype), like)
    return fill_in(wide, arrays), ids
