"""Where text comes from: files, folders, globs, records, data sets, the installed documentation.

A source yields documents (texts whose lines are its paragraphs) and never holds more than one
stretch of the corpus in memory.
"""

import codecs
import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distil_jax.data import documentation, records, text
from distil_jax.data.text import DecodeStats
from distil_jax.errors import UsageError, UserError
from distil_jax.storage.address import basename, is_url, join, parent
from distil_jax.storage.bucket import Bucket, is_glob, matching

BUILTIN_DOCS = "builtin:docs"
RECORD_READERS = {".jsonl": records.read_json_lines, ".parquet": records.read_parquet}
TEXT_SUFFIXES = (".txt", ".text", ".md", ".rst")
OF_TEXT = ".txt, .jsonl or .parquet files"
_ARCHIVE = "an archive of files"
NO_TEXT = {
    ".json": "one JSON value",
    ".csv": "a table",
    ".tsv": "a table",
    ".arrow": "a table",
    ".pdf": "a PDF",
    ".docx": "an office document",
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar"), _ARCHIVE),
    ".lz4": "compressed in a way that is not read here (gz, xz, bz2 and zst are)",
}
"""Kinds of files whose bytes would be taken for text otherwise."""

DOCUMENT_KINDS = tuple(text.SEPARATORS)
_SAMPLE_BYTES = 1 << 16


@dataclass(frozen=True)
class File:
    """A text or record file, compressed or not."""

    path: Path
    document: str
    column: str

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def kind(self) -> str:
        """The suffix that says how to read it, without the one of a compression."""
        return _kind(self.path)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.path.stat().st_size

    @property
    def text_bytes(self) -> int | None:
        compressed = self.path.suffix.lower() in text.OPENERS or self.kind in RECORD_READERS
        return None if compressed else self.size

    def on_disk(self) -> Path:
        """The file on this machine."""
        return self.path

    def identity(self) -> dict[str, Any]:
        """Name, size, and a hash of the first and the last 64 KiB: cheap on any corpus."""
        size = self.size
        ends = self._read(0, _SAMPLE_BYTES) + self._read(max(0, size - _SAMPLE_BYTES), size)
        digest = hashlib.sha256(ends).hexdigest()
        return {"name": self.path.name, "bytes": size, "sample_sha256": digest}

    def documents(self, stats: DecodeStats) -> Iterator[str]:
        path = self.on_disk()
        if reader := RECORD_READERS.get(self.kind):
            yield from reader(path, self.column, stats)
            return
        for raw in text.split(text.read_blocks(path), text.SEPARATORS[self.document]):
            if document := text.decode(raw, stats):
                yield document

    def _read(self, start: int, stop: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(start)
            return file.read(stop - start)


@dataclass(frozen=True)
class BucketFile(File):
    """A file in a bucket, copied to this disk when it is read; `path` is its name alone."""

    folder: str
    object_bytes: int

    @property
    def name(self) -> str:
        return str(join(self.folder, self.path.name))

    @property
    def size(self) -> int:
        return self.object_bytes

    def on_disk(self) -> Path:
        return Bucket(self.folder).copy_of(self.path.name)

    def _read(self, start: int, stop: int) -> bytes:
        return Bucket(self.folder).read_part(self.path.name, start, min(stop, self.size))


@dataclass(frozen=True)
class Documentation:
    """`builtin:docs`; a document is a docstring."""

    name: str = BUILTIN_DOCS
    text_bytes: int | None = None

    def identity(self) -> dict[str, Any]:
        return {"name": self.name, **documentation.identity()}

    def documents(self, stats: DecodeStats) -> Iterator[str]:
        yield from documentation.documents()


@dataclass(frozen=True)
class HubDataset:
    """A `datasets` hub id or local data set; a document is a row."""

    name: str
    column: str
    split: str = "train"
    text_bytes: int | None = field(default=None)

    def identity(self) -> dict[str, Any]:
        fingerprint = records.saved_fingerprint(Path(self.name), self.split)
        named = {"name": self.name, "column": self.column, "split": self.split}
        return {**named, "fingerprint": fingerprint} if fingerprint else named

    def documents(self, stats: DecodeStats) -> Iterator[str]:
        yield from records.read_dataset(self.name, self.column, self.split, stats)


# Each has a `name` for messages, `text_bytes` if cheaply known, the `identity()` of its content
# (as JSON), and yields `documents(stats)`.
Source = File | Documentation | HubDataset


def find(
    inputs: str | Sequence[str], *, document: str = "line", column: str = "text"
) -> list[Source]:
    """Turn input names (comma-separated or several) into sources, files of a glob in name order.

    Raises UserError naming an input that matches nothing.
    """
    if document not in DOCUMENT_KINDS:
        raise UsageError(f"document={document} is not one of {', '.join(DOCUMENT_KINDS)}")
    given = [inputs] if isinstance(inputs, str) else list(inputs)
    names = [name for entry in given for name in _names(str(entry))]
    if not names:
        raise UserError("no input was given; name text files, a folder, a data set or builtin:docs")
    sources = [source for name in names for source in _sources(name, document, column)]
    unique = {source.name: source for source in sources}
    return list(unique.values())


def _names(entry: str) -> list[str]:
    """The inputs that an entry names, with commas between them; a file's name may have one too."""
    if entry.strip() and os.path.exists(os.path.expanduser(entry)):
        return [entry]
    return [name.strip() for name in entry.split(",") if name.strip()]


def documents(sources: Iterable[Source], stats: DecodeStats | None = None) -> Iterator[str]:
    """Every document of every source, in order."""
    stats = stats if stats is not None else DecodeStats()
    for source in sources:
        yield from source.documents(stats)


def _sources(name: str, document: str, column: str) -> list[Source]:
    if name == BUILTIN_DOCS:
        return [Documentation()]
    if name.startswith("builtin:"):
        raise UserError(f"{name} is not a built-in corpus; the only one is {BUILTIN_DOCS}")
    if is_url(name):
        return _in_bucket(name, document, column)
    path = Path(name).expanduser()
    if path.is_dir():
        if records.is_saved_dataset(path):
            return [HubDataset(str(path), column)]
        files = _inside(path)
    elif path.is_file():
        files = [path]
    else:
        files = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        files = [file for file in files if file.is_file()]
    for file in files:
        _check_kind(file)
    if files:
        return [File(file, document, column) for file in files]
    if path.exists() or _looks_like_a_path(name):
        raise UserError(f"input {name} matches no text file; check the path")
    return [HubDataset(name, column)]


def _in_bucket(url: str, document: str, column: str) -> list[Source]:
    objects = matching(url)
    if url not in objects and not is_glob(url):
        objects = {name: size for name, size in objects.items() if _has_text(Path(name))}
    if not objects:
        raise UserError(f"input {url} matches no text file; check the URL")
    for name in objects:
        _check_name(name)
    return [
        BucketFile(Path(basename(name)), document, column, str(parent(name)), size)
        for name, size in objects.items()
    ]


def _inside(folder: Path) -> list[Path]:
    """The text files of a folder and of those in it, linked ones too; nothing that is hidden."""
    files, seen = [], set()
    for inner, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(inner)
        folders[:] = [] if real in seen else [name for name in folders if name[0] != "."]
        files += [Path(inner, name) for name in names if real not in seen]
        seen.add(real)
    return sorted(file for file in files if file.is_file() and _has_text(file))


def _has_text(file: Path) -> bool:
    return _kind(file) in (*TEXT_SUFFIXES, *RECORD_READERS) and not file.name.startswith(".")


def _kind(file: Path) -> str:
    """The suffix that says how to read a file, without the one of a compression."""
    inner = file.with_suffix("") if file.suffix.lower() in text.OPENERS else file
    return inner.suffix.lower()


def _check_name(name: str) -> None:
    """Refuse what is known to be no text, whatever would come out of its bytes."""
    kind = _kind(Path(name))
    if kind in NO_TEXT:
        raise UserError(f"input {name} is {NO_TEXT[kind]}, not text; give {OF_TEXT}")


def _check_kind(file: Path) -> None:
    """Refuse by its name, or its first bytes, a file that is no text in UTF-8."""
    _check_name(str(file))
    with file.open("rb") as content:
        start = content.read(4)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)):
        raise UserError(f"input {file} is in UTF-16 or UTF-32; save it in UTF-8")


def _looks_like_a_path(name: str) -> bool:
    """A hub id is `name` or `owner/name`, with neither a glob nor a known suffix."""
    return (
        name.startswith((".", "/", "~"))
        or name.count("/") > 1
        or any(c in name for c in "*?[ ")
        or name.endswith((*TEXT_SUFFIXES, *RECORD_READERS, *text.OPENERS))
    )
