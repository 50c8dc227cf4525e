"""stopping: SIGTERM at once, deferred, and only as long as it is watched."""

import os
import signal
from collections.abc import Callable

import pytest

from distil_jax.errors import Stopped
from distil_jax.training.stopping import INTERRUPTED, Sigterm


@pytest.fixture(autouse=True)
def interruptible():
    """As in a terminal; a shell's background job ignores Ctrl+C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_it_stops_at_once_and_no_handler_of_errors_holds_it_up() -> None:
    with pytest.raises(Stopped), Sigterm():  # noqa: PT012
        try:
            terminate()
        except Exception:
            pytest.fail("Stopped was caught as an error")


def test_deferred_it_is_noted_and_raised_at_the_end() -> None:
    reached = False
    with pytest.raises(Stopped), Sigterm() as sigterm:  # noqa: PT012 the end of the block raises
        with sigterm.deferred():
            assert not sigterm.arrived()
            terminate()
            assert sigterm.arrived()
        reached = True
    assert reached


def test_a_second_one_does_not_break_into_the_clean_up() -> None:
    cleaned = False
    with pytest.raises(Stopped), Sigterm():  # noqa: PT012
        try:
            terminate()
        finally:
            terminate()
            cleaned = True
    assert cleaned


def test_the_handler_before_comes_back() -> None:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    with Sigterm():
        for number, handler in zip(numbers, before, strict=True):
            assert signal.getsignal(number) != handler
    assert [signal.getsignal(number) for number in numbers] == before


class Finalized:
    """Ctrl+C comes while it goes, where Python raises nothing."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("ask", [Sigterm.arrived, Sigterm.check, lambda _: None])
def test_an_interrupt_that_got_lost_is_raised_again(ask: Callable[[Sigterm], object]) -> None:
    reached = False
    with pytest.raises(KeyboardInterrupt, match=INTERRUPTED), Sigterm() as sigterm:  # noqa: PT012
        Finalized()
        reached = True
        ask(sigterm)
    assert reached


def test_an_interrupt_is_raised_at_once_where_it_can_be() -> None:
    with pytest.raises(KeyboardInterrupt, match=INTERRUPTED), Sigterm() as sigterm:  # noqa: PT012
        with sigterm.deferred():
            os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("it was not raised")


def test_an_ignored_interrupt_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Sigterm() as sigterm:
            os.kill(os.getpid(), signal.SIGINT)
            assert not sigterm.arrived()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
