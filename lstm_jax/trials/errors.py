"""What a run says when it cannot go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class RunError(ValueError):
    """A run cannot go on for a reason outside of it; says what to do."""


@contextmanager
def clear_errors(folder: Path) -> Iterator[None]:
    """Turns an error of the file system into one line that names the folder and what to do."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"cannot use {folder}: {first_line(error)}; make room or give a folder that "
            "can be written, then start again: what is recorded is kept"
        ) from error


def first_line(error: Exception) -> str:
    """An error's message in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
