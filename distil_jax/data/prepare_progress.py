"""What a long preparation says while it runs, on standard output."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as Bar

SILENT_SECONDS = 10.0


class PrepareProgress:
    """A bar on a terminal; elsewhere a line every ten seconds."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)
        self._bar: Bar | None = None
        self._made_bytes = self._done_bytes = 0
        self._started = self._spoken = time.monotonic()

    def say(self, line: str) -> None:
        self.console.print(line, markup=False)

    @contextmanager
    def bar(self, description: str, total_bytes: int | None) -> Iterator[None]:
        """Show progress towards `total_bytes` of text (None: unknown) while inside."""
        self._started = self._spoken = time.monotonic()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        if not self.console.is_terminal:
            yield
            return
        with Bar(*columns, console=self.console) as self._bar:
            self._bar.add_task(description, total=total_bytes)
            yield

    def advance(self, text_bytes: int, *, made: bool) -> None:
        """A part is done; `made` says whether just now or in an earlier run."""
        self._done_bytes += text_bytes
        self._made_bytes += text_bytes * made
        now = time.monotonic()
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], text_bytes)
        elif now - self._spoken > SILENT_SECONDS:
            self._spoken = now
            rate = self._made_bytes / (now - self._started) / 1e6
            self.say(f"prepared {self._done_bytes / 1e6:,.0f} MB of text ({rate:.1f} MB/s)")
