"""goodput: seconds by kind, and what a restart makes of them."""

import jax
import jax.numpy as jnp
import pytest

from distil_jax.training.goodput import COMPILED, KINDS, Goodput


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that the test sets."""
    now = [100.0]
    monkeypatch.setattr("distil_jax.training.goodput.time.perf_counter", lambda: now[0])
    return now


def line(step: int, *, lost_steps: int = 0, restarts: int = 0, **seconds: float) -> dict:
    durations = {f"{kind}_seconds": seconds.get(kind, 0.0) for kind in KINDS}
    return {
        "step": step,
        "goodput": 0.5,
        "restarts": restarts,
        "lost_steps": lost_steps,
        **durations,
    }


def spend(goodput: Goodput, clock: list[float], kind: str, seconds: float) -> None:
    with goodput.spending(kind):
        clock[0] += seconds


def test_every_second_is_of_one_kind_blocks_within_blocks_included(clock: list[float]) -> None:
    goodput = Goodput()
    clock[0] += 3
    with goodput.spending("steps"):
        clock[0] += 10
        spend(goodput, clock, "input", 2)
        clock[0] += 5
    figures = goodput.figures()
    assert (figures["start_seconds"], figures["steps_seconds"]) == (3, 15)
    assert figures["input_seconds"] == 2
    assert figures["goodput"] == 0.75


def test_compiling_counts_as_itself_wherever_it_happens(clock: list[float]) -> None:
    with Goodput() as goodput, goodput.spending("validation"):
        clock[0] += 10
        jax.monitoring.record_event_duration_secs(COMPILED, 4.0)
        jax.monitoring.record_event_duration_secs("/jax/other", 1.0)
    figures = goodput.figures()
    assert (figures["compile_seconds"], figures["validation_seconds"]) == (4, 6)


def test_jax_tells_of_its_compiling() -> None:
    with Goodput() as goodput:
        jax.jit(lambda x: x * 3 + 17)(jnp.ones(7)).block_until_ready()
    assert goodput.figures()["compile_seconds"] > 0


def test_a_resumed_run_adds_up_and_what_was_lost_is_restart(clock: list[float]) -> None:
    """Steps 5 and 6 were done after the checkpoint of step 4: their 20 seconds are lost."""
    goodput = Goodput()
    clock[0] += 7
    earlier = [
        line(4, steps=40, start=5, compile=3),
        line(6, steps=55, start=5, compile=3, validation=5),
    ]
    goodput.after(earlier, 4)
    clock[0] += 1
    spend(goodput, clock, "steps", 60)
    figures = goodput.figures()
    assert figures["steps_seconds"] == 100
    assert (figures["start_seconds"], figures["compile_seconds"]) == (5, 3)
    assert figures["restart_seconds"] == 20 + 7 + 1
    assert (figures["restarts"], figures["lost_steps"]) == (1, 2)


def test_a_second_restart_keeps_what_the_first_one_lost(clock: list[float]) -> None:
    goodput = Goodput()
    goodput.after([line(4, steps=40, restart=9, restarts=1, lost_steps=2)], 4)
    figures = goodput.figures()
    assert (figures["restart_seconds"], figures["restarts"], figures["lost_steps"]) == (9, 2, 2)


def test_a_stop_between_two_logged_steps_loses_none(clock: list[float]) -> None:
    goodput = Goodput()
    goodput.after([line(1000, steps=40, restarts=1, lost_steps=7)], 1003)
    assert goodput.figures()["lost_steps"] == 7


def test_without_a_checkpoint_everything_was_lost(clock: list[float]) -> None:
    goodput = Goodput()
    goodput.after([line(3, steps=30, start=4)], 0)
    figures = goodput.figures()
    assert (figures["restart_seconds"], figures["steps_seconds"]) == (34, 0)
    assert figures["lost_steps"] == 3


def test_lines_of_earlier_versions_tell_nothing(clock: list[float]) -> None:
    goodput = Goodput()
    goodput.after([{"step": 3, "loss": 1.0}], 3)
    assert goodput.figures()["restarts"] == 0


def test_an_error_in_a_block_does_not_stick(clock: list[float]) -> None:
    goodput = Goodput()
    with pytest.raises(ValueError, match="x"), goodput.spending("input"):
        raise ValueError("x")
    clock[0] += 2
    assert goodput.figures()["start_seconds"] == 2
