"""timing: functions take turns, and the median is theirs."""

import pytest

from distil_jax.profiling import timing


def test_functions_take_turns_after_one_call_each(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    clock = iter([0.0, 1.0, 10.0, 12.0, 20.0, 25.0, 30.0, 32.0, 40.0, 41.0, 50.0, 59.0])
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    seconds = timing.alternate(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3
    )
    assert "".join(calls) == "abababab"
    assert seconds == {"a": 1, "b": 2}
