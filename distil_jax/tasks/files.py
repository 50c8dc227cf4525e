"""Records out of the user's files, one by one: JSONL, JSON, CSV, TSV, Parquet, text, compressed."""

import codecs
import csv
import io
import json
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from distil_jax.data.text import OPENERS
from distil_jax.errors import UserError

Record = dict[str, Any]
ROWS_AT_ONCE = 256
UNREADABLE = (OSError, EOFError, lzma.LZMAError, zlib.error, pa.ArrowException, csv.Error)

csv.field_size_limit(sys.maxsize)


def records(path: Path) -> Iterator[Record]:
    """Every record of a file, in order, a few at a time; raises `UserError` naming file and line.

    A text file's records have one column, `text`, and there is one for each line, empty ones too.
    """
    if not path.is_file():
        raise UserError(
            f"{path} {'is a folder' if path.is_dir() else 'does not exist'}; give a file"
        )
    reader = READERS.get(kind(path))
    if reader is None:
        raise UserError(
            f"{path} is of no known kind; give a {', '.join(READERS)} file, compressed or not"
        )
    try:
        yield from reader(path)
    except UNREADABLE as error:
        raise UserError(
            f"{path} cannot be read to its end ({error}); check that it is complete"
        ) from error


def kind(path: Path) -> str:
    """The suffix that says how to read a file, without the one of a compression."""
    inner = path.with_suffix("") if path.suffix.lower() in OPENERS else path
    return inner.suffix.lower()


def read_json(path: Path) -> Any:
    """The one value that a JSON file holds; raises `UserError` naming the file."""
    try:
        with _text(path) as text:
            return json.load(text)
    except (*UNREADABLE, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}); restore the file") from error


@contextmanager
def _text(path: Path, newline: str = "\n") -> Iterator[io.TextIOWrapper]:
    """The text of a file, without a byte order mark, invalid UTF-8 replaced."""
    opener = OPENERS.get(path.suffix.lower(), lambda path: path.open("rb"))
    with opener(path) as raw:
        content = io.BufferedReader(raw)
        if content.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise UserError(f"{path} is in UTF-16; save it in UTF-8")
        yield io.TextIOWrapper(content, encoding="utf-8-sig", errors="replace", newline=newline)


def _json_lines(path: Path) -> Iterator[Record]:
    with _text(path) as text:
        for number, line in enumerate(text, 1):
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
        raise UserError(f"{path} holds no list of records; give one, or JSON lines")
    for number, record in enumerate(rows, 1):
        yield _object(record, f"{path} record {number}")


def _table(path: Path, **dialect: Any) -> Iterator[Record]:
    with _text(path, newline="") as text:
        reader = csv.DictReader(text, strict=True, **dialect)
        names = reader.fieldnames or []
        if twice := [name for name in names if list(names).count(name) > 1]:
            raise UserError(f"{path} has two columns {twice[0]}; give each a name of its own")
        for record in reader:
            if None in record or None in record.values():
                raise UserError(
                    f"{path} line {reader.line_num} has not the {len(names)} columns of the first "
                    "line; fix it"
                )
            yield record


def _csv(path: Path) -> Iterator[Record]:
    return _table(path)


def _tsv(path: Path) -> Iterator[Record]:
    """Tabs separate and quotation marks are text, as in GLUE's files."""
    return _table(path, delimiter="\t", quoting=csv.QUOTE_NONE)


def _parquet(path: Path) -> Iterator[Record]:
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_AT_ONCE):
            yield from batch.to_pylist()


def _plain(path: Path) -> Iterator[Record]:
    with _text(path) as text:
        for line in text:
            yield {"text": line.rstrip("\r\n")}


def _object(record: Any, where: str) -> Record:
    if not isinstance(record, dict):
        raise UserError(f"{where} is not a JSON object; fix it")
    return record


READERS: dict[str, Callable[[Path], Iterator[Record]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": _parquet,
    ".txt": _plain,
}
