"""Where a run's wall time goes: seconds by kind, over all its attempts.

What was done after the checkpoint that an attempt goes on from is lost; that time, and what a later
attempt needs until its first step, count as restart. Time in which nothing ran is not counted.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache

import jax

KINDS = ("steps", "compile", "input", "checkpoint", "validation", "start", "restart")
COMPILED = "/jax/core/compile/backend_compile_duration"


class Goodput:
    """A stopwatch that always runs for one kind, from its making on; `start` is the first."""

    def __init__(self) -> None:
        self._seconds = dict.fromkeys(KINDS, 0.0)
        self._kind, self._since = "start", time.perf_counter()
        self._restarts = self._lost_steps = 0

    def __enter__(self) -> "Goodput":
        _listen()
        _running.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        _running.remove(self)

    def after(self, lines: Sequence[Mapping[str, float | int]], restart_step: int) -> None:
        """Add what earlier attempts logged, of which the steps up to `restart_step` are kept."""
        logged = [line for line in lines if "steps_seconds" in line]
        if not logged:
            return
        last = next((line for line in reversed(logged) if line["step"] <= restart_step), None)
        self._charge()
        earlier = dict.fromkeys(KINDS, 0.0)
        if last is not None:
            earlier = {kind: float(last[_name(kind)]) for kind in KINDS}
        lost = _total(logged[-1]) - sum(earlier.values())
        current = self._seconds
        current["restart"], current["start"] = current["start"] + lost, 0.0
        self._seconds = {kind: current[kind] + earlier[kind] for kind in KINDS}
        self._kind = "restart"
        self._restarts = int(logged[-1]["restarts"]) + 1
        # A stop saves at once, mostly between two logged steps.
        lost_steps = max(0, int(logged[-1]["step"]) - restart_step)
        self._lost_steps = int(logged[-1]["lost_steps"]) + lost_steps

    @contextmanager
    def spending(self, kind: str) -> Iterator[None]:
        """Within this block time counts as `kind`."""
        self._charge()
        before, self._kind = self._kind, kind
        try:
            yield
        finally:
            self._charge()
            self._kind = before

    def figures(self) -> dict[str, float | int]:
        """Share of the steps in all time so far, the seconds of each kind, and what was lost."""
        self._charge()
        seconds = {_name(kind): round(self._seconds[kind], 3) for kind in KINDS}
        share = self._seconds["steps"] / max(sum(self._seconds.values()), 1e-9)
        return {
            "goodput": round(share, 4),
            **seconds,
            "restarts": self._restarts,
            "lost_steps": self._lost_steps,
        }

    def _charge(self) -> None:
        now = time.perf_counter()
        self._seconds[self._kind] += now - self._since
        self._since = now

    def compiled(self, seconds: float) -> None:
        """So much of the time that is going on was compiling."""
        self._seconds["compile"] += seconds
        self._seconds[self._kind] -= seconds


_running: list[Goodput] = []


@cache
def _listen() -> None:
    """Once for a process: jax before 0.8 cannot take a listener away."""

    def hear(event: str, duration_secs: float, **_: str | int) -> None:
        if event == COMPILED:
            for goodput in _running:
                goodput.compiled(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(hear)


def _name(kind: str) -> str:
    return f"{kind}_seconds"


def _total(line: Mapping[str, float | int]) -> float:
    return sum(line[_name(kind)] for kind in KINDS)
