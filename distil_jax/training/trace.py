"""A profiler's trace of some steps, for TensorBoard, XProf or Perfetto."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax


class Trace:
    """Traces the steps from `first` to `last`, of a run that is resumed between them what is left.

    A first step of 0 traces none. `folder` appears with the trace.
    """

    def __init__(self, folder: Path, *, first: int, last: int) -> None:
        self._folder, self._first, self._last = folder, first, last
        self._running = False

    def __enter__(self) -> "Trace":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @contextmanager
    def step(self, step: int) -> Iterator[None]:
        """To be entered around the work of each step."""
        if not self._running and self._first and self._first <= step <= self._last:
            self._running = True
            jax.profiler.start_trace(self._folder)
        with jax.profiler.StepTraceAnnotation("train", step_num=step):
            yield

    def done(self, step: int, values: Any) -> None:
        """After `last` the trace is written, once the device has computed `values`."""
        if self._running and step == self._last:
            jax.block_until_ready(values)
            self._stop()

    def _stop(self) -> None:
        if self._running:
            self._running = False
            jax.profiler.stop_trace()
