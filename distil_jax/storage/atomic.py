"""Files that are either whole or absent, whatever kills the program."""

import contextlib
import os
import uuid
from pathlib import Path

MARK = ".unfinished-"


def write(path: Path, content: bytes | memoryview) -> None:
    """Write beside the file, flush to the disk, and move into place."""
    temporary = path.with_name(f"{MARK}{uuid.uuid4().hex[:12]}-{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
        raise
    flush_folder(path.parent)


def flush_folder(path: Path) -> None:
    """Flush a folder's entries, or a file, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
