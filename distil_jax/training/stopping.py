"""SIGTERM: leave at once where nothing is lost by it, after saving where something would be."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Never

from distil_jax.errors import Stopped


class Sigterm:
    """While this is entered, SIGTERM raises `Stopped`: at once, or later where it is deferred.

    In a thread that is not the program's first, Python leaves signals to the program.
    """

    def __init__(self) -> None:
        self._arrived = False
        self._deferred = False

    def __enter__(self) -> "Sigterm":
        self._before = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._arrive)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
        if kind is None:
            self.check()

    def arrived(self) -> bool:
        return self._arrived

    def check(self) -> None:
        """Raise `Stopped` if SIGTERM came."""
        if self._arrived:
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
