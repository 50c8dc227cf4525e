"""Where a run's figures go: metrics.jsonl, TensorBoard, and the terminal."""

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from tensorboardX import SummaryWriter

from distil_jax.training.goodput import Goodput
from distil_jax.training.metrics_file import MetricsFile, read
from distil_jax.training.progress import Display


class MetricsLogger:
    """Writes one line per logged step; seconds spent outside of steps do not count in tokens/s.

    `watch` gets each line after it was written; `devices` is how many compute a step.
    """

    def __init__(
        self,
        workdir: Path,
        display: Display,
        watch: Callable[[Mapping[str, float | int]], None],
        goodput: Goodput,
        *,
        devices: int,
        restart_step: int,
        tensorboard: bool,
    ) -> None:
        self.display = display
        self._watch = watch
        self._goodput = goodput
        self._devices = devices
        goodput.after(read(workdir / "metrics.jsonl"), restart_step)
        self._file = MetricsFile(workdir / "metrics.jsonl", restart_step=restart_step)
        self._board = None
        if tensorboard:
            folder = str(workdir / "tensorboard")
            self._board = SummaryWriter(folder, purge_step=restart_step + 1, write_to_disk=True)
        self._tokens, self._seconds, self._since = 0, 0.0, time.perf_counter()

    def __enter__(self) -> "MetricsLogger":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        if self._board is not None and _takes_more(self._board):
            self._board.close()

    def resume(self) -> None:
        """From here on time counts as training."""
        self._since = time.perf_counter()

    def pause(self) -> None:
        """From here on time does not count as training."""
        self._seconds += time.perf_counter() - self._since
        self.resume()

    def spending(self, kind: str) -> AbstractContextManager[None]:
        """Within this block time counts as `kind`, one of goodput's."""
        return self._goodput.spending(kind)

    def count(self, tokens: int) -> None:
        """A step has trained on this many tokens."""
        self._tokens += tokens

    def log(self, step: int, values: Mapping[str, float | int]) -> None:
        """Write a step's figures."""
        self.pause()
        rate = self._tokens / max(self._seconds, 1e-9)
        line = {"step": step, **values, "tokens_per_second": round(rate, 1)}
        line |= {"devices": self._devices, **self._goodput.figures()}
        self._file.append(line)
        self.display.step(step, line)
        self._watch(line)
        if self._board is not None:
            self._draw(self._board, step, line)
        self._tokens, self._seconds = 0, 0.0

    def sync(self) -> None:
        """Make what was written last."""
        self._file.sync()

    def _draw(self, board: SummaryWriter, step: int, line: Mapping[str, float | int]) -> None:
        """Pass a line on to TensorBoard, as long as the thread that writes for it lives.

        A disk that was full for a moment ends it, and nobody would then empty its queue.
        """
        for name, value in line.items():
            if name == "step":
                continue
            if not _takes_more(board):
                self._board = None
                self.display.warn(
                    f"TensorBoard's file cannot be written any more, from step {step} on it has "
                    "nothing; metrics.jsonl is still written"
                )
                return
            board.add_scalar(name, value, step)


def _takes_more(board: SummaryWriter) -> bool:
    """Whether one more value can be given to it without waiting for ever.

    Only this thread fills the queue: where one more fits now, it fits a moment later.
    """
    writer: Any = board.file_writer.event_writer  # type: ignore[union-attr]
    while writer._worker.is_alive():
        if not writer._event_queue.full():
            return True
        time.sleep(0.001)
    writer._event_queue.cancel_join_thread()  # nor is it waited for at the end
    return False


class SilentMetricsLogger(MetricsLogger):
    """What a process other than the first one keeps: nothing."""

    def __init__(self, display: Display) -> None:
        self.display = display

    def __exit__(self, *_: object) -> None: ...

    def resume(self) -> None: ...

    def pause(self) -> None: ...

    def spending(self, kind: str) -> AbstractContextManager[None]:
        return nullcontext()

    def count(self, tokens: int) -> None: ...

    def log(self, step: int, values: Mapping[str, float | int]) -> None: ...

    def sync(self) -> None: ...
