"""Where text comes from: files, folders, globs, records, data sets, the installed documentation.

A source yields documents (texts whose lines are its paragraphs) and never holds more than one
stretch of the corpus in memory.
"""

import glob
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from distil_jax.data import compression, content, documentation, folders, records, text
from distil_jax.data.content import Content
from distil_jax.data.decoding import DecodeStats, check_encoding
from distil_jax.data.file_kind import JSON_LINES, PARQUET, SUFFIXES, why_no_file
from distil_jax.errors import UsageError, UserError
from distil_jax.notes import note
from distil_jax.storage.address import basename, is_url, join, parent
from distil_jax.storage.bucket import Bucket, is_glob, matching

BUILTIN_DOCS = "builtin:docs"
RECORD_READERS = {JSON_LINES: records.read_json_lines, PARQUET: records.read_parquet}
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

    @cached_property
    def content(self) -> Content:
        """What it holds, by its first bytes and its name."""
        return content.look(self.path)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.path.stat().st_size

    @property
    def text_bytes(self) -> int | None:
        return self.size if self.content.is_plain else None

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
        found = content.look(path)
        content.check(found, self.name)
        stats.excerpt = b""
        before = replace(stats)
        if reader := RECORD_READERS.get(found.kind):
            yield from reader(path, self.column, stats)
        else:
            for raw in text.split(text.read_blocks(path), text.SEPARATORS[self.document]):
                if document := text.decode(raw, stats):
                    yield document
        check_encoding(stats.since(before), self.name)

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

    @cached_property
    def content(self) -> Content:
        return content.look_at_bytes(self.path, self._read(0, _SAMPLE_BYTES))

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
    inputs: str | Sequence[str],
    *,
    document: str = "line",
    column: str = "text",
    say: Callable[[str], object] = note,
) -> list[Source]:
    """Turn input names (comma-separated or several) into sources, files of a glob in name order.

    `say` gets a line for each folder of which files are passed over. Raises UserError naming an
    input that matches nothing, or a file that is no text.
    """
    if document not in DOCUMENT_KINDS:
        raise UsageError(f"document={document} is not one of {', '.join(DOCUMENT_KINDS)}")
    given = [inputs] if isinstance(inputs, str) else list(inputs)
    names = [name for entry in given for name in _names(str(entry))]
    if not names:
        raise UserError("no input was given; name text files, a folder, a data set or builtin:docs")
    sources = [source for name in names for source in _sources(name, document, column, say)]
    unique = {source.name: source for source in sources}
    if records.PAIR_COMMA in column:
        _check_pairs(unique.values(), column)
    return list(unique.values())


def _check_pairs(sources: Iterable[Source], column: str) -> None:
    """Refuse plain text where pairs are read: it has no columns."""
    for source in sources:
        if isinstance(source, Documentation) or (
            isinstance(source, File) and source.content.kind not in RECORD_READERS
        ):
            raise UserError(
                f"input {source.name} is plain text, and --column={column} reads pairs; give "
                ".jsonl or .parquet files, or a data set, with these two columns"
            )


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


def _sources(name: str, document: str, column: str, say: Callable[[str], object]) -> list[Source]:
    if name == BUILTIN_DOCS:
        return [Documentation()]
    if name.startswith("builtin:"):
        raise UserError(f"{name} is not a built-in corpus; the only one is {BUILTIN_DOCS}")
    if is_url(name):
        return list(_in_bucket(name, document, column, say))
    path = Path(name).expanduser()
    passed_over: list[folders.PassedOver] = []
    if path.is_dir():
        if records.is_saved_dataset(path):
            return [HubDataset(str(path), column)]
        files, passed_over = folders.text_files(path)
    elif path.is_file():
        files = [path]
    elif path.exists():
        raise UserError(f"input {name} {why_no_file(path)}; give a file")
    else:
        files = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        files = [file for file in files if file.is_file()]
    found = [File(file, document, column) for file in files]
    for file in found:
        content.check(file.content, file.name)
    if found:
        folders.report(path, passed_over, say)
        return list(found)
    if path.is_dir() or _looks_like_a_path(name):
        why = folders.summary(passed_over) or "check the path"
        raise UserError(f"input {name} matches no text file; {why}")
    return [HubDataset(name, column)]


def _in_bucket(
    url: str, document: str, column: str, say: Callable[[str], object]
) -> list[BucketFile]:
    """The objects that a URL means; of a folder those that are text, as of a folder here."""
    objects = matching(url)
    found = [
        BucketFile(Path(basename(name)), document, column, str(parent(name)), size)
        for name, size in objects.items()
    ]
    passed_over: list[folders.PassedOver] = []
    if url not in objects and not is_glob(url):
        runs = _runs(found)
        found = [file for file in found if not f"{file.folder}/".startswith(runs)]
        every = [(file, folders.why_not(file.path, partial(_content, file))) for file in found]
        found = [file for file, why in every if why is None]
        passed_over = [
            *((Path(run), folders.A_RUN) for run in runs),
            *((Path(file.name), why) for file, why in every if why),
        ]
    if not found:
        why = folders.summary(passed_over) or "check the URL"
        raise UserError(f"input {url} matches no text file; {why}")
    for file in found:
        content.check(file.content, file.name)
    folders.report(url, passed_over, say)
    return found


def _runs(files: Iterable[BucketFile]) -> tuple[str, ...]:
    """The folders of runs that these files are in, each with a slash at its end."""
    names: dict[str, list[str]] = {}
    for file in files:
        names.setdefault(file.folder, []).append(file.path.name)
    return tuple(f"{folder}/" for folder, inside in names.items() if folders.is_run(inside))


def _content(file: File) -> Content:
    return file.content


def _looks_like_a_path(name: str) -> bool:
    """A hub id is `name` or `owner/name`, with neither a glob nor a known suffix."""
    return (
        name.startswith((".", "/", "~"))
        or name.count("/") > 1
        or any(c in name for c in "*?[ ")
        or name.endswith(("/", *SUFFIXES, *compression.SUFFIXES))
    )
