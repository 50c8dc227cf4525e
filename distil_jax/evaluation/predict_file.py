"""Predictions for the user's own text: a fine-tuned folder, a file in, records out, in order."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from distil_jax.data import file_kind
from distil_jax.errors import UserError
from distil_jax.evaluation.batched_forward import BatchedForward
from distil_jax.pretrained import Pretrained, load
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.storage.atomic import open_text
from distil_jax.tasks import conll, files, squad
from distil_jax.tasks.encoding import check_length
from distil_jax.tasks.files import Record
from distil_jax.tasks.kind import ExampleKind, Predictor, UserText
from distil_jax.tasks.network import Network
from distil_jax.tasks.table import kind_of_model
from distil_jax.training.parallel import Devices

ROWS_AT_ONCE = 1024
DEFAULT_LENGTH = 512
STANDARD_INPUT = "-"


def predict_file(
    model: str,
    source: str,
    output: Path | None,
    *,
    columns: Sequence[str],
    length: int | None,
    dtype: str = "float32",
) -> int:
    """Predict every record of a file, a thousand at a time; returns how many there were.

    The output is JSON lines or, by its name, CSV; it appears whole or not at all. Without one the
    records go to standard output as they are computed. An empty text gets no label. Raises
    `UserError`.
    """
    if output is not None and output.suffix.lower() not in WRITERS:
        raise UserError(f"--output={output} is neither .jsonl nor .csv; give it one of these names")
    if output is not None and not output.absolute().parent.is_dir():
        raise UserError(f"--output={output}: there is no folder {output.parent}; make it first")
    records = _records(source)
    first = next(records, None)
    if first is None:
        raise UserError(f"{source} has no rows; give some text")
    pretrained, kind = _load(model)
    assert pretrained.tokenizer is not None
    check_vocabulary(pretrained.tokenizer, pretrained.config, model)
    length = check_length(length, DEFAULT_LENGTH, pretrained.config)
    text = UserText(
        name=source,
        columns=kind.columns(first, source, columns),
        model=pretrained,
        predict=_predictor(kind, pretrained, length, dtype),
        length=length,
    )
    every, count = chain([first], records), 0
    with _writer(output) as write:
        while part := list(islice(every, ROWS_AT_ONCE)):
            for number, record in enumerate(kind.label(part, text, count), count):
                write({"row": number, **record})
            count += len(part)
    return count


def _load(model: str) -> tuple[Pretrained, ExampleKind]:
    pretrained = load(model)
    kind = kind_of_model(pretrained.head, pretrained.labels, pretrained.problem_type)
    if kind is None:
        raise UserError(
            f"{model} has no head to label text with; fine-tune it first: "
            "python -m distil_jax.evaluate --task=..."
        )
    kind.check_model(pretrained, model)
    return pretrained, kind


def _predictor(kind: ExampleKind, model: Pretrained, length: int, dtype: str) -> Predictor:
    outputs = kind.outputs(model.labels)
    scan = jax.default_backend() != "cpu"
    network = Network(kind, model.config, outputs, length, dtype=jnp.dtype(dtype), scan=scan)
    devices = Devices("jit", tuple(jax.devices()))
    return BatchedForward(network, devices, model.config.pad_token)(model.params)


def _records(source: str) -> Iterator[Record]:
    if source == STANDARD_INPUT:
        standard = isinstance(sys.stdin, io.TextIOWrapper)
        lines = files.text_lines(sys.stdin.buffer, "standard input") if standard else sys.stdin
        return ({"text": line.rstrip("\r\n")} for line in lines)
    path = Path(source)
    if path.is_dir():
        raise UserError(f"--input={source} is a folder; name a file")
    if file_kind.suffix(path) in conll.SUFFIXES and path.is_file():
        return conll.records(path)
    if path.is_file() and files.kind(path) == file_kind.JSON:
        content = files.read_json(path)
        if isinstance(content, dict) and "data" in content:
            return iter(squad.flatten(content, source))
    return files.records(path)


@contextmanager
def _writer(output: Path | None) -> Iterator[Callable[[Record], Any]]:
    """A function that writes a record; the file takes its name when all went well."""
    if output is None:
        yield WRITERS[".jsonl"](sys.stdout)
        return
    with open_text(output) as file:
        yield WRITERS[output.suffix.lower()](file)


def _json_lines(file: Any) -> Callable[[Record], Any]:
    return lambda record: file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _csv(file: Any) -> Callable[[Record], Any]:
    """The table of the texts, label and its score; those of the other classes stay out."""
    writer = csv.writer(file)
    header: list[str] = []

    def write(record: Record) -> None:
        flat = {name: value for name, value in record.items() if name != "scores"}
        if not header:
            header.extend(flat)
            writer.writerow(header)
        writer.writerow([_cell(flat[name]) for name in header])

    return write


def _cell(value: Any) -> Any:
    """Lists and records as JSON, which a table's cell can hold."""
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value


WRITERS: dict[str, Callable[[Any], Callable[[Record], Any]]] = {
    ".jsonl": _json_lines,
    ".csv": _csv,
}
