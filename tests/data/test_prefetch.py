"""prefetch: order, side by side, errors, and what is left when the reader stops."""

import threading
from collections.abc import Iterator

import pytest

from distil_jax.data.prefetch import pipelined_map, prefetch


@pytest.mark.parametrize("count", [1, 3])
def test_nothing_is_lost_or_reordered(count: int) -> None:
    assert list(prefetch(iter(range(20)), count=count)) == list(range(20))
    assert list(pipelined_map(lambda n: n * n, range(20), count=count)) == [
        n * n for n in range(20)
    ]
    assert list(prefetch([])) == []
    assert list(pipelined_map(str, [])) == []


def test_the_next_item_is_made_while_this_one_is_used() -> None:
    begun = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(begun):
            event.set()
            yield number

    for number in prefetch(items()):
        if number + 1 < len(begun):
            assert begun[number + 1].wait(10)


def test_results_are_made_while_the_next_item_is() -> None:
    done = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number in range(3):
            yield number
            assert done[number].wait(10)

    assert list(pipelined_map(lambda number: done[number].set(), items())) == [None] * 3


def test_no_more_is_made_than_asked_for() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    reader = prefetch(items(), count=2)
    next(reader)
    reader.close()
    assert len(made) <= 1 + 2


def test_an_error_reaches_the_reader_and_ends_the_thread() -> None:
    before = set(threading.enumerate())

    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    def refuse(number: int) -> int:
        raise KeyboardInterrupt

    reader = prefetch(broken())
    assert next(reader) == 1
    with pytest.raises(OSError, match="the disk is gone"):
        next(reader)
    with pytest.raises(KeyboardInterrupt):
        list(pipelined_map(refuse, range(5)))
    with pytest.raises(OSError, match="the disk is gone"):
        list(pipelined_map(str, broken()))
    assert not set(threading.enumerate()) - before
