"""What a run shows while it goes on: a line that is rewritten in a terminal, lines elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live
from rich.text import Text

from distil_jax.training.progress_text import GAP, clock, fitted, held_out, limit

REWRITES_PER_SECOND = 2
BAR, LEAST_BAR = 24, 6
COMPILING = "compiling"
"""What the first step does most of its time."""
IMPORTANCE = (0, 3, 1, 2, 4)
"""Of step, loss, rate, time left and limit, where a terminal is too narrow for all."""


class Display:
    """Shows a run on standard output; `at_step` hears of every step that is done.

    `title` stands before its lines, of which there is at most one in `every_seconds`. Without
    `says_held_out`, held-out figures get no line: the caller has words of its own for them.
    """

    def __init__(
        self,
        at_step: Callable[[int], None] = lambda _: None,
        *,
        title: str = "",
        every_seconds: float = 0.0,
        says_held_out: bool = True,
    ) -> None:
        self.at_step, self._says_held_out = at_step, says_held_out
        self._title, self._every_seconds, self._shown = title, every_seconds, time.monotonic()
        self.console = Console(file=sys.stdout, soft_wrap=True, highlight=False)
        self._line = _Line(0, 0, 0.0)
        self._live: Live | None = None

    @contextmanager
    def bar(
        self, total_steps: int, *, start_step: int, peak_rate: float | int = 0.0
    ) -> Iterator[None]:
        """A line that is rewritten in a terminal, for as long as the block runs.

        `peak_rate`: tokens/s of the matmuls alone at the chips' peak; 0 where it is unknown.
        """
        self._line = _Line(total_steps, start_step, peak_rate)
        if not self.console.is_terminal:
            yield
            return
        with Live(
            get_renderable=self._rewritten,
            console=self.console,
            refresh_per_second=REWRITES_PER_SECOND,
        ) as self._live:
            yield
        self._live = None

    def step(self, step: int, values: Mapping[str, float | int]) -> None:
        """Show a logged step, and its held-out figures where it has any."""
        now = time.monotonic()
        self._line.take(step, values, now)
        if self._says_held_out and (figures := held_out(values)):
            self.say(f"{self._prefix()}held out at step {step}: {figures}")
        if self._live is not None or now - self._shown < self._every_seconds:
            return
        self._shown = now
        self.say(self._prefix() + GAP.join(filter(None, self._line.parts(now))))

    def warn(self, text: str) -> None:
        """A line that should not be overlooked."""
        self.console.print(Text.assemble(("warning: ", "bold yellow"), text))

    def say(self, text: str) -> None:
        """A line of its own."""
        self.console.print(text, markup=False, emoji=False)

    def _prefix(self) -> str:
        return f"{self._title}: " if self._title else ""

    def _rewritten(self) -> Text:
        """The line as wide as the terminal: a bar where there is space for one, then figures."""
        width = self.console.width - 1
        text = fitted(self._line.parts(time.monotonic()), IMPORTANCE, width)
        title = (self._title or "training") + GAP
        free = min(BAR, width - len(title) - len(text) - len(GAP))
        if free < LEAST_BAR:
            return Text(text, no_wrap=True, overflow="crop")
        done = round(free * self._line.share)
        return Text.assemble(
            title, ("━" * done, "cyan"), ("─" * (free - done), "dim"), GAP, text, no_wrap=True
        )


@dataclass
class _Line:
    """What the latest logged step said, and how fast steps went since the first one.

    The first step compiles, and so the time left is known from the second logged step on.
    """

    total: int
    step: int
    peak_rate: float | int
    figures: tuple[str, str, str] = ("", "", "")
    first: tuple[int, float] | None = None
    seconds_left: float | None = None
    at: float = 0.0
    before: Mapping[str, float | int] | None = None

    @property
    def share(self) -> float:
        """Of the steps that are done."""
        return self.step / max(self.total, 1)

    def take(self, step: int, values: Mapping[str, float | int], now: float) -> None:
        """Take in a logged step."""
        loss, rate = f"loss {values['loss']:.3f}", f"{values['tokens_per_second']:,.0f} tokens/s"
        self.figures = (loss, rate, limit(values, self.before or {}, self.peak_rate))
        self.step, self.at, self.before = step, now, values
        if self.first is None:
            self.first = (step, now)
        elif step > self.first[0]:
            pace = (now - self.first[1]) / (step - self.first[0])
            self.seconds_left = pace * (self.total - step)

    def parts(self, now: float) -> list[str]:
        """Step, loss, rate, time left and limit; empty where it is not known yet."""
        loss, rate, held_up = self.figures if self.first else (COMPILING, "", "")
        left = "" if self.seconds_left is None else self.seconds_left - (now - self.at)
        known = f"{clock(left)} left" if isinstance(left, float) else ""
        return [f"step {self.step}/{self.total}", loss, rate, known, held_up]
