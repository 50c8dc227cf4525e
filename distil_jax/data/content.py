"""What a corpus file holds, found out before any of it is read as text."""

import io
from dataclasses import dataclass
from pathlib import Path

from distil_jax.data import compression, file_kind
from distil_jax.data.decoding import DecodeStats, other_encoding, replaced
from distil_jax.data.file_kind import JSON, JSON_LINES, PARQUET, SAMPLE_BYTES, TEXT
from distil_jax.data.signatures import UNREAD_SUFFIXES
from distil_jax.errors import UserError

OF_TEXT = ".txt, .jsonl or .parquet files"
READ = (TEXT, JSON_LINES, PARQUET)


@dataclass(frozen=True)
class Content:
    """A file's content.

    Attributes:
      kind: of `file_kind`.
      is_plain: text that is not compressed, which can be read from anywhere.
      refusal: what it is instead of text, for a message; empty where it can be read.
    """

    kind: str
    is_plain: bool
    refusal: str


def look(path: Path) -> Content:
    """The content of a file on this machine."""
    with path.open("rb") as file:
        return look_at(path, file)


def look_at(path: Path, file: io.BufferedIOBase) -> Content:
    """The content of an open file, of which there may be only the start."""
    compressed = compression.compression_of(path, file.read(compression.MAGIC_BYTES)) is not None
    file.seek(0)
    start = compression.first_bytes(path, file, SAMPLE_BYTES)
    kind = file_kind.kind_of(path, start)
    refusal = _refusal(path, kind, start, compressed)
    return Content(kind, kind == TEXT and not compressed, refusal)


def look_at_bytes(path: Path, start: bytes) -> Content:
    """The content of a file that begins so."""
    return look_at(path, io.BytesIO(start))


def check(content: Content, name: str) -> None:
    """Raise `UserError` for what is not read as text."""
    if content.refusal:
        raise UserError(f"input {name} is {content.refusal}")


def _refusal(path: Path, kind: str, start: bytes, compressed: bool) -> str:
    if kind == PARQUET:
        return "compressed Parquet; decompress it" if compressed else ""
    if found := file_kind.unreadable(start):
        return found
    if file_kind.has_old_ends(start):
        return file_kind.OLD_ENDS
    if kind == JSON:
        return f"one JSON value, not text; give {OF_TEXT}"
    if kind == JSON_LINES:
        return _not_utf8(start)
    what = UNREAD_SUFFIXES.get(file_kind.suffix(path)) or file_kind.table_of(start)
    return f"{what}, not text; give {OF_TEXT}" if what else _not_utf8(start)


def _not_utf8(start: bytes) -> str:
    """What is said of the first bytes, less a character that the sample cuts."""
    stats = DecodeStats()
    cut = max(start.rfind(b"\n"), start.rfind(b" ")) + 1 if len(start) >= SAMPLE_BYTES else 0
    replaced(start[:cut] if cut else start, stats)
    return other_encoding(stats) or ""
