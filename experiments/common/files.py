"""Files written whole or not at all, and folders that one process at a time may use."""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from experiments.common.errors import UserError

HERE = Path(__file__).parents[1]


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file and put it in the place of `path` when complete."""
    path = Path(os.path.realpath(path))  # a link stays one
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:
        raise UserError(
            f"cannot write {shown(path)} ({error.strerror or error}); make room or give another "
            "path, then run again: what was there is untouched"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # it is there only if something went wrong
            part.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    write_whole(path, lambda file: file.write(text.encode()))


def read_text(path: Path) -> str:
    """What a text file holds."""
    try:
        return read_bytes(path).decode()
    except UnicodeDecodeError as error:
        raise UserError(f"{shown(path)} is no text in UTF-8 ({error.reason}); give one") from error


def read_bytes(path: Path) -> bytes:
    """What a file holds."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {shown(path)}: {error.strerror or error}") from error


@contextlib.contextmanager
def alone_in(folder: Path, name: str = "lock") -> Iterator[None]:
    """Hold a folder for this process; it is free again when the process ends, however it ends.

    Args:
      folder: the folder.
      name: of the file by which it is held; processes that share a folder have one each.
    """
    with held(folder, name) as ours:
        if not ours:
            raise UserError(
                f"another process is at work in {shown(folder)}; wait for it, or give --folder "
                "another folder"
            )
        yield


@contextlib.contextmanager
def held(folder: Path, name: str, wait: bool = False) -> Iterator[bool]:
    """Hold a file of a folder, or be told that another process does; `wait` until it is free."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield True
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / name, "w")  # noqa: SIM115
    except OSError as error:
        raise UserError(
            f"cannot use {shown(folder)} ({error.strerror or error}); give --folder a folder that "
            "can be written"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except OSError:
            yield False
            return
        yield True


def shown(path: Path) -> str:
    """A path as a person would type it here."""
    path = path.absolute()
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
