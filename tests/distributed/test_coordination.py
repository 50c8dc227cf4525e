"""processes: what several tell each other, over a store that is shared by threads here."""

import threading
import time
from collections.abc import Callable
from typing import Any

import jax
import pytest

from distil_jax.distributed import coordination as processes
from distil_jax.distributed.coordination import StopConsensus, any_process, broadcast_from_primary


class Store:
    """JAX's key-value store, as far as it is used."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._lock = threading.Lock()

    def key_value_set(self, key: str, value: str) -> None:
        with self._lock:
            if key in self._values:
                raise jax.errors.JaxRuntimeError("ALREADY_EXISTS: key")
            self._values[key] = value

    def key_value_try_get(self, key: str) -> str:
        try:
            return self._values[key]
        except KeyError:
            raise jax.errors.JaxRuntimeError("NOT_FOUND: key") from None


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[int], Any]], list[Any]]:
    """Call a function in several threads that take themselves for processes."""

    def call(count: int, work: Callable[[int], Any]) -> list[Any]:
        own, store, results = threading.local(), Store(), [None] * count
        monkeypatch.setattr(processes, "_store", lambda: store)
        monkeypatch.setattr(jax, "process_count", lambda: count)
        monkeypatch.setattr(jax, "process_index", lambda: own.index)

        def one(index: int) -> None:
            own.index = index
            results[index] = work(index)

        threads = [threading.Thread(target=one, args=(index,)) for index in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        return results

    return call


def test_all_hear_what_the_first_one_made(together: Callable[..., list[Any]]) -> None:
    made = together(3, lambda index: broadcast_from_primary("x", lambda: {"from": [index, None]}))
    assert made == [{"from": [0, None]}] * 3


@pytest.mark.parametrize(("who", "expected"), [({2}, True), (set(), False), ({0, 1, 2}, True)])
def test_one_is_enough(who: set[int], expected: bool, together: Callable[..., list[Any]]) -> None:
    assert together(3, lambda index: any_process("x", index in who)) == [expected] * 3


@pytest.mark.parametrize("slow", range(3))
@pytest.mark.parametrize("asked_at", [{1: 1}, {0: 7}, {0: 5, 1: 6, 2: 5}, {2: 9, 0: 8}])
def test_all_stop_after_the_same_step(
    asked_at: dict[int, int], slow: int, together: Callable[..., list[Any]]
) -> None:
    """Each step needs all, as a sum does, and is fetched one step late, as the loop does.

    One of them is slow to ask, so that the others get as far ahead as they can.
    """
    dispatched, changed = [0, 0, 0], threading.Condition()

    def work(index: int) -> int:
        done = 0
        agreement = StopConsensus(lambda: done >= asked_at.get(index, 1000))
        for step in range(1, 100):
            with changed:
                dispatched[index] = step
                changed.notify_all()
                while min(dispatched) < step - 1:
                    assert changed.wait(20)
            done = step
            if index == slow:
                time.sleep(0.01)
            if agreement.stops(step):
                return step
        return -1

    steps = together(3, work)
    assert len(set(steps)) == 1
    assert min(asked_at.values()) < steps[0] <= min(asked_at.values()) + 3


def test_alone_it_stops_at_once() -> None:
    answers = iter([False, True])
    agreement = StopConsensus(lambda: next(answers))
    assert not agreement.stops(1)
    assert agreement.stops(2)
