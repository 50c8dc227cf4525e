"""trace: the steps that were asked for, and nothing where none were."""

from pathlib import Path

import jax
import pytest

from distil_jax.training.trace import Trace


@pytest.fixture
def profiler(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the profiler, in order."""
    heard: list[str] = []
    monkeypatch.setattr(jax.profiler, "start_trace", lambda folder: heard.append(f"to {folder}"))
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: heard.append("stop"))
    return heard


def run(trace: Trace, heard: list[str], steps: range) -> None:
    with trace:
        for step in steps:
            with trace.step(step):
                heard.append(str(step))
            trace.done(step, {})


def test_from_the_first_to_the_last(profiler: list[str]) -> None:
    run(Trace(Path("p"), first=2, last=3), profiler, range(1, 6))
    assert profiler == ["1", "to p", "2", "3", "stop", "4", "5"]


def test_resumed_in_between_it_traces_what_is_left(profiler: list[str]) -> None:
    run(Trace(Path("p"), first=2, last=4), profiler, range(4, 6))
    assert profiler == ["to p", "4", "stop", "5"]


def test_a_run_that_ends_before_the_last_writes_what_there_is(profiler: list[str]) -> None:
    run(Trace(Path("p"), first=2, last=9), profiler, range(2, 4))
    assert profiler == ["to p", "2", "3", "stop"]


@pytest.mark.parametrize("steps", [(0, 0), (7, 9)])
def test_nothing_is_traced_unless_asked(steps: tuple[int, int], profiler: list[str]) -> None:
    run(Trace(Path("p"), first=steps[0], last=steps[1]), profiler, range(1, 5))
    assert profiler == ["1", "2", "3", "4"]


def test_jax_writes_one(tmp_path: Path) -> None:
    with Trace(tmp_path / "profile", first=1, last=1) as trace:
        with trace.step(1):
            values = jax.numpy.ones(3) + 1
        trace.done(1, values)
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
