"""Files of one compressed stream or several, as `pbzip2` and `cat` write them, to their last byte.

Python's own readers of bzip2 and xz take a stream whose beginning is damaged for the end of the
file, and leave it out without a word, with all that follows.
"""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

PIECE_BYTES = 1 << 20


class Decompressor(Protocol):
    """What `bz2` and `lzma` have for one stream."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether more can come of more bytes alone."""

    @property
    def unused_data(self) -> bytes:
        """What was given beyond the stream's end."""

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        """More of the content."""


def opened(file: Path | io.BufferedIOBase, new: Callable[[], Decompressor]) -> io.BufferedReader:
    """The content of a file, to be read; `new` makes what decompresses a stream.

    Reading raises what that does, and EOFError where the last stream is cut. Zeros behind a stream
    are padding.
    """
    return io.BufferedReader(_Streams(file, new), PIECE_BYTES)


class _Streams(io.RawIOBase):
    def __init__(self, file: Path | io.BufferedIOBase, new: Callable[[], Decompressor]) -> None:
        opened = file.open("rb") if isinstance(file, Path) else file
        self._own = opened if isinstance(file, Path) else None
        self._pieces = _pieces(opened, new)
        self._held = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._held = self._held or next(filter(None, self._pieces), b"")
        count = min(len(buffer), len(self._held))
        buffer[:count], self._held = self._held[:count], self._held[count:]
        return count

    def close(self) -> None:
        if self._own is not None:
            self._own.close()
        super().close()


def _pieces(file: io.BufferedIOBase, new: Callable[[], Decompressor]) -> Iterator[bytes]:
    held = file.read(PIECE_BYTES)
    while True:
        stream = new()
        while not stream.eof:
            if stream.needs_input and not held and not (held := file.read(PIECE_BYTES)):
                raise EOFError("the file ended before the end of its compressed stream")
            yield stream.decompress(held, PIECE_BYTES)
            held = b""
        held = stream.unused_data
        while not (held := held.lstrip(b"\0")):
            if not (held := file.read(PIECE_BYTES)):
                return
