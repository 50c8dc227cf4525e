"""Decompressing text files and cutting them into documents, a block of bytes at a time."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from distil_jax.data import compression
from distil_jax.data.decoding import DecodeStats, decode
from distil_jax.errors import UserError

__all__ = ["DecodeStats", "decode", "read_blocks", "read_range", "split"]
READ_BYTES = 1 << 20
# Nothing longer is held as one document: a file without a line break must not fill the memory.
LONGEST_DOCUMENT_BYTES = 1 << 22
SEPARATORS = {"line": re.compile(rb"\r?\n"), "block": re.compile(rb"\n[ \t\r]*\n\s*")}


def read_blocks(path: Path) -> Iterator[bytes]:
    """The decompressed bytes of a file. Raises UserError if it cannot be read to its end."""
    try:
        with compression.opened(path) as file:
            while block := file.read(READ_BYTES):
                yield block
    except compression.ERRORS as error:
        raise UserError(
            f"{path} cannot be read to its end ({error}); check that it is complete"
        ) from error


def split(
    blocks: Iterator[bytes], separator: re.Pattern[bytes], *, longest: int | None = None
) -> Iterator[bytes]:
    """Cut a stream of bytes at a separator; over-long stretches are cut at white space."""
    longest = longest or LONGEST_DOCUMENT_BYTES
    held = b""
    for block in blocks:
        *whole, held = separator.split(held + block)
        yield from whole
        while len(held) > longest:
            cut = _last_space(held, longest)
            yield held[:cut]
            held = held[cut:]
    yield held


def read_range(path: Path, start: int, stop: int, separator: re.Pattern[bytes]) -> list[bytes]:
    """The documents of a plain file that begin in a range of bytes.

    Neighbouring ranges share no document and miss none, since both ask `_boundary` for their
    common end.
    """
    try:
        with path.open("rb") as file:
            begin, end = (_boundary(file, position, separator) for position in (start, stop))
            file.seek(begin)
            return list(split(iter([file.read(end - begin)]), separator))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def _boundary(file: BinaryIO, position: int, separator: re.Pattern[bytes]) -> int:
    """Where the first document begins that begins after a position (0 is a beginning)."""
    if position == 0:
        return 0
    file.seek(position)
    ahead = b""
    while len(ahead) <= LONGEST_DOCUMENT_BYTES:
        block = file.read(READ_BYTES)
        ahead += block
        match = separator.search(ahead)
        if not block:
            return position + (match.end() if match else len(ahead))
        if match and match.end() < len(ahead):
            return position + match.end()
    return position + _last_space(ahead, LONGEST_DOCUMENT_BYTES)


def _last_space(held: bytes, limit: int) -> int:
    """Behind the last white space below a limit; without any the limit, at a character's start."""
    if space := max(held.rfind(b" ", 0, limit), held.rfind(b"\n", 0, limit)) + 1:
        return space
    start = limit
    while start > limit - 4 and start < len(held) and 0x80 <= held[start] < 0xC0:
        start -= 1
    return start
