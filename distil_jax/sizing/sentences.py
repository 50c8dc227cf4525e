"""Sentences, or pairs of them, out of a user's file: .txt, .jsonl, .csv or .tsv."""

import csv
import json
import lzma
from collections.abc import Iterator
from pathlib import Path

from distil_jax.data.text import Damage, decode, read_blocks
from distil_jax.errors import UserError

SENTENCES = (
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question", "context"),
    ("sentence",),
    ("text",),
)
"""Columns that hold what is encoded, the first that a file has."""

Sentence = tuple[str, ...]


def read(path: Path, *, most: int) -> list[Sentence]:
    """The first `most` sentences; raises `UserError` naming the file and the line."""
    suffixes = [suffix for suffix in path.suffixes if suffix not in (".xz", ".gz", ".zst", ".bz2")]
    reader = {".jsonl": _json, ".json": _json, ".csv": _commas, ".tsv": _tabs}.get(
        suffixes[-1] if suffixes else "", _lines
    )
    if not path.is_file():
        raise UserError(f"{path} is not a file; give sentences as .txt, .jsonl, .csv, .tsv")
    found: list[Sentence] = []
    try:
        for sentence in reader(_text(path), path):
            if all(part.strip() for part in sentence):
                found.append(sentence)
            if len(found) == most:
                break
    except (lzma.LZMAError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not found:
        raise UserError(f"{path} holds no sentence")
    return found


def _text(path: Path) -> list[str]:
    text = decode(b"".join(read_blocks(path)), Damage()).removeprefix("\ufeff")
    return text.splitlines() if path.suffix == ".txt" else text.replace("\r\n", "\n").split("\n")


def _lines(lines: list[str], _: Path) -> Iterator[Sentence]:
    yield from ((line,) for line in lines)


def _json(lines: list[str], path: Path) -> Iterator[Sentence]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path} line {number} is not JSON") from error
        if not isinstance(record, dict):
            raise UserError(f"{path} line {number} is not a JSON object")
        yield _chosen(record, f"{path} line {number}")


def _commas(lines: list[str], path: Path) -> Iterator[Sentence]:
    for record in csv.DictReader(lines):
        yield _chosen(record, str(path))


def _tabs(lines: list[str], path: Path) -> Iterator[Sentence]:
    for record in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
        yield _chosen(record, str(path))


def _chosen(record: dict[str, object], place: str) -> Sentence:
    for names in SENTENCES:
        found = [record.get(name) for name in names]
        if all(isinstance(value, str) for value in found):
            return tuple(map(str, found))
    known = "; ".join(" and ".join(names) for names in SENTENCES)
    present = ", ".join(map(str, record)) or "none"
    raise UserError(f"{place} has columns {present}; one of these is needed: {known}")
