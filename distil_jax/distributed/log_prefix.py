"""Lines of a run of several processes: each says when, which process, and after which step."""

import os
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any


class LogPrefix:
    """What a line begins with; `tell` gets the process and the step whenever they change."""

    def __init__(
        self, process: int, processes: int, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._process = f"process {process}/{processes}"
        self._tell = tell
        self.at(0)

    def at(self, step: int) -> None:
        """From here on this many steps are done."""
        self.where = f"{self._process} step {step}"
        self._tell(self.where)

    def __str__(self) -> str:
        return prefix(self.where)


def prefix(where: str) -> str:
    """`[10:48:25 process 1/4 step 12] `."""
    return f"[{datetime.now():%H:%M:%S} {where}] "


class Stamped:
    """A text stream that writes whole lines, each with the stamp of when it was begun."""

    def __init__(self, stream: Any, stamp: LogPrefix) -> None:
        self._stream, self._stamp = stream, stamp
        self._line = ""

    def write(self, text: str) -> int:
        *whole, rest = text.split("\n")
        for part in whole:
            self._begin(part)
            self._stream.write(f"{self._line}\n")
            self._line = ""
        self._begin(rest)
        if whole:
            self.flush()
        return len(text)

    def _begin(self, part: str) -> None:
        if part:
            self._line += part if self._line else f"{self._stamp}{part}"

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        return self._stream.encoding


def prefix_output(stamp: LogPrefix, *, silent: bool) -> None:
    """LogPrefix standard output and error from here on; `silent`: nothing more on standard output.

    What the collectives' libraries print there goes to standard error, where the parent sorts it.
    """
    sys.stdout.flush()
    own = os.open(os.devnull, os.O_WRONLY) if silent else os.dup(1)
    os.dup2(2, 1)
    sys.stdout = Stamped(os.fdopen(own, "w"), stamp)  # type: ignore[assignment]
    sys.stderr = Stamped(sys.stderr, stamp)  # type: ignore[assignment]
