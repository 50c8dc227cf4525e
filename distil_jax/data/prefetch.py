"""Stages side by side: a thread reads, tokenises or writes while the caller does the rest.

It pays where most of a stage runs outside of the interpreter: decompressing, Rust, hashing, files.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_END: Any = object()


def prefetch(items: Iterable[Item], *, count: int = 1) -> Iterator[Item]:
    """The items in order, up to `count` of them made by a thread before they are asked for."""
    source = iter(items)
    with _thread() as thread:
        waiting = deque(thread.submit(next, source, _END) for _ in range(count))
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(thread.submit(next, source, _END))
            yield item


def pipelined_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, count: int = 1
) -> Iterator[Result]:
    """`function` of each item in order, by a thread, while the caller makes up to `count` more."""
    with _thread() as thread:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(thread.submit(function, item))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    """One thread; what it has not begun when the block is left is not done."""
    executor = ThreadPoolExecutor(1)
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)
