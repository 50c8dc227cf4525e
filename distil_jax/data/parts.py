"""Cutting a corpus into parts: the units of work, of resuming and of sharing between processes.

A part depends on the inputs and on `part_bytes` alone, never on who works on it. Large plain
files are cut by byte ranges, so that nobody reads what belongs to others; small files are joined,
and compressed files, records and data sets are streamed from their beginning.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from distil_jax.data import text
from distil_jax.data.corpus import File, Source
from distil_jax.data.decoding import DecodeStats, check_encoding

SMALLEST_PART_BYTES = 8 << 20
LARGEST_PART_BYTES = 32 << 20
MOST_PARTS = 512
_COMPRESSION = 4  # how much larger text is than its compressed file, for joining small files


@dataclass(frozen=True)
class Part:
    """Some documents; `key` names the part's files and orders the parts."""

    key: str
    documents: list[str]
    invalid: int


@dataclass(frozen=True)
class ShardSpec:
    """How large parts are, in bytes of text, and which of the processes asks for its parts."""

    part_bytes: int
    shard_index: int = 0
    shard_count: int = 1


def default_part_bytes(sources: Sequence[Source]) -> int:
    """8 to 32 MiB of text, larger for larger corpora."""
    total = sum(map(_weight, sources))
    return min(max(SMALLEST_PART_BYTES, total // MOST_PARTS), LARGEST_PART_BYTES)


def local_parts(
    sources: Sequence[Source], spec: ShardSpec, is_wanted: Callable[[str], bool]
) -> Iterator[tuple[str, Part | None]]:
    """This process's parts in order, by key; None for one that is not wanted (made before).

    Whole groups are shared out when there are enough of them, else the parts of each.
    """
    groups = _groups(sources, spec.part_bytes)
    for number, group in enumerate(groups):
        first, step = number - spec.shard_index, 1
        if len(groups) >= spec.shard_count:
            step = 0
        if step or first % spec.shard_count == 0:
            is_mine = partial(_is_mine, first=first, step=step, shard_count=spec.shard_count)
            yield from _parts(group, f"{number:05d}", spec.part_bytes, is_mine, is_wanted)


def _is_mine(part: int, *, first: int, step: int, shard_count: int) -> bool:
    return (first + part * step) % shard_count == 0


def _parts(
    group: list[Source],
    prefix: str,
    part_bytes: int,
    is_mine: Callable[[int], bool],
    is_wanted: Callable[[str], bool],
) -> Iterator[tuple[str, Part | None]]:
    first = group[0]
    if isinstance(first, File) and (first.text_bytes or 0) > part_bytes:
        for number in filter(is_mine, range(-(-(first.text_bytes or 0) // part_bytes))):
            key = f"{prefix}-{number:05d}"
            yield key, _ranged(first, key, number, part_bytes) if is_wanted(key) else None
        return
    for number, (documents, invalid) in enumerate(_streamed(group, part_bytes)):
        if is_mine(number):
            key = f"{prefix}-{number:05d}"
            yield key, Part(key, documents, invalid) if is_wanted(key) else None


def _ranged(file: File, key: str, number: int, part_bytes: int) -> Part:
    stats = DecodeStats()
    start = number * part_bytes
    separator = text.SEPARATORS[file.document]
    raw = text.read_range(file.on_disk(), start, start + part_bytes, separator)
    documents = [document for piece in raw if (document := text.decode(piece, stats))]
    check_encoding(stats, file.name)
    return Part(key, documents, stats.invalid)


def _streamed(group: list[Source], part_bytes: int) -> Iterator[tuple[list[str], int]]:
    stats = DecodeStats()
    documents: list[str] = []
    size = counted = 0
    for source in group:
        for document in source.documents(stats):
            documents.append(document)
            size += len(document)
            if size >= part_bytes:
                yield documents, stats.invalid - counted
                documents, size, counted = [], 0, stats.invalid
    if documents or stats.invalid > counted:
        yield documents, stats.invalid - counted


def _groups(sources: Sequence[Source], part_bytes: int) -> list[list[Source]]:
    """Each large source alone; neighbouring small ones together, up to a part."""
    groups: list[list[Source]] = []
    space = 0
    for source in sources:
        weight = _weight(source)
        if groups and weight <= space:
            groups[-1].append(source)
        else:
            groups.append([source])
            space = part_bytes
        space -= min(weight, space)
    return groups


def _weight(source: Source) -> int:
    """Bytes of text, or a guess from the compressed size; data sets stand alone."""
    if source.text_bytes is not None:
        return source.text_bytes
    return source.size * _COMPRESSION if isinstance(source, File) else 1 << 62
