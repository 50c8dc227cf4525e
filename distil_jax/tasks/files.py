"""Records out of the user's files, one by one: JSONL, JSON, tables, Parquet, text, compressed."""

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pyarrow import parquet

from distil_jax.data import compression, file_kind
from distil_jax.data.decoding import DecodeStats, check_encoding, replaced
from distil_jax.data.file_kind import CSV, JSON, JSON_LINES, PARQUET, SAMPLE_BYTES, TEXT, TSV
from distil_jax.data.signatures import UNREAD_SUFFIXES
from distil_jax.errors import UserError
from distil_jax.notes import note
from distil_jax.tasks import tables
from distil_jax.tasks.missing_labels import UNLABELLED

Record = dict[str, Any]
ROWS_AT_ONCE = 256
CLASS, LISTS = "ClassLabel", ("List", "LargeList", "Sequence")
"""Types of columns as `datasets` names them."""

csv.field_size_limit(sys.maxsize)


def records(path: Path) -> Iterator[Record]:
    """Every record of a file, in order, a few at a time; raises `UserError` naming file and line.

    A text file's records have one column, `text`, and there is one for each line, empty ones too.
    """
    if not path.is_file():
        raise UserError(f"{path} {file_kind.why_no_file(path)}; give a file")
    reader = READERS[kind(path)]
    try:
        yield from reader(path)
    except compression.ERRORS as error:
        raise UserError(
            f"{path} cannot be read to its end ({error}); check that it is complete"
        ) from error


def kind(path: Path) -> str:
    """How a file is read, by its first bytes and its suffix; raises `UserError` if it is not."""
    with path.open("rb") as file:
        compressed = compression.compression_of(path, file.read(compression.MAGIC_BYTES))
        file.seek(0)
        start = compression.first_bytes(path, file, SAMPLE_BYTES)
    found = file_kind.kind_of(path, start)
    if found == PARQUET and compressed and start:
        raise UserError(f"{path} is compressed Parquet; decompress it")
    what = None if found == PARQUET else file_kind.unreadable(start)
    if found not in (PARQUET, CSV, TSV) and file_kind.has_old_ends(start):
        what = file_kind.OLD_ENDS
    if what:
        raise UserError(f"{path} is {what}; give a {', '.join(SUFFIXES)} file, compressed or not")
    suffix = file_kind.suffix(path)
    if found == TEXT and suffix not in file_kind.SUFFIXES and (suffix or not start):
        what = UNREAD_SUFFIXES.get(suffix)
        raise UserError(
            f"{path} is of no known kind{f' ({what})' if what else ''}; "
            f"give a {', '.join(SUFFIXES)} file, compressed or not"
        )
    if found == TEXT and (what := file_kind.table_of(start)):
        mark = ".tsv" if "tabs" in what else ".csv"
        raise UserError(f"{path} is {what}, not lines of text; name it {mark} to have it read so")
    return found


def read_json(path: Path) -> Any:
    """The one value that a JSON file holds; raises `UserError` naming the file."""
    try:
        stats = DecodeStats()
        with compression.opened(path) as file:
            text = replaced(file.read(), stats).removeprefix("\ufeff")
        finish(stats, path)
        return json.loads(text)
    except (*compression.ERRORS, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}); restore the file") from error


def text_lines(file: Iterable[bytes], name: object) -> Iterator[str]:
    """The lines of a text with their ends; invalid UTF-8 is replaced where it is little.

    A byte order mark is dropped. Raises `UserError` at its end for a text in another encoding.
    """
    stats = DecodeStats()
    for number, raw in enumerate(file):
        line = replaced(raw, stats)
        yield line if number else line.removeprefix("\ufeff")
        if not number % ROWS_AT_ONCE:
            check_encoding(stats, name)
    finish(stats, name)


def finish(stats: DecodeStats, name: object) -> None:
    """Refuse what was in another encoding, and say what was replaced."""
    check_encoding(stats, name)
    if stats.invalid:
        note(f"{name}: replaced {stats.invalid:,} invalid UTF-8 sequences")


def _lines(path: Path) -> Iterator[str]:
    with compression.opened(path) as file:
        yield from text_lines(file, path)


def _json_lines(path: Path) -> Iterator[Record]:
    for number, line in enumerate(_lines(path), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path} line {number} is not JSON ({error}); fix it") from error
        yield _object(record, f"{path} line {number}")


def _json(path: Path) -> Iterator[Record]:
    content = read_json(path)
    rows = content.get("data") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise UserError(f"{path} holds {_shape(content)}; give a list of records, or JSON lines")
    for number, record in enumerate(rows, 1):
        yield _object(record, f"{path} record {number}")


def _shape(content: Any) -> str:
    """What a JSON value looks like that is no list of records."""
    if isinstance(content, dict) and content:
        names = ", ".join(map(str, list(content)[:5]))
        if all(isinstance(value, list | dict) for value in content.values()):
            return f"columns ({names}), each with its values, and no list of records"
        return f"one object ({names}) and no list of records"
    return "no list of records"


def _parquet(path: Path) -> Iterator[Record]:
    with parquet.ParquetFile(path) as file:
        classes = classes_in_schema(file.schema_arrow.metadata)
        for batch in file.iter_batches(ROWS_AT_ONCE):
            yield from (without_class_none(row, classes) for row in batch.to_pylist())


def classes_in_schema(metadata: Mapping[bytes, bytes] | None) -> tuple[str, ...]:
    """The columns whose values number class names, in a table that `datasets` wrote."""
    features = _features(metadata)
    return tuple(name for name, feature in features.items() if feature.get("_type") == CLASS)


def class_names(path: Path) -> dict[str, tuple[str, ...]]:
    """By column, the names that numbers stand for, in a Parquet that `datasets` wrote."""
    return _names(
        {name: item for name, item in _columns(path).items() if item.get("_type") == CLASS}
    )


def names_in_lists(path: Path) -> dict[str, tuple[str, ...]]:
    """By column, the names that lists of numbers stand for, in a Parquet that `datasets` wrote."""
    return _names({name: _item(feature) for name, feature in _columns(path).items()})


def _names(classes: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(item["names"]) for name, item in classes.items() if "names" in item}


def _columns(path: Path) -> dict[str, dict[str, Any]]:
    """What `datasets` says of a file's columns; nothing of any but Parquet."""
    if kind(path) != PARQUET:
        return {}
    with parquet.ParquetFile(path) as file:
        return _features(file.schema_arrow.metadata)


def _features(metadata: Mapping[bytes, bytes] | None) -> dict[str, dict[str, Any]]:
    """What `datasets` says of the columns that are no structures; nothing where it says nothing."""
    try:
        features = json.loads((metadata or {})[b"huggingface"])["info"]["features"]
        return {name: feature for name, feature in features.items() if isinstance(feature, dict)}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _item(feature: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a list's elements are."""
    item = feature.get("feature") if feature.get("_type") in LISTS else None
    return item if isinstance(item, dict) and item.get("_type") == CLASS else {}


def without_class_none(row: Record, classes: Sequence[str]) -> Record:
    """The row with no label where `datasets` has -1, which is none of the class names."""
    return {
        name: None if name in classes and value == UNLABELLED else value
        for name, value in row.items()
    }


def _plain(path: Path) -> Iterator[Record]:
    for line in _lines(path):
        yield {"text": line.rstrip("\r\n")}


def _object(record: Any, where: str) -> Record:
    if not isinstance(record, dict):
        raise UserError(f"{where} is not a JSON object; fix it")
    return record


READERS: dict[str, Callable[[Path], Iterator[Record]]] = {
    JSON_LINES: _json_lines,
    JSON: _json,
    CSV: tables.read_csv,
    TSV: tables.read_tsv,
    PARQUET: _parquet,
    TEXT: _plain,
}
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".txt")
"""The usual ones, for messages."""
