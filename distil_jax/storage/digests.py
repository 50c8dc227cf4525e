"""Digests of a folder's files: written once when it is complete, compared before it is trusted."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from distil_jax.storage import atomic

FILE = "digests.json"


def write(folder: Path) -> None:
    """Flush every file below `folder` to the disk and record its size in bytes and its SHA-256."""
    files = {str(path.relative_to(folder)): _entry(path, flush=True) for path in _files(folder)}
    atomic.put(folder / FILE, table(files).encode())


def damage(folder: Path) -> str | None:
    """The first thing wrong with a folder's files, in a few words, or None if all is as written.

    A file that was added later is no damage.
    """

    def faults(entries: dict[str, Any]) -> Iterable[tuple[str, str | None]]:
        for name, entry in entries.items():
            yield name, _fault(folder / name, entry)

    return compared((folder / FILE).read_bytes, faults)


def table(files: dict[str, Any]) -> str:
    """The content of digests.json, from each file's `{"bytes": ..., "sha256": ...}`."""
    return json.dumps({"files": files, "sha256": _digest_of_table(files)}, indent=1)


def compared(
    read: Callable[[], bytes],
    faults: Callable[[dict[str, Any]], Iterable[tuple[str, str | None]]],
) -> str | None:
    """As `damage`: `read` gets digests.json, `faults` says of each file in it what is wrong."""
    try:
        content = json.loads(read())
        if content["sha256"] != _digest_of_table(content["files"]):
            return f"{FILE} has other contents than were written"
    except FileNotFoundError:
        return f"{FILE} is missing"
    except (OSError, ValueError, TypeError, KeyError):
        return f"{FILE} is not readable"
    return next((f"{name} {fault}" for name, fault in faults(content["files"]) if fault), None)


def fault(file: Any, size_bytes: int, entry: dict[str, Any]) -> str | None:
    """What is wrong with an open binary file of this size, in a few words."""
    if size_bytes != entry["bytes"]:
        return f"has {size_bytes} bytes instead of {entry['bytes']}"
    if sha256(file) != entry["sha256"]:
        return "has other contents than were written"
    return None


def sha256(file: Any) -> str:
    """An open binary file's SHA-256, in hexadecimal digits."""
    return hashlib.file_digest(file, "sha256").hexdigest()


def _fault(path: Path, entry: dict[str, Any]) -> str | None:
    try:
        with open(path, "rb") as file:
            return fault(file, os.fstat(file.fileno()).st_size, entry)
    except FileNotFoundError:
        return "is missing"
    except (OSError, ValueError) as error:
        return f"is not readable ({error})"


def _entry(path: Path, *, flush: bool = False) -> dict[str, int | str]:
    with open(path, "rb") as file:
        digest = sha256(file)
        if flush:
            os.fsync(file.fileno())
        return {"bytes": os.fstat(file.fileno()).st_size, "sha256": digest}


def _digest_of_table(files: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / FILE)
