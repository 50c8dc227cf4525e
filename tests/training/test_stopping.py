"""stopping: SIGTERM at once, deferred, and only as long as it is watched."""

import os
import signal

import pytest

from distil_jax.errors import Stopped
from distil_jax.training.stopping import Sigterm


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
    before = signal.getsignal(signal.SIGTERM)
    with Sigterm():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
