"""Files and folders that appear whole under their names or not at all, whatever ends the program.

Each is made under another name beside its own, flushed to the disk, and renamed. What is there
stays until then; what a killed process left is what `sweep` removes.
"""

import errno
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from distil_jax.errors import FULL, UserError

MARK = ".unfinished-"


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8; raises `UserError` if it cannot be written."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write a file; raises `UserError` if it cannot be written."""
    with writing(path):
        put(path, content)


def put(path: Path, content: bytes | memoryview) -> None:
    """Write a file; raises the operating system's own errors."""
    with raw_draft(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def open_text(path: Path) -> Iterator[Any]:
    """A text file to write, line ends as given; it appears if the block ends well.

    What killed processes left of it goes, so no other may be writing it. Raises `UserError` if it
    cannot be written.
    """
    with draft(path) as temporary:
        sweep(path.parent, path.name)
        with temporary.open("w", encoding="utf-8", newline="") as file:
            yield file


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """An empty folder to fill; it takes the place of what `path` is if the block ends well.

    What killed processes left of it goes, so no other may be filling it. Raises `UserError` if it
    cannot be written. Parents that were made go again if it does not.
    """
    with parents_made(path.parent, path), draft(path) as temporary:
        sweep(path.parent, path.name)
        temporary.mkdir()
        yield temporary


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A free name beside `path` to make a file or a folder under; it is renamed in the end.

    Raises `UserError` if it cannot be written; the block's errors about other files pass.
    """
    temporary = _beside(path)
    try:
        with raw_draft(path, temporary):
            yield temporary
    except OSError as error:
        if _concerns(error, path, temporary):
            raise UserError(refusal(path, error)) from error
        raise


@contextmanager
def raw_draft(path: Path, temporary: Path | None = None) -> Iterator[Path]:
    """The same with the operating system's own errors."""
    temporary = temporary or _beside(path)
    try:
        yield temporary
        publish(temporary, path)
    finally:
        _remove(temporary)


@contextmanager
def parents_made(folder: Path, named: Path | None = None) -> Iterator[None]:
    """Make a folder and its parents; those that were made here and stayed empty go again.

    Raises `UserError` about `named` if that is refused.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with writing(named or folder):
            folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for path in missing:
            with suppress(OSError):
                path.rmdir()


def publish(temporary: Path, path: Path) -> None:
    """Flush a file or a folder with all in it to the disk and give it its name.

    A folder that has the name goes aside first, and comes back if the renaming fails.
    """
    for written in (temporary, *(temporary.rglob("*") if temporary.is_dir() else ())):
        flush(written)
    if temporary.is_dir() and path.is_dir():
        aside = _beside(path)
        os.rename(path, aside)
        try:
            os.rename(temporary, path)
        except OSError:
            os.rename(aside, path)
            raise
        _remove(aside)
    else:
        os.replace(temporary, path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(folder: Path, name: str = "") -> None:
    """Remove what killed processes left right in a folder, of all names or of this one.

    No other process may be writing it.
    """
    for path in list(folder.iterdir()):
        left = path.name.removeprefix(MARK).partition("-")[2]
        if path.name.startswith(MARK) and name in ("", left):
            _remove(path)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the operating system's refusal to write below `path` into a `UserError` naming it."""
    try:
        yield
    except OSError as error:
        raise UserError(refusal(path, error)) from error


@contextmanager
def of_rust() -> Iterator[None]:
    """Raise the operating system's error where a library in Rust has it in words alone."""
    try:
        yield
    except Exception as error:
        if (found := re.search(r"\(os error (\d+)\)", str(error))) is None:
            raise
        number = int(found[1])
        raise OSError(number, os.strerror(number)) from error


@contextmanager
def full_disk_named(folder: Path) -> Iterator[None]:
    """The same where the disk is full and the operating system named no file."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno in FULL:
            raise UserError(refusal(folder, error)) from error
        raise


def refusal(path: str | Path, error: OSError) -> str:
    """One line: what could not be written, why, and what to do."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        advice = "free some space and run the same command again"
    else:
        advice = "make it writable or name another folder"
    return f"{path} cannot be written: {reason}; {advice}"


def _beside(path: Path) -> Path:
    return path.with_name(f"{MARK}{uuid.uuid4().hex[:12]}-{path.name}")


def _concerns(error: OSError, path: Path, temporary: Path) -> bool:
    """Whether an error is one of writing the draft; those of a handle name no file."""
    if isinstance(error.filename, str | bytes | os.PathLike):
        file = Path(os.fsdecode(error.filename))
        return file in (path, path.parent) or file.is_relative_to(temporary)
    return error.errno in (*FULL, errno.EIO)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
