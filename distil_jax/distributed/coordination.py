"""What the processes of a run exchange besides arrays: facts of process 0, and when to stop.

They go through the key-value store of JAX's coordination service, which has no public interface;
Orbax uses the same one. A wait there can be interrupted by a signal, and lasts as long as it must:
the heartbeats of `jax.distributed` end it if a process is gone.
"""

import json
import time
from collections.abc import Callable
from typing import Any

import jax

POLL_SECONDS = 0.05
STOP = "distil_jax/stop"


def is_primary() -> bool:
    """Whether this process writes what is written once."""
    return jax.process_index() == 0


def broadcast_from_primary(name: str, make: Callable[[], Any]) -> Any:
    """What `make` returns in process 0, in every process; the others wait for it.

    It must be JSON's. A name is used once in the life of a process.
    """
    if jax.process_count() == 1:
        return make()
    key = f"distil_jax/broadcast/{name}"
    if is_primary():
        _store().key_value_set(key, json.dumps(value := make()))
        return value
    return json.loads(_wait(key))


def any_process(name: str, value: bool) -> bool:
    """Whether `value` is true in any process; waits for all. A name is used once."""
    if jax.process_count() == 1:
        return value
    key = f"distil_jax/any/{name}"
    _store().key_value_set(f"{key}/{jax.process_index()}", json.dumps(value))
    return any(json.loads(_wait(f"{key}/{i}")) for i in range(jax.process_count()))


class StopConsensus:
    """After which step all processes stop once one of them was asked to.

    The process that was asked names the step after the next one. No other process can have got
    past that: each fetches the sums of a step, which need every process, before it asks about the
    next, so that they are never more than one step apart. Of several who ask, the first one counts.
    """

    def __init__(self, asked: Callable[[], bool]) -> None:
        self._asked = asked
        self._named = False

    def stops(self, step: int) -> bool:
        """Whether this is the last step before the stop; to be called after every step."""
        if jax.process_count() == 1:
            return self._asked()
        if self._asked() and not self._named:
            self._named = True
            _set_first(STOP, str(step + 2))
        last = _find(STOP)
        return last is not None and step >= int(last)


def _store() -> Any:
    from jax._src.distributed import global_state

    return global_state.client


def _find(key: str) -> str | None:
    try:
        return _store().key_value_try_get(key)
    except jax.errors.JaxRuntimeError as error:
        if "NOT_FOUND" not in str(error):
            raise
        return None


def _wait(key: str) -> str:
    while (value := _find(key)) is None:
        time.sleep(POLL_SECONDS)
    return value


def _set_first(key: str, value: str) -> None:
    try:
        _store().key_value_set(key, value)
    except jax.errors.JaxRuntimeError as error:
        if "ALREADY_EXISTS" not in str(error):
            raise
