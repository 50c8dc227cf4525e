"""latency: whose call counts."""

from distil_jax.exporting.latency import TOGETHER, timed


def test_each_turn_begins_with_a_call_that_does_not_count(monkeypatch):
    called = []
    clock = iter(range(10_000))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(clock)))
    runs = {"a": lambda: called.append("a"), "b": lambda: called.append("b")}
    found = timed(runs, calls=TOGETHER + 2)
    first, rest = TOGETHER + 1, 3
    assert "".join(called) == "a" * first + "b" * first + "a" * rest + "b" * rest
    assert found == {name: {"median": 1000.0, "p95": 1000.0} for name in runs}
