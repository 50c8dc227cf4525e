"""What a run shows while it goes on: a bar in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class Display:
    """Shows a run on standard output; `at_step` hears of every step that is done.

    `title` stands before its lines, of which there is at most one in `every_seconds`.
    """

    def __init__(
        self,
        at_step: Callable[[int], None] = lambda _: None,
        *,
        title: str = "",
        every_seconds: float = 0.0,
    ) -> None:
        self.at_step = at_step
        self._title, self._every_seconds, self._shown = title, every_seconds, time.monotonic()
        self.console = Console(file=sys.stdout, soft_wrap=True, highlight=False)
        self._total, self._start, self._began = 0, 0, 0.0
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    @contextmanager
    def bar(self, total_steps: int, *, start_step: int) -> Iterator[None]:
        """A bar in a terminal, for as long as the block runs."""
        self._total, self._start, self._began = total_steps, start_step, time.monotonic()
        if not self.console.is_terminal:
            yield
            return
        self._bar = Progress(
            TextColumn(self._title or "distilling"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._task = self._bar.add_task("", total=total_steps, completed=start_step)
        with self._bar:
            yield
        self._bar = None

    def step(self, step: int, values: Mapping[str, float | int]) -> None:
        """Show a logged step."""
        text = f"loss {values['loss']:.3f}  {values['tokens_per_second']:,.0f} tokens/s"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=step, description=text)
            return
        now = time.monotonic()
        if now - self._shown < self._every_seconds:
            return
        self._shown = now
        done = step - self._start
        left = (now - self._began) / max(done, 1) * (self._total - step)
        title = f"{self._title}: " if self._title else ""
        self.say(f"{title}step {step}/{self._total}  {text}  {_clock(left)} left")

    def warn(self, text: str) -> None:
        """A line that should not be overlooked."""
        self.console.print(Text.assemble(("warning: ", "bold yellow"), text))

    def say(self, text: str) -> None:
        """A line of its own."""
        self.console.print(text, markup=False, emoji=False)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
