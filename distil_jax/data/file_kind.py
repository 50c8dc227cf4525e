"""What a file holds: by its first bytes, and by its suffix where these leave it open."""

import csv
import json
import re
from pathlib import Path

from distil_jax.data import compression
from distil_jax.data.signatures import ENCODINGS, MARKUP, binary_kind, zip_kind
from distil_jax.storage import lfs

TEXT, JSON_LINES, JSON, PARQUET, CSV, TSV = "text", "JSON lines", "JSON", "Parquet", "CSV", "TSV"
SUFFIXES = {
    **dict.fromkeys((".jsonl", ".ndjson", ".jsonlines", ".ldjson", ".jl"), JSON_LINES),
    ".json": JSON,
    ".csv": CSV,
    **dict.fromkeys((".tsv", ".tab"), TSV),
    **dict.fromkeys((".parquet", ".pq", ".parq"), PARQUET),
    **dict.fromkeys((".txt", ".text", ".md", ".rst", ".raw", ".tok", ".tokens"), TEXT),
}
SAMPLE_BYTES = 1 << 16
_SUFFIX = re.compile(r"\.[A-Za-z][\w~+-]{0,11}")
_OBJECT = re.compile(rb'\{\s*(?:"(?:[^"\\]|\\.)*"\s*:|\})')
_RECORDS = re.compile(rb'\[\s*\{\s*"')
_NAME = re.compile(r"[A-Za-z_][\w-]{0,30}")
_FEWEST_ROWS = 4
_CONTROLS = bytes({*range(32)} - {*b"\t\n\r\x0b\x0c\x1a\x1b"})
OLD_ENDS = "text with a carriage return alone at the end of lines; write them anew: tr '\\r' '\\n'"
_ESCAPES = (
    (re.compile(rb"\x1b\$[@AB)(]|\x1b\([JI]"), 1, "ISO-2022"),
    (re.compile(rb"\+A[A-P][A-Za-z0-9+/]-"), 3, "UTF-7"),
    (re.compile(rb"=(?:[89A-F][0-9A-F]|\r?\n)"), 8, "quoted-printable"),
)
"""How encodings that consist of ASCII show: a pattern, how often it occurs, the name."""


def suffix(name: Path) -> str:
    """The suffix that says how to read a file, without a compression's; a number is none."""
    found = compression.bare_name(name).suffix
    return found.lower() if _SUFFIX.fullmatch(found) else ""


def why_no_file(path: Path) -> str:
    """Why there is no file to read, for a message."""
    if path.is_dir():
        return "is a folder"
    if path.exists():
        return "is a pipe or a device, and files are read more than once"
    return "does not exist"


def kind_of(name: Path, start: bytes) -> str:
    """One of the kinds above, by the name and the first decompressed bytes."""
    named = SUFFIXES.get(suffix(name), TEXT)
    start = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"PAR1"):
        return PARQUET
    if start.startswith(lfs.BEGINNING):
        return TEXT
    if _RECORDS.match(start):
        return JSON
    if _OBJECT.match(start) and named != PARQUET:
        return _of_objects(named, start)
    return named


def unreadable(start: bytes) -> str | None:
    """What a file is, for a message, if its first decompressed bytes are neither text nor Parquet.

    A file's name counts for nothing here.
    """
    if start.startswith(lfs.BEGINNING):
        return lfs.ADVICE
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        return zip_kind(start)
    if found := compression.inside(start):
        return found
    if found := _marked(start) or binary_kind(start) or _shown(start):
        return found
    if len(start) - len(start.translate(None, _CONTROLS)) > len(start) // 50:
        return None if start.startswith(b"PAR1") else "binary data, not text"
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()[:200].lower()
    return next((what for begin, what in MARKUP if text.startswith(begin)), None)


def has_old_ends(start: bytes) -> bool:
    """Whether lines end with a carriage return alone, as old Macintosh's."""
    return start.count(b"\r") > 2 and b"\n" not in start


def table_of(start: bytes) -> str | None:
    """What table plain text is, if its first lines are one."""
    lines = [line for line in _whole_lines(start).decode("utf-8", "replace").split("\n") if line]
    if len(lines) < _FEWEST_ROWS:
        return None
    tabs = {line.strip("\r ").count("\t") if line[0] != "\t" else 0 for line in lines}
    if len(tabs) == 1 and tabs != {0}:
        return f"a table of {tabs.pop() + 1} columns with tabs between them"
    for delimiter in ",;|":
        header = lines[0].strip().split(delimiter)
        named = all(_NAME.fullmatch(name.strip('"')) for name in header)
        if len(header) > 1 and named and _columns(lines, delimiter) == {len(header)}:
            return f"a table with the columns {', '.join(header)}"
    return None


def _columns(lines: list[str], delimiter: str) -> set[int]:
    try:
        return {len(row) for row in csv.reader(lines, delimiter=delimiter) if row}
    except csv.Error:
        return set()


def _whole_lines(start: bytes) -> bytes:
    """Without the last line, which a sample cuts."""
    return start[: start.rfind(b"\n") + 1] if len(start) >= SAMPLE_BYTES else start


def _of_objects(named: str, start: bytes) -> str:
    """JSON lines where the first line is a whole object, and not all that a JSON file holds."""
    line, _, more = start.partition(b"\n")
    try:
        whole = isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        whole = not more and len(start) >= SAMPLE_BYTES - 4  # a line longer than the sample
    if not whole:
        return named if named == JSON_LINES else JSON
    return JSON if named == JSON and not more.strip() else JSON_LINES


def _marked(start: bytes) -> str | None:
    """The encoding that a text declares, if it is not UTF-8."""
    found = next((name for mark, name in ENCODINGS if start.startswith(mark)), None)
    return f"in {found}; save it in UTF-8" if found else None


def _shown(start: bytes) -> str | None:
    """The encoding that shows in a text's bytes, if it is not UTF-8."""
    for pattern, count, name in _ESCAPES:
        if len(pattern.findall(start)) >= count:
            return f"in {name} (its escape sequences show); save it in UTF-8"
    zeros = [start[place::4].count(0) / max(len(start) // 4, 1) for place in range(4)]
    if min(zeros) < 0.1 and sum(share > 0.7 for share in zeros) == 3:
        return "in UTF-32, without a mark of it; save it in UTF-8"
    if max(zeros) > 0.2 and min(zeros[0] + zeros[2], zeros[1] + zeros[3]) < 0.05:
        return "in UTF-16, without a mark of it; save it in UTF-8"
    return None
