"""A folder of a file system that one process at a time works in."""

import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.storage import atomic

FILE = "run.lock"
_locked: set[int] = set()


@contextmanager
def lock(folder: Path, *, shown_as: str = "") -> Iterator[Path]:
    """Make `folder` if need be and hold it alone; what was made and stayed empty goes again.

    `shown_as` is what the user calls it, if that is another name.

    The lock is the kernel's (flock), so it ends with its process, however that ends: a lock file
    that a killed run left behind does not stop the next one. What that run was writing is removed.

    Raises:
        UserError: another process holds it (named), or it cannot be written.
    """
    with atomic.parents_made(folder):
        with atomic.writing(folder):
            descriptor = _lock(folder / FILE, shown_as or str(folder))
        try:
            with atomic.writing(folder):
                atomic.sweep(folder)
            yield folder
        finally:
            (folder / FILE).unlink(missing_ok=True)
            _locked.discard(descriptor)
            os.close(descriptor)


def read_holder(folder: Path) -> str:
    """What the process that holds `folder` wrote of itself."""
    return (folder / FILE).read_text(encoding="utf8")


def check_shared(folder: Path, holder: str, *, patience_seconds: float = 10) -> None:
    """Raise a `UserError` unless this process sees the folder that another one holds.

    A network's file system may show a new file a few seconds late.
    """
    until = time.monotonic() + patience_seconds
    while True:
        with suppress(OSError):
            if read_holder(folder) == holder:
                return
        if time.monotonic() > until:
            raise UserError(
                f"{folder} on {socket.gethostname()} is not the folder that process 0 holds; "
                "all processes need the same --workdir, on a file system that they share"
            )
        time.sleep(0.1)


def this_process() -> dict[str, Any]:
    """What a holder writes of itself."""
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": started}


def shown(holder: Mapping[str, Any]) -> str:
    """A holder in a message."""
    if not {"pid", "host", "started"} <= holder.keys():
        return "another process"
    return f"process {holder['pid']} on {holder['host']}, started {holder['started']}"


def _lock(path: Path, name: str) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same_file(descriptor, path):  # else its holder removed it between open and lock
                os.ftruncate(descriptor, 0)
                os.write(descriptor, json.dumps(this_process()).encode())
                _locked.add(descriptor)
                return descriptor
        except BlockingIOError:
            holder = shown(_parsed(os.read(descriptor, 4096)))
            raise UserError(
                f"{name} is in use by {holder}; wait for it, stop it, or name another folder"
            ) from None
        finally:
            if descriptor not in _locked:
                os.close(descriptor)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        holder = json.loads(content)
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _drop_in_child() -> None:
    """A forked worker that outlives a killed run must not keep its lock."""
    for descriptor in _locked:
        os.close(descriptor)
    _locked.clear()


os.register_at_fork(after_in_child=_drop_in_child)
