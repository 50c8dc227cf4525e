"""Compressed files: known by their first bytes, and by their suffix where these say nothing."""

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from distil_jax.data import streams

ERRORS = (OSError, EOFError, lzma.LZMAError, zlib.error, pa.ArrowException)
"""What reading a damaged file raises."""
MAGIC_BYTES = 16


def _arrow(codec: str) -> Callable[[Any], io.BufferedReader]:
    """Arrow's reader: the zstandard package takes a truncated file for a whole one.

    Arrow's own has no lines.
    """

    def opened(file: Path | io.BufferedIOBase) -> io.BufferedReader:
        raw = pa.OSFile(str(file)) if isinstance(file, Path) else pa.PythonFile(file, mode="r")
        return io.BufferedReader(pa.CompressedInputStream(raw, codec))

    return opened


def _of_streams(new: Callable[[], streams.Decompressor]) -> Callable[[Any], io.BufferedReader]:
    return partial(streams.opened, new=new)


@dataclass(frozen=True)
class Compression:
    """A way to compress; `magic` begins each of its files, `open` takes a path or an open file."""

    name: str
    magic: bytes
    suffixes: tuple[str, ...]
    open: Callable[[Any], Any]


COMPRESSIONS = (
    Compression("gzip", b"\x1f\x8b\x08", (".gz", ".gzip", ".bgz"), gzip.open),
    Compression("xz", b"\xfd7zXZ\0", (".xz",), _of_streams(lzma.LZMADecompressor)),
    Compression("lzma", b"\x5d\0\0", (".lzma",), _of_streams(lzma.LZMADecompressor)),
    Compression("bzip2", b"BZh", (".bz2", ".bz", ".bzip2"), _of_streams(bz2.BZ2Decompressor)),
    Compression("zstandard", b"\x28\xb5\x2f\xfd", (".zst", ".zstd"), _arrow("zstd")),
    Compression("lz4", b"\x04\x22\x4d\x18", (".lz4",), _arrow("lz4")),
)
SUFFIXES = tuple(suffix for each in COMPRESSIONS for suffix in each.suffixes)
UNREAD = {
    b"\x1f\x9d": "compressed by `compress`",
    b"\xff\x06\0\0sNaPpY": "compressed by snappy",
    b"\x89LZO": "compressed by lzop",
    b"LZIP": "compressed by lzip",
    b"\x78\x9c": "compressed by zlib",
    b"\x78\xda": "compressed by zlib",
}
"""Compressions that are not read, by the bytes that begin them."""


def compression_of(name: Path, start: bytes) -> Compression | None:
    """How a file that begins so is compressed, None if it is not."""
    if start.startswith(b"BZh") and start[4:10] not in (b"1AY&SY", b"\x17rE8P\x90"):
        start = b""
    found = next((each for each in COMPRESSIONS if start.startswith(each.magic)), None)
    if found:
        return found
    suffix = name.suffix.lower()
    return next((each for each in COMPRESSIONS if suffix in each.suffixes), None)


def inside(start: bytes) -> str | None:
    """What a file is whose decompressed bytes are compressed (again), for a message."""
    if compression_of(Path(), start):
        return "compressed twice; decompress it once"
    found = next((what for magic, what in UNREAD.items() if start.startswith(magic)), None)
    return found and f"{found}, which is not read here (gz, xz, bz2, zst and lz4 are)"


def opened(path: Path) -> Any:
    """The decompressed bytes of a file, as an open file; raises one of `ERRORS`."""
    with path.open("rb") as file:
        compression = compression_of(path, file.read(MAGIC_BYTES))
    return compression.open(path) if compression else path.open("rb")


def bare_name(path: Path) -> Path:
    """The name without the suffix of a compression."""
    return path.with_suffix("") if path.suffix.lower() in SUFFIXES else path


def first_bytes(name: Path, file: io.BufferedIOBase, count: int) -> bytes:
    """Up to `count` decompressed bytes of an open file, of which there may be only the start.

    None come of what is damaged: whoever reads it to its end says so.
    """
    start = file.read(MAGIC_BYTES)
    file.seek(0)
    compression = compression_of(name, start)
    if compression is None:
        return file.read(count)
    held = b""
    try:
        with compression.open(file) as content:
            read = getattr(content, "read1", content.read)
            while len(held) < count and (block := read(min(1 << 13, count - len(held)))):
                held += block
    except ERRORS:
        return held
    return held
