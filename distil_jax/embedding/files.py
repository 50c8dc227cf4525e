"""The vectors of a file's texts, in a file."""

import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from distil_jax.embedding.embedder import Embedder, Vectors
from distil_jax.embedding.progress import shown
from distil_jax.errors import UserError
from distil_jax.storage.atomic import draft
from distil_jax.tasks import examples, files
from distil_jax.tasks.files import Record
from distil_jax.tasks.missing_labels import is_missing

STANDARD_INPUT = "-"
COLUMN = "vector"


def embed_file(
    open_model: Callable[[], Embedder],
    source: str,
    output: Path,
    *,
    column: str = "",
    prompt: str | None = None,
) -> Vectors:
    """Write a vector for each record of a file, in order, and return them.

    The output appears whole or not at all. A line without text is a text without words. Raises
    `UserError` before the model is opened if input or output cannot be used.
    """
    write = WRITERS.get(output.suffix.lower())
    if write is None:
        raise UserError(
            f"--output={output} is none of {', '.join(WRITERS)}; give it one of these names"
        )
    if not output.absolute().parent.is_dir():
        raise UserError(f"--output={output}: there is no folder {output.parent}; make it first")
    texts = _texts(source, column)
    vectors = shown(open_model(), texts, prompt=prompt)
    with draft(output) as temporary:
        write(temporary, texts, vectors)
    return vectors


def _texts(source: str, column: str) -> list[str]:
    """The texts of a file's records; raises `UserError` naming the file and the record."""
    if source == STANDARD_INPUT:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace", newline="\n")
        texts = [line.rstrip("\r\n") for line in sys.stdin]
    else:
        texts = []
        for number, record in enumerate(files.records(Path(source))):
            column = column or _column(record, source)
            texts.append(_text(record, column, source, number))
    if not texts:
        raise UserError(f"{source} has no rows; give some text")
    return texts


def _column(record: Record, source: str) -> str:
    found = examples.check_columns(record, source, ())
    if len(found) != 1:
        raise UserError(
            f"{source} has two columns of text, {' and '.join(found)}; name one with --column"
        )
    return found[0]


def _text(record: Mapping[str, object], column: str, source: str, number: int) -> str:
    if column not in record:
        raise UserError(
            f"{source} row {number} has no column {column}; it has {', '.join(record)} (--column)"
        )
    value = record[column]
    if is_missing(value):
        return ""
    if not isinstance(value, str | int | float):
        raise UserError(
            f"{source} row {number}: column {column} holds {type(value).__name__}, not text"
        )
    return examples.clean(str(value))


def _npy(path: Path, _: Sequence[str], vectors: Vectors) -> None:
    with path.open("wb") as file:
        np.save(file, vectors)


def _parquet(path: Path, texts: Sequence[str], vectors: Vectors) -> None:
    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    rows = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
    parquet.write_table(pa.table({"text": pa.array(texts), COLUMN: rows}), path)


def _json_lines(path: Path, texts: Sequence[str], vectors: Vectors) -> None:
    with path.open("w", encoding="utf-8") as file:
        for text, vector in zip(texts, vectors.tolist(), strict=True):
            file.write(json.dumps({"text": text, COLUMN: vector}, ensure_ascii=False) + "\n")


WRITERS: dict[str, Callable[[Path, Sequence[str], Vectors], None]] = {
    ".npy": _npy,
    ".parquet": _parquet,
    ".jsonl": _json_lines,
}
