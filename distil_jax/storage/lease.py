"""Holding a folder in a bucket alone, as well as a store allows: there is no lock that dies with
its process.

The holder writes an object that nobody else may make, and again every few seconds. Who finds one
watches it: one that changes is a living process's, one that does not is left over. A process of
this very machine need not be watched, since its end can be seen.
"""

import json
import os
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.storage.bucket import Bucket
from distil_jax.storage.lock import shown, this_process

FILE = "run.lock"
BEAT_SECONDS = 15.0
WATCH_SECONDS = 4 * BEAT_SECONDS


class Lease:
    """A folder that this process holds; `check` says whether that is still so."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self.holder = {**_this_process(), "id": uuid.uuid4().hex}

    def check(self) -> None:
        """Raise a `UserError` if another process has taken the folder over, or had it meanwhile."""
        holder = read(self._bucket)
        if holder is None:
            raise UserError(
                f"{self._bucket.address} is no longer held by this process: its {FILE} is gone. "
                "Another process had it while this one was silent for too long, or it was removed; "
                "if no other run uses it, rerun the same command to resume"
            )
        if holder["id"] != self.holder["id"]:
            raise UserError(
                f"{self._bucket.address} was taken over by {shown(holder)}: this process had been "
                "silent for too long; see which of the two should continue"
            )

    def renew(self) -> None:
        """Show that this process is alive."""
        self._bucket.write(FILE, _content(self.holder))

    def give_back(self) -> None:
        """Let others have the folder."""
        holder = read(self._bucket)
        if holder is not None and holder["id"] == self.holder["id"]:
            self._bucket.remove(FILE)


@contextmanager
def hold(bucket: Bucket) -> Iterator[Lease]:
    """Hold a folder alone while inside.

    Raises `UserError` that names the process which holds it.
    """
    lease = Lease(bucket)
    while True:
        with suppress(FileExistsError):
            bucket.create(FILE, _content(lease.holder))
            break
        _wait_for_end(bucket)
    ended = threading.Event()
    beating = threading.Thread(target=_beat, args=(lease, ended), daemon=True)
    beating.start()
    try:
        yield lease
    finally:
        ended.set()
        beating.join()
        with suppress(UserError):  # out of reach: others will see that it does not change
            lease.give_back()


def read(bucket: Bucket) -> dict[str, Any] | None:
    """What the holder wrote of itself, or None."""
    try:
        holder = json.loads(bucket.read(FILE))
        return holder if isinstance(holder, dict) and "id" in holder else {"id": ""}
    except FileNotFoundError:
        return None
    except ValueError:
        return {"id": ""}


def _beat(lease: Lease, ended: threading.Event) -> None:
    while not ended.wait(BEAT_SECONDS):
        with suppress(UserError):  # a store out of reach for a moment; `check` tells the run
            lease.check()
            lease.renew()


def _wait_for_end(bucket: Bucket) -> None:
    """Remove a lock that a killed process left; raises `UserError` if its holder lives."""
    first = read(bucket)
    if first is None:
        return
    if not _is_dead(first):
        print(
            f"{bucket.address} is held by {shown(first)}; waiting for a sign of life",
            flush=True,
        )
        until = time.monotonic() + WATCH_SECONDS
        while time.monotonic() < until:
            time.sleep(min(1.0, BEAT_SECONDS))
            now = read(bucket)
            if now is None:
                return
            if now != first:
                raise UserError(
                    f"{bucket.address} is in use by {shown(now)}; wait for it, stop it, or use "
                    "another --workdir"
                )
    if read(bucket) == first:
        bucket.remove(FILE)


def _is_dead(holder: dict[str, Any]) -> bool:
    """Whether it was a process of this machine, and is no more."""
    here = _this_process()
    if any(holder.get(name) != here[name] for name in ("host", "boot", "namespace")):
        return False
    return not Path(f"/proc/{holder.get('pid')}").is_dir()


def _this_process() -> dict[str, Any]:
    return {
        **this_process(),
        "boot": _read("/proc/sys/kernel/random/boot_id"),
        "namespace": _link("/proc/self/ns/pid"),
    }


def _content(holder: dict[str, Any]) -> bytes:
    return json.dumps({**holder, "beat": time.time()}).encode()


def _read(path: str) -> str:
    return Path(path).read_text().strip() if Path(path).is_file() else ""


def _link(path: str) -> str:
    return os.readlink(path) if Path(path).exists() else ""
