"""How a process ends when it is asked to: at any time, with one line, its workers with it.

Signals reach Python between two of its instructions only, and a compilation or a block of
trials is a single one. So a thread is woken by every signal, too, and ends the process when
it has not ended by itself after `GRACE_S`. Nothing is lost by that: what is kept on disk is
written whole or not at all.

This module imports nothing heavy; it is to be asked before anything else is imported.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator

GRACE_S = 2.0
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # of which Windows lacks the last
_told: list[int] = []  # signals that came
_held: list[bool] = []  # whether they are to wait
_last: list[Callable[[], object]] = []  # what is to be done before the process ends


def end_when_asked() -> None:
    """Let SIGINT, SIGTERM and SIGHUP end this process, with 128 and their number as status.

    What is ignored already, as `nohup` does, stays ignored.
    """
    signals = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    for number in signals:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    sys.unraisablehook = _unraisable
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader, signals), daemon=True).start()


@contextlib.contextmanager
def not_now() -> Iterator[None]:
    """Let signals wait until a few instructions that belong together are over."""
    _held.append(True)
    try:
        yield
    finally:
        _held.pop()
    if _told and not _held:
        sys.exit(128 + _told[0])


@contextlib.contextmanager
def at_the_end(do: Callable[[], object]) -> Iterator[None]:
    """Do something after the body, even if the process has to be ended from outside of it.

    It may then be done twice, and in another thread.
    """
    _last.append(do)
    try:
        yield
    finally:
        do()
        _last.remove(do)


def _end(number: int, frame: object) -> None:
    if _told:
        return
    for name in _NAMES:  # `timeout` signals a process, and then its group
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    _say(number)
    if not _held:
        sys.exit(128 + number)


def _unraisable(what: "sys.UnraisableHookArgs") -> None:
    """An end that came in a place from which none can be raised is left to the thread."""
    if not (_told and isinstance(what.exc_value, SystemExit)):
        sys.__unraisablehook__(what)


def _watch(reader: int, signals: list[int]) -> None:
    number = 0
    while number not in signals:
        number = os.read(reader, 1)[0]
    time.sleep(GRACE_S)
    if not _told:  # the main thread has not even heard of it
        _say(number)
    for do in list(_last):
        with contextlib.suppress(Exception):
            do()
    os._exit(128 + number)


def _say(number: int) -> None:
    _told.append(number)
    line = f"ended by {signal.Signals(number).name}; run the same command again to go on\n"
    with contextlib.suppress(OSError):
        os.write(2, line.encode())
