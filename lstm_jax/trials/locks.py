"""One process at a time: locks that are free again when their process dies, however it dies.

    folder/run.lock               held for an instant, to look around or to write what is shared
    folder/run.<i>.of.<n>.lock    held by process i of n as long as it is at work

Processes of one distributed run share a folder; it is refused to a second process with the
same number, and to processes of a run with another number of them.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from lstm_jax.trials.errors import RunError, clear_errors

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


@contextmanager
def guarded(folder: Path) -> Iterator[None]:
    """Nobody else is in such a block for this folder; waits until that is so."""
    with _opened(folder / "run.lock") as file:
        with clear_errors(folder):
            _lock(file, wait=True)
        yield


@contextmanager
def alone(folder: Path, process: int, processes: int) -> Iterator[None]:
    """Hold the place of one process in a folder.

    Raises:
      RunError: another process holds it, or is at work there as one of another number of
        processes.
    """
    with ExitStack() as held:
        with guarded(folder):
            own = folder / f"run.{process}.of.{processes}.lock"
            file = held.enter_context(_opened(own))
            taken = [] if _try(file, folder) else [own]
            for path in other_numbers(folder, processes):
                with _opened(path) as file:
                    taken += [] if _try(file, folder) else [path]
        if taken:
            raise RunError(
                f"another process is at work in {folder} ({taken[0].name} is held); wait for it, "
                "or give another folder"
            )
        yield


def other_numbers(folder: Path, processes: int) -> list[Path]:
    """The places of runs with another number of processes, at work there now or once."""
    ours = f".of.{processes}.lock"
    return [path for path in folder.glob("run.*.of.*.lock") if not path.name.endswith(ours)]


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with clear_errors(path.parent):
        file = open(path, "ab")  # noqa: SIM115
    with file:
        yield file


def _try(file: IO[bytes], folder: Path) -> bool:
    with clear_errors(folder):
        try:
            _lock(file, wait=False)
        except (BlockingIOError, PermissionError):
            return False
        return True


def _lock(file: IO[bytes], wait: bool) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        return
    import msvcrt

    file.seek(0)  # it locks bytes, from the position of the file on
    msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)  # pyright: ignore
