"""Where a run is kept: its identity, its records, its last checkpoint.

    folder/identity.json    what the run is
    folder/records.0.jsonl  one line a finished trial, appended as they come
    folder/checkpoint.0/    the trials in lanes, by orbax

The number is that of the process. A line is written whole or not at all, and a
checkpoint is renamed into place when complete, so the process may die at any moment.
"""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np


class RunError(ValueError):
    """A run cannot go on for a reason outside of it; says what to do."""


class Storage:
    """Keeps nothing: what a run without a folder gets, and the interface of `Folder`."""

    def records(self) -> list[dict]:
        """Records of the trials that are over."""
        return []

    def append(self, record: dict) -> None:
        """Keep one more record, whole or not at all."""

    def save(self, state: Any, ids: np.ndarray) -> None:
        """Keep the trials in lanes, instead of those kept before."""

    def load(self, like: Any) -> tuple[Any, np.ndarray] | None:
        """The trials last kept, in the tree structure of `like`; None if there are none."""
        return None


class Folder(Storage):
    """A run kept in a folder."""

    def __init__(self, folder: Path, process: int):
        self._records = folder / f"records.{process}.jsonl"
        self._checkpoint = (folder / f"checkpoint.{process}").absolute()
        self._folder = folder
        self._process = process

    def records(self) -> list[dict]:
        """Records of all finished trials; half a line at the end is cut off."""
        if not self._records.exists():
            return []
        with _clear_errors(self._folder):
            text = self._records.read_bytes()
            whole = text.rfind(b"\n") + 1
            if whole < len(text):
                os.truncate(self._records, whole)
        try:
            return [json.loads(line) for line in text[:whole].splitlines()]
        except ValueError as error:
            raise RunError(
                f"{self._records} has a line that is not JSON ({error}); remove it"
            ) from error

    def append(self, record: dict) -> None:
        """Append a line; when the disk is full the file is left as it was."""
        line = json.dumps(record).encode() + b"\n"
        with _clear_errors(self._folder), open(self._records, "ab", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            try:
                if file.write(line) != len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                os.truncate(self._records, before)
                raise

    def save(self, state: Any, ids: np.ndarray) -> None:
        """Write a checkpoint; the one before is removed when it is complete."""
        leaves = {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(state))}
        leaves = {i: leaf for i, leaf in leaves.items() if leaf.size}  # orbax refuses empty arrays
        with _clear_errors(self._folder):
            if shutil.disk_usage(self._folder).free < 2 * sum(
                leaf.nbytes for leaf in leaves.values()
            ):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        # orbax raises many kinds
        with _clear_errors(self._folder, Exception), self._manager() as manager:
            step = (manager.latest_step() or 0) + 1
            manager.save(step, args=_orbax().args.StandardSave({"ids": ids, "state": leaves}))
            manager.wait_until_finished()

    def load(self, like: Any) -> tuple[Any, np.ndarray] | None:
        """The last complete checkpoint."""
        if not self._checkpoint.exists():
            return None
        try:
            with self._manager() as manager:
                if manager.latest_step() is None:
                    return None
                saved = manager.restore(manager.latest_step(), args=_orbax().args.StandardRestore())
            leaves, tree = jax.tree.flatten(like)
            wanted = {str(i): leaf for i, leaf in enumerate(leaves) if leaf.size}
            if _but_lanes(saved["state"]) != _but_lanes(wanted):
                raise ValueError("its arrays have other shapes")
            leaves = [
                np.asarray(saved["state"][str(i)]) if leaf.size else leaf
                for i, leaf in enumerate(leaves)
            ]
            return jax.tree.unflatten(tree, leaves), np.asarray(saved["ids"])
        except Exception as error:  # orbax raises many kinds
            raise RunError(
                f"{self._checkpoint} is no checkpoint of this run ({_first_line(error)}); remove "
                "it to begin its unfinished trials again, finished ones are kept"
            ) from error

    def _manager(self):
        # every process keeps its own and waits for no other
        alone = _orbax().options.MultiprocessingOptions(
            primary_host=self._process,
            active_processes={self._process},
            barrier_sync_key_prefix=f"process{self._process}",
        )
        self._checkpoint.mkdir(exist_ok=True)
        options = _orbax().CheckpointManagerOptions(
            max_to_keep=1,
            create=False,
            enable_async_checkpointing=False,  # its signals come from process 0 alone
            multiprocessing_options=alone,
        )
        return _orbax().CheckpointManager(self._checkpoint, options=options)


def open_storage(folder: Path | str | None, identity: dict, process: int = 0) -> Storage:
    """The storage of a run; made if it is new, refused if it is another run's.

    Raises:
      RunError: the folder holds a run with another identity, or cannot be used.
    """
    if folder is None:
        return Storage()
    folder = Path(folder)
    path = folder / "identity.json"
    identity = json.loads(json.dumps(identity))
    with _clear_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            part = path.with_suffix(f".{process}.part")
            part.write_text(json.dumps(identity, indent=1))
            os.replace(part, path)
        try:
            found = json.loads(path.read_text())
            if not isinstance(found, dict):
                raise ValueError(f"a {type(found).__name__} and no object")
        except ValueError as error:
            raise RunError(f"{path} is not JSON ({error}); give another folder") from error
    changed = sorted(k for k in {*found, *identity} if found.get(k) != identity.get(k))
    if changed:
        what = ", ".join(f"{k}: {found.get(k)!r} there, {identity.get(k)!r} now" for k in changed)
        raise RunError(f"{folder} holds another run ({what}); give another folder or remove it")
    return Folder(folder, process)


@contextmanager
def _clear_errors(folder: Path, kind: type[Exception] = OSError) -> Iterator[None]:
    """Turns an error into one line that names the folder and what to do."""
    try:
        yield
    except RunError:
        raise
    except kind as error:
        raise RunError(
            f"cannot use {folder}: {_first_line(error)}; make room or give a folder that "
            "can be written, then start again: what is recorded is kept"
        ) from error


def _but_lanes(leaves: dict) -> dict:
    return {name: (leaf.shape[:-1], leaf.dtype) for name, leaf in leaves.items()}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _orbax():
    try:
        import orbax.checkpoint as orbax
    except ImportError as error:
        raise RunError("checkpoints need orbax: pip install 'lstm_jax[experiments]'") from error
    return orbax
