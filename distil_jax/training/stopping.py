"""SIGTERM: leave at once where nothing is lost by it, after saving where something would be.

Like Ctrl+C it is for commands that go on where they were when they are run again.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Never

from distil_jax.errors import Stopped

INTERRUPTED = "interrupted; rerun the same command to resume"


class Sigterm:
    """While this is entered, SIGTERM raises `Stopped`: at once, or later where it is deferred.

    Ctrl+C raises KeyboardInterrupt as ever. Python loses one that comes in a library's finalizer or
    callback: then `arrived` and `check` raise it again.

    In a thread that is not the program's first, Python leaves signals to the program.
    """

    def __init__(self) -> None:
        self._arrived = False
        self._deferred = False
        self._interrupted = False

    def __enter__(self) -> "Sigterm":
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._arrive)
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else it is ignored
                self._before[signal.SIGINT] = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if kind is None:
            self.check()

    def arrived(self) -> bool:
        """Whether SIGTERM came; raises KeyboardInterrupt if Ctrl+C did."""
        if self._interrupted:
            raise KeyboardInterrupt(INTERRUPTED)
        return self._arrived

    def check(self) -> None:
        """Raise `Stopped` if SIGTERM came, KeyboardInterrupt if Ctrl+C did."""
        if self.arrived():
            self.stop()

    def stop(self) -> Never:
        """Raise `Stopped`, whichever process SIGTERM came to."""
        raise Stopped("stopped by SIGTERM; rerun the same command to resume")

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """In this block SIGTERM is only noted: whoever runs it asks `arrived`."""
        self.check()
        self._deferred = True
        try:
            yield
        finally:
            self._deferred = False

    def _arrive(self, _number: int, _frame: FrameType | None) -> None:
        again, self._arrived = self._arrived, True
        if not (again or self._deferred):  # a second one must not break into the clean-up
            self.check()

    def _interrupt(self, _number: int, _frame: FrameType | None) -> None:
        self._interrupted = True
        raise KeyboardInterrupt(INTERRUPTED)
