"""Signals while something is under way: it is kept, one line is said, the signal has its way."""

import contextlib
import signal
import sys
import threading
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Notes SIGINT and SIGTERM until it is time to deliver them; a context manager.

    What listened before hears them then: usually SIGINT raises `KeyboardInterrupt` and
    SIGTERM ends the process. If it does neither, the work goes on. To raise at a moment of
    our own is better than anywhere: out of a compilation it often crashes the interpreter.

    Python tells its main thread alone of signals, so elsewhere nothing is changed; nor is it
    for signals that are ignored, as SIGINT is for what a shell starts in the background.

    Args:
      active: whether to listen at all.
    """

    def __init__(self, active: bool):
        self._active = active and threading.current_thread() is threading.main_thread()
        self._earlier: dict[signal.Signals, object] = {}
        self._caught: list[int] = []

    @property
    def caught(self) -> bool:
        """Whether a signal waits."""
        return bool(self._caught)

    def deliver(self, says: str) -> None:
        """Let a signal that waits have its way, if there is one, after saying a line."""
        if not self._caught:
            return
        number = max(self._caught)  # SIGTERM, if both came
        self._caught.clear()
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more
            print(f"{signal.Signals(number).name}: {says}", file=sys.stderr, flush=True)
        self._restore()
        signal.raise_signal(number)
        self._listen()

    def __enter__(self) -> "Interruption":
        self._listen()
        return self

    def __exit__(self, *_) -> None:
        self._restore()
        if self._caught:  # too late to say anything: all is kept
            signal.raise_signal(max(self._caught))

    def _hear(self, number: int, _: FrameType | None) -> None:
        self._caught.append(number)

    def _listen(self) -> None:
        for number in _SIGNALS if self._active else ():
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._earlier[number] = signal.signal(number, self._hear)

    def _restore(self) -> None:
        for number, handler in self._earlier.items():
            # None: by something that is no Python, which Python cannot put back
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # pyright: ignore
        self._earlier = {}
