"""timing: functions take turns, steps and rows of a known time, and large matmuls."""

import time
from collections.abc import Iterator
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.configuration.schema import Parallel
from distil_jax.profiling import timing
from distil_jax.training import parallel
from distil_jax.training.step import Constants


def test_functions_take_turns_after_one_call_each(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    clock = iter([0.0, 1.0, 10.0, 12.0, 20.0, 25.0, 30.0, 32.0, 40.0, 41.0, 50.0, 59.0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    seconds = timing.alternate(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3
    )
    assert "".join(calls) == "abababab"
    assert seconds == {"a": 1, "b": 2}


def test_no_round_begins_once_they_have_taken_long_enough(monkeypatch) -> None:
    clock = iter(map(float, range(100)))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    calls: list[str] = []
    functions = {name: partial(calls.append, name) for name in "ab"}
    assert timing.alternate(functions, rounds=9, most_seconds=3.0) == {"a": 1, "b": 1}
    assert "".join(calls) == "ababab"


def rows(pause: float) -> Iterator[dict[str, np.ndarray]]:
    number = 0
    while True:
        time.sleep(pause)
        yield {"tokens": np.full((8, 4), number, np.int32)}
        number += 1


def counting(state, constants, batch):
    return state + 1, {"tokens": batch["tokens"].sum()}


def test_the_first_step_is_separate_and_waiting_is_part_of_the_rest() -> None:
    config = Parallel("jit", 1, "auto", "none", "plain")
    devices = parallel.devices(config)
    measured = timing.time_steps(counting, jnp.int32(0), Constants(), rows(0.02), devices, steps=5)
    assert measured.steps == 5
    assert measured.tokens == 32 * (1 + 2 + 3 + 4 + 5)
    assert 0.1 <= measured.waited_seconds <= measured.seconds
    assert measured.first_seconds >= 0.02


def test_a_matmul_throughput_is_that_of_the_median_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(timing.MATMUL_SIZES, "cpu", 512)
    took = [9.0, 0.5, 2.0, 1.0, 3.0, 0.25, 8.0]
    moments = iter(
        [
            moment
            for number, seconds in enumerate(took)
            for moment in (100.0 * number, 100.0 * number + seconds)
        ]
    )
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(moments))
    assert timing.matmul_throughput("float32") == pytest.approx(2 * 512**3 / 2.0)


def test_a_matmul_throughput_measured_here_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(timing.MATMUL_SIZES, "cpu", 512)
    assert 1e6 < timing.matmul_throughput("float32") < 1e14
