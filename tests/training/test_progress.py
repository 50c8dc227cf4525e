"""progress: lines in a log, one rewritten line in a terminal of any width."""

import io
import re

import pytest
from rich.console import Console

from distil_jax.training import progress
from distil_jax.training.progress import Display
from distil_jax.training.progress_text import clock, fitted, held_out, limit

VALUES = {"loss": 9.8651, "tokens_per_second": 1321.2, "steps_seconds": 10.0, "input_seconds": 0.1}
HELD_OUT = {
    "validation_loss": 10.1,
    "validation_soft_target": 0.6019,
    "validation_masked_lm": 3.4177,
    "validation_accuracy": 0.3891,
    "validation_agreement": 0.5804,
}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that the display sees."""
    time = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: time[0])
    return time


def shown(display: Display, width: int, *, terminal: bool) -> io.StringIO:
    out = io.StringIO()
    display.console = Console(
        file=out, width=width, force_terminal=terminal, soft_wrap=True, highlight=False
    )
    return out


def test_a_log_has_a_line_for_each_logged_step(now: list[float]) -> None:
    display = Display()
    out = shown(display, 80, terminal=False)
    with display.bar(300, start_step=0):
        for step in (1, 10, 20):
            now[0] += 9.0
            display.step(step, VALUES)
    first, _, last = out.getvalue().splitlines()
    # The first step compiles: what it took says nothing of those to come.
    assert first == "step 1/300  loss 9.865  1,321 tokens/s"
    assert last == "step 20/300  loss 9.865  1,321 tokens/s  4:25 left"
    assert not set("\x1b\r") & set(out.getvalue())


def test_held_out_figures_are_a_line_in_words(now: list[float]) -> None:
    display = Display(every_seconds=60.0)
    out = shown(display, 80, terminal=False)
    with display.bar(1000, start_step=0):
        display.step(1000, VALUES | HELD_OUT)
    assert out.getvalue() == (
        "held out at step 1000: soft targets 0.602, masked LM 3.418, accuracy 38.9%, "
        "agreement with the teacher 58.0%\n"
    )
    assert held_out(VALUES) == ""


def test_a_tasks_score_is_said_once_by_those_who_know_its_scale(now: list[float]) -> None:
    display = Display(title="seed 1", every_seconds=60.0, says_held_out=False)
    out = shown(display, 80, terminal=False)
    with display.bar(24, start_step=0):
        display.step(8, VALUES | {"validation_accuracy": 50.0})
    assert out.getvalue() == ""


def test_the_time_left_is_of_this_attempt_alone(now: list[float]) -> None:
    display = Display()
    out = shown(display, 80, terminal=False)
    with display.bar(300, start_step=100):
        display.step(110, VALUES)
        now[0] += 20.0
        display.step(120, VALUES)
    assert out.getvalue().splitlines()[-1].endswith("6:00 left")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_a_terminal_has_one_line_that_fits(now: list[float], width: int) -> None:
    display = Display()
    out = shown(display, width, terminal=True)
    with display.bar(123_456, start_step=0, peak_rate=5000.0):
        for step in (1, 100_000):
            now[0] += 90_000.0
            display.step(step, VALUES | {"loss": 12345.678})
        line = display._rewritten()
    assert "\n" not in line.plain
    assert len(line.plain) < width
    parts = [
        "step 100000/123456",
        "5:51:51 left",
        "loss 12345.678",
        "1,321 tokens/s",
        "26% of peak",
    ]
    seen = [part for part in parts if part in line.plain]
    assert seen == {20: parts[:1], 40: parts[:2], 60: parts[:3]}.get(width, parts)
    assert ("━" in line.plain) == (width == 200)
    drawn = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out.getvalue())
    assert all(len(text.strip("\r")) < width for text in re.split(r"[\r\n]", drawn))


def test_what_holds_a_run_up() -> None:
    waiting = VALUES | {"input_seconds": 1.1}
    assert limit(waiting, {}, 0.0) == "waiting for data 10%"
    assert limit(waiting, {"steps_seconds": 5.0, "input_seconds": 1.1}, 13212.0) == "10% of peak"
    assert limit(VALUES, {}, 0.0) == ""


def test_times_and_parts() -> None:
    assert [clock(seconds) for seconds in (-3, 83.4, 3783, 200_000)] == [
        *("0:00", "1:23", "1:03:03", "2 d 7 h"),
    ]
    assert fitted(["ab", "", "cd"], (2, 0, 1), 3) == "cd"
    assert fitted(["ab", "", "cd"], (2, 0, 1), 6) == "ab  cd"
