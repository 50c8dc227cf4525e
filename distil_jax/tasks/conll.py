"""CoNLL's columns: a word a line, its tag in the last column, a blank line behind a sentence."""

import re
from collections.abc import Iterator
from pathlib import Path

from distil_jax.data import compression, file_kind
from distil_jax.data.file_kind import SAMPLE_BYTES, TEXT, TSV
from distil_jax.errors import UserError
from distil_jax.tasks import files
from distil_jax.tasks.files import Record
from distil_jax.tasks.tag_schemes import parse

SUFFIXES = (".conll", ".conllu", ".iob", ".iob2", ".bio", ".bioes")
"""Names of such files; a text of any name may be one where entities are read."""
DOCUMENT = "-DOCSTART-"
NO_WORD = re.compile(r"\d+[-.]\d+")
"""A number of CoNLL-U's lines that are none of one word."""
HEADER = ("tokens", "words", "text", "sentence", "tags", "ner_tags", "labels", "entities")


def is_columns(path: Path) -> bool:
    """Whether a file holds columns: plain text, or a .tsv whose first line names no column."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        found = file_kind.kind_of(path, compression.first_bytes(path, file, SAMPLE_BYTES))
    if found != TSV:
        return found == TEXT
    first = next(_lines(path), "")
    return not any(name.strip().casefold() in HEADER for name in first.split("\t"))


def records(path: Path, *, column: str = "", tag: str = "") -> Iterator[Record]:
    """A record of `tokens` and, where there are several columns, `tags` for each sentence.

    `column` and `tag` are the numbers of these columns, from 1; without, the first (the second
    where the first counts the words) and the last. Comments, -DOCSTART- lines and empty sentences
    are left out, and of columns that count the words lines of several words, or of none (1-2, 8.1).
    Raises `UserError` with the line's number.
    """
    counted = _are_counted(_telling(path))
    for start, rows in _sentences(path):
        yield _record(rows, path, start, column or str(1 + counted), tag, counted=counted)


def _sentences(path: Path) -> Iterator[tuple[int, list[list[str]]]]:
    """The columns of each sentence's lines, with the number of its first."""
    rows: list[list[str]] = []
    width, start = 0, 1
    for number, line in enumerate(_lines(path), 1):
        cells = _cells(line)
        if not cells or cells[0] == DOCUMENT:
            if rows:
                yield start, rows
            rows = []
            continue
        if not rows and _is_comment(line, cells, width):
            continue
        if width and len(cells) != width:
            raise UserError(
                f"{path} line {number} has {len(cells)} columns, the lines before it {width}: "
                f"{line.strip()[:60]!r}; fix it, or put a blank line between sentences"
            )
        width = len(cells)
        start = number if not rows else start
        rows.append(cells)
    if rows:
        yield start, rows


def _telling(path: Path) -> list[list[str]]:
    """The first sentence of several words: 1 alone may be a number or a word."""
    rows: list[list[str]] = []
    for _, rows in _sentences(path):
        if len(rows) > 1:
            break
    return rows


def _are_counted(rows: list[list[str]]) -> bool:
    """Whether the first of several columns counts the words."""
    numbers = [row[0] for row in rows if not NO_WORD.fullmatch(row[0])]
    expected = [str(number) for number in range(1, len(numbers) + 1)]
    return bool(numbers) and len(rows[0]) > 1 and numbers == expected


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise UserError(f"{path} {file_kind.why_no_file(path)}; give a file")
    try:
        with path.open("rb") as file:
            start = compression.first_bytes(path, file, SAMPLE_BYTES)
        if what := file_kind.unreadable(start):
            raise UserError(f"{path} is {what}")
        for record in files.READERS[TEXT](path):
            yield record["text"]
    except compression.ERRORS as error:
        raise UserError(
            f"{path} cannot be read to its end ({error}); check that it is complete"
        ) from error


def _cells(line: str) -> list[str]:
    """The columns of a line: tabs separate them, or else blanks; other white space is of a word."""
    if "\t" in line:
        cells = [cell.strip(" ") for cell in line.rstrip("\t \r").split("\t")]
        return cells if any(cells) else []
    return [cell for cell in line.split(" ") if cell] if line.strip() else []


def _is_comment(line: str, cells: list[str], width: int) -> bool:
    """Whether a line with # in front is none of a word: it has other columns, or no tag behind."""
    return line.startswith("#") and (
        (width > 0 and len(cells) != width) or len(cells) < 2 or not _is_tag(cells[-1])
    )


def _is_tag(cell: str) -> bool:
    try:
        parse(cell)
    except ValueError:
        return False
    return True


def _record(
    rows: list[list[str]], path: Path, line: int, column: str, tag: str, *, counted: bool
) -> Record:
    width = len(rows[0])
    rows = [row for row in rows if not (counted and NO_WORD.fullmatch(row[0]))]
    place = _place(column, width, path)
    record: Record = {"tokens": [row[place] for row in rows], "line": line}
    if width > 1 + place:
        label = _place(tag, width, path) if tag else width - 1
        record["tags"] = [row[label] for row in rows]
    return record


def _place(column: str, width: int, path: Path) -> int:
    if not column.isdecimal() or not 1 <= int(column) <= width:
        raise UserError(
            f"{path} has columns without names, 1 to {width}; {column!r} is none of them "
            "(--columns, --label)"
        )
    return int(column) - 1
