"""Digests of a folder's files: written once when it is complete, compared before it is trusted."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

FILE = "digests.json"


def write(folder: Path) -> None:
    """Flush every file below `folder` to the disk and record its size in bytes and its SHA-256."""
    files = {str(path.relative_to(folder)): _entry(path, flush=True) for path in _files(folder)}
    with open(folder / FILE, "w", encoding="utf8") as file:
        json.dump({"files": files, "sha256": _digest_of_table(files)}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def damage(folder: Path) -> str | None:
    """The first thing wrong with a folder's files, in a few words, or None if all is as written.

    A file that was added later is no damage.
    """
    try:
        table = json.loads((folder / FILE).read_text(encoding="utf8"))
        if table["sha256"] != _digest_of_table(table["files"]):
            return f"{FILE} has other contents than were written"
    except FileNotFoundError:
        return f"{FILE} is missing"
    except (OSError, ValueError, TypeError, KeyError):
        return f"{FILE} is not readable"
    for name, entry in table["files"].items():
        fault = _fault(folder / name, entry["bytes"], entry["sha256"])
        if fault:
            return f"{name} {fault}"
    return None


def _fault(path: Path, size: int, digest: str) -> str | None:
    try:
        if path.stat().st_size != size:
            return f"has {path.stat().st_size} bytes instead of {size}"
        if _entry(path)["sha256"] != digest:
            return "has other contents than were written"
    except FileNotFoundError:
        return "is missing"
    except (OSError, ValueError) as error:
        return f"is not readable ({error})"
    return None


def _entry(path: Path, *, flush: bool = False) -> dict[str, int | str]:
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if flush:
            os.fsync(file.fileno())
        return {"bytes": os.fstat(file.fileno()).st_size, "sha256": digest}


def _digest_of_table(files: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / FILE)
