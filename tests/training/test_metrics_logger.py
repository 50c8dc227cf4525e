"""record: what is written of a step, and what is not waited for."""

import json
import time
from pathlib import Path

import pytest

from distil_jax.training.goodput import Goodput
from distil_jax.training.metrics_logger import MetricsLogger
from distil_jax.training.progress import Display


def record(folder: Path, *, tensorboard: bool) -> MetricsLogger:
    return MetricsLogger(
        folder,
        Display(),
        lambda _: None,
        Goodput(),
        devices=4,
        restart_step=0,
        tensorboard=tensorboard,
    )


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_line_tells_on_how_many_devices_the_step_ran(tmp_path: Path) -> None:
    with record(tmp_path, tensorboard=False) as written:
        written.log(1, {"loss": 2.0})
    assert [(line["step"], line["loss"], line["devices"]) for line in lines(tmp_path)] == [
        (1, 2.0, 4)
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_board_that_nobody_writes_any_more_is_left_and_told(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full for a moment ends the writer's thread; its queue holds ten values."""

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with record(tmp_path, tensorboard=True) as written:
        writer = written._board.file_writer.event_writer  # type: ignore[union-attr]
        monkeypatch.setattr(writer._ev_writer, "write_event", refuse)
        monkeypatch.setattr(writer._ev_writer, "flush", refuse)
        written.log(1, {"loss": 1.0})
        until = time.monotonic() + 20
        while writer._worker.is_alive() and time.monotonic() < until:
            time.sleep(0.01)
        for step in range(2, 30):
            written.log(step, {"loss": 1.0, "other": 2.0})
    assert [line["step"] for line in lines(tmp_path)] == list(range(1, 30))
    assert capsys.readouterr().out.count("TensorBoard's file cannot be written any more") == 1
