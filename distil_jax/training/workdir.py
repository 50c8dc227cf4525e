"""A run's folder: held by one process at a time, and written so that a crash leaves no halves."""

import errno
import fcntl
import json
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from distil_jax.errors import FULL, UserError
from distil_jax.storage.atomic import flush_folder

LOCK = "run.lock"
_held: set[int] = set()


@contextmanager
def claim(workdir: Path, *, named: str = "") -> Iterator[Path]:
    """Make `workdir` if need be and hold it alone; what was made and stayed empty goes again.

    `named` is what the user calls it, if that is another name.

    The lock is the kernel's (flock), so it ends with its process, however that ends: a lock file
    that a killed run left behind does not stop the next one.

    Raises:
        UserError: another process holds it (named), or it cannot be written.
    """
    missing = [path for path in (workdir, *workdir.parents) if not path.exists()]
    try:
        with writing(workdir):
            workdir.mkdir(parents=True, exist_ok=True)
            lock = _lock(workdir / LOCK, named or str(workdir))
        try:
            yield workdir
        finally:
            (workdir / LOCK).unlink(missing_ok=True)
            _held.discard(lock)
            os.close(lock)
    finally:
        with suppress(OSError):
            for folder in missing:
                folder.rmdir()


def read_holder(workdir: Path) -> str:
    """What `claim` wrote of the process that holds `workdir`."""
    return (workdir / LOCK).read_text(encoding="utf8")


def check_shared(workdir: Path, holder: str, *, patience_seconds: float = 10) -> None:
    """Raise a `UserError` unless this process sees the workdir that another one holds.

    A network's file system may show a new file a few seconds late.
    """
    until = time.monotonic() + patience_seconds
    while True:
        with suppress(OSError):
            if read_holder(workdir) == holder:
                return
        if time.monotonic() > until:
            raise UserError(
                f"{workdir} on {socket.gethostname()} is not the folder that process 0 holds; "
                "all processes need the same --workdir, on a file system that they share"
            )
        time.sleep(0.1)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write below `path` into a `UserError` naming it."""
    try:
        yield
    except OSError as error:
        raise UserError(refusal(path, error)) from error


@contextmanager
def full_disk_named(workdir: Path) -> Iterator[None]:
    """The same where the disk is full and the operating system named no file."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in FULL:
            raise UserError(refusal(workdir, error)) from error
        raise


def refusal(path: Path, error: OSError) -> str:
    """One line: what could not be written, why, and what to do."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "free some space and run the same command again"
    else:
        advice = "make it writable or name another folder"
    return f"{path} cannot be written: {reason}; {advice}"


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all: readers see the old text until the new one is safe."""
    temporary = _sibling(path)
    try:
        with open(temporary, "w", encoding="utf8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    flush_folder(path.parent)


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty sibling to fill: it takes `folder`'s place if the block ends well."""
    temporary, previous = _sibling(folder), _sibling(folder, "old")
    for leftover in (temporary, previous):
        shutil.rmtree(leftover, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for path in temporary.rglob("*"):
            flush_folder(path)
        if folder.exists():
            os.replace(folder, previous)
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(previous, ignore_errors=True)
    flush_folder(folder.parent)


def _lock(path: Path, named: str) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same_file(descriptor, path):  # else its holder removed it between open and lock
                os.ftruncate(descriptor, 0)
                os.write(descriptor, json.dumps(_this_process()).encode())
                _held.add(descriptor)
                return descriptor
        except BlockingIOError:
            raise UserError(_busy(named, os.read(descriptor, 4096))) from None
        finally:
            if descriptor not in _held:
                os.close(descriptor)


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _this_process() -> dict[str, str | int]:
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "started": started}


def _busy(named: str, owner: bytes) -> str:
    try:
        values = json.loads(owner)
        who = f"process {values['pid']} on {values['host']}, started {values['started']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return f"{named} is in use by {who}; wait for it, stop it, or name another folder"


def _sibling(path: Path, purpose: str = "new") -> Path:
    return path.with_name(f".{path.name}.{purpose}")


def _drop_in_child() -> None:
    """A forked worker that outlives a killed run must not keep its lock."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_drop_in_child)
