"""Lines of a run of several processes: each says when, which process, and after which step."""

import os
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any


class LogPrefix:
    """What a line begins with; `report` gets the process and the step whenever they change."""

    def __init__(
        self, process: int, processes: int, report: Callable[[str], None] = lambda _: None
    ) -> None:
        self._process = f"process {process}/{processes}"
        self._report = report
        self.at(0)

    def at(self, step: int) -> None:
        """From here on this many steps are done."""
        self.where = f"{self._process} step {step}"
        self._report(self.where)

    def __str__(self) -> str:
        return prefix(self.where)


def prefix(where: str) -> str:
    """`[10:48:25 process 1/4 step 12] `."""
    return f"[{datetime.now():%H:%M:%S} {where}] "


class PrefixedStream:
    """A text stream that writes whole lines, each with the prefix of when it was begun."""

    def __init__(self, stream: Any, log_prefix: LogPrefix) -> None:
        self._stream, self._prefix = stream, log_prefix
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
            self._line += part if self._line else f"{self._prefix}{part}"

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._stream.fileno()

    @property
    def encoding(self) -> str:
        return self._stream.encoding


def prefix_output(log_prefix: LogPrefix, *, silent: bool) -> None:
    """Prefix the lines of standard output and error from here on; `silent`: of error alone.

    What the collectives' libraries print there goes to standard error, where the parent sorts it.
    """
    sys.stdout.flush()
    descriptor = os.open(os.devnull, os.O_WRONLY) if silent else os.dup(1)
    os.dup2(2, 1)
    sys.stdout = PrefixedStream(os.fdopen(descriptor, "w"), log_prefix)  # type: ignore[assignment]
    sys.stderr = PrefixedStream(sys.stderr, log_prefix)  # type: ignore[assignment]
