"""Tables in text: CSV in the dialects that spreadsheets write, and TSV."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distil_jax.data import compression
from distil_jax.data.decoding import advice, as_shown
from distil_jax.errors import UserError

DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_LINES = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SHOWN = 40
_NAME = re.compile(r"[A-Za-z_][\w -]{0,30}")


def read_csv(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a CSV file by its first line's names; raises `UserError` naming file and line.

    Commas separate, or what the first line has instead: semicolons, tabs, bars; or what a line
    `sep=;` says, as Excel writes and reads it.
    """
    return _rows(path, delimiter=None, strict=True)


def read_tsv(path: Path) -> Iterator[dict[str, str]]:
    """Tabs separate and quotation marks are text, as in GLUE's files."""
    return _rows(path, delimiter="\t", quoting=csv.QUOTE_NONE)


class _Counted:
    """Lines one by one, with the last that was given and its number."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines
        self.number = 0
        self.last = ""

    def __iter__(self) -> "_Counted":
        return self

    def __next__(self) -> str:
        self.last = next(self.lines)
        self.number += 1
        return self.last


def _rows(path: Path, *, delimiter: str | None, **dialect: Any) -> Iterator[dict[str, str]]:
    lines = _Counted(_strict_lines(path))
    first = next(lines, None)
    if first is None:
        return
    said = _SEPARATOR_LINE.fullmatch(first) if delimiter is None else None
    if said is not None:
        delimiter, first = said[1], next(lines, "")
    if delimiter == "\t" and said is None:
        _check_tabs(first, path)
    reader = csv.reader(_from(first, lines), delimiter=delimiter or _delimiter(first), **dialect)
    names = [name.strip() for name in _read(reader, lines, path, 1) or []]
    if twice := [name for name in names if names.count(name) > 1]:
        raise UserError(f"{path} has two columns {twice[0]}; give each a name of its own")
    while (row := _read(reader, lines, path, lines.number + 1)) is not None:
        if row and len(row) != len(names):
            raise UserError(
                f"{path} line {lines.number} has not the {len(names)} columns of the first line, "
                f"but {len(row)}: {_shown(lines.last)}; fix it"
            )
        if row:
            yield dict(zip(names, row, strict=True))


def _check_tabs(header: str, path: Path) -> None:
    """Refuse a first line in which something else than tabs stands between names."""
    mark = _delimiter(header)
    names = next(csv.reader([header.strip()], delimiter=mark), [])
    if "\t" not in header and len(names) > 1 and all(map(_NAME.fullmatch, names)):
        raise UserError(
            f"{path} has no tab in its first line, but {mark!r} between the names "
            f"{', '.join(names)}: it is a CSV; name it .csv"
        )


def _from(first: str, lines: _Counted) -> Iterator[str]:
    yield first
    yield from lines


def _read(reader: Any, lines: _Counted, path: Path, begins: int) -> list[str] | None:
    """The next row, None at the end."""
    try:
        return next(reader, None)
    except csv.Error as error:
        raise UserError(
            f"{path} cannot be read to its end: {_fault(str(error), lines, begins)}"
        ) from error


def _fault(error: str, lines: _Counted, begins: int) -> str:
    """What stands where a row is no CSV, and what to do."""
    if "end of data" in error:
        return (
            f"a quotation mark in the row that begins on line {begins} is never closed; "
            "close it, or double it where it is text"
        )
    row = f", in the row that begins on line {begins}" if begins < lines.number else ""
    return (
        f"on line {lines.number} stands {_shown(lines.last)}{row} ({error}); "
        'a quotation mark inside a quoted field is written twice, as in "a 32"" screen"'
    )


def _delimiter(header: str) -> str:
    """What separates the names of the first line; a comma where there is one name."""
    columns = {mark: len(next(csv.reader([header], delimiter=mark), [])) for mark in DELIMITERS}
    if columns[","] > 1:
        return ","
    return max(columns, key=columns.__getitem__)


def _strict_lines(path: Path) -> Iterator[str]:
    """The lines with their ends; raises `UserError` for one that is not UTF-8.

    A table's cells are labels, too: none is changed to read on.
    """
    with compression.opened(path) as file:
        for number, raw in enumerate(file, 1):
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{path} line {number} is not UTF-8, {as_shown(raw)}; "
                    f"{advice(raw + file.read(1 << 12))}"
                ) from error
            yield from _LINES.findall(line) if "\r" in line[:-2] else (line,)


def _shown(line: str) -> str:
    text = line.rstrip("\r\n")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
