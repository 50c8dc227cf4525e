"""Labels for the user's own text: a fine-tuned folder, a file in, predictions out, in order."""

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

from distil_jax.errors import UserError
from distil_jax.evaluation import examples, files, squad, text_problem
from distil_jax.evaluation.encoding import check_length, encode
from distil_jax.evaluation.files import Record
from distil_jax.evaluation.network import Network
from distil_jax.evaluation.predictor import Packed, Predictor
from distil_jax.pretrained import Pretrained, load
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.storage.atomic import open_text
from distil_jax.training.parallel import Devices

ROWS_AT_ONCE = 1024
USUAL_LENGTH = 512
STRIDE = 128
STANDARD_INPUT = "-"

Labeller = Callable[[Sequence[Record]], list[Record]]


def label_file(
    model: str, source: str, output: Path | None, *, columns: Sequence[str], length: int | None
) -> int:
    """Label every record of a file, a thousand at a time; returns how many there were.

    The output is JSON lines or, by its name, CSV; it appears whole or not at all. Without one the
    records go to standard output as they are made. An empty text gets no label. Raises `UserError`.
    """
    if output is not None and output.suffix.lower() not in WRITERS:
        raise UserError(f"--output={output} is neither .jsonl nor .csv; give it one of these names")
    if output is not None and not output.absolute().parent.is_dir():
        raise UserError(f"--output={output}: there is no folder {output.parent}; make it first")
    records = _records(source)
    first = next(records, None)
    if first is None:
        raise UserError(f"{source} has no rows; give some text")
    pretrained = _load(model)
    assert pretrained.tokenizer is not None
    check_vocabulary(pretrained.tokenizer, pretrained.config, model)
    length = check_length(length, USUAL_LENGTH, pretrained.config)
    chosen = columns
    if pretrained.head == "classification":
        chosen = examples.check_columns(first, source, columns)
    labeller = _labeller(pretrained, source, chosen, length)
    every, count = chain([first], records), 0
    with _writer(output) as write:
        while part := list(islice(every, ROWS_AT_ONCE)):
            for number, record in enumerate(labeller(part), count):
                write({"row": number, **record})
            count += len(part)
    return count


def _load(model: str) -> Pretrained:
    pretrained = load(model)
    if pretrained.head not in ("classification", "span"):
        raise UserError(
            f"{model} has no head to label text with; fine-tune it first: "
            "python -m distil_jax.evaluate --task=..."
        )
    text_problem.check_one_label(pretrained, model)
    return pretrained


def _records(source: str) -> Iterator[Record]:
    if source == STANDARD_INPUT:
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8-sig", errors="replace", newline="\n")
        return ({"text": line.rstrip("\r\n")} for line in sys.stdin)
    path = Path(source)
    if path.is_dir():
        raise UserError(f"--input={source} is a folder; name a file")
    if files.kind(path) == ".json" and path.is_file():
        content = files.read_json(path)
        if isinstance(content, dict) and "data" in content:
            return iter(squad.flatten(content, source))
    return files.records(path)


def _labeller(pretrained: Pretrained, source: str, columns: Sequence[str], length: int) -> Labeller:
    labels = pretrained.labels if pretrained.head == "classification" else ()
    network = Network(pretrained.config, len(labels), length, scan=jax.default_backend() != "cpu")
    packed = Packed(network, Devices("jit", tuple(jax.devices())), pretrained.config.pad_token)
    predict = packed(pretrained.params)
    seen = [0]

    def of_texts(part: Sequence[Record]) -> list[Record]:
        texts = [_texts(row, columns, source, seen[0] + i) for i, row in enumerate(part)]
        seen[0] += len(part)
        return label_texts(texts, columns, pretrained, predict, length)

    def of_questions(part: Sequence[Record]) -> list[Record]:
        asked = [
            squad.question_and_context(row, f"{source} row {seen[0] + i}", columns)
            for i, row in enumerate(part)
        ]
        seen[0] += len(part)
        return answer_questions(asked, pretrained, predict, length)

    return of_texts if labels else of_questions


def _texts(row: Record, columns: Sequence[str], source: str, number: int) -> tuple[str, ...] | None:
    """The texts of a row; None where they are empty."""
    examples.check_columns(row, f"{source} row {number}", columns)
    if all(examples.is_missing(row[column]) or not str(row[column]).strip() for column in columns):
        return None
    return examples.row_texts(row, columns, source, number)


def label_texts(
    texts: Sequence[tuple[str, ...] | None],
    columns: Sequence[str],
    pretrained: Pretrained,
    predict: Predictor,
    length: int,
) -> list[Record]:
    """A record for each text or pair: the texts, label, its score, all scores."""
    full = [text for text in texts if text is not None]
    pair = [text[1] for text in full] if len(columns) == 2 else None
    assert pretrained.tokenizer is not None
    encoded = encode([text[0] for text in full], pair, pretrained.tokenizer, length=length)
    # transformers names a regression's only output LABEL_0; the value is what it is for.
    labels = pretrained.labels if len(pretrained.labels) > 1 else (text_problem.VALUE,)
    names = [str(number) for number in range(len(full))]
    made = iter(text_problem.predictions(names, labels, predict(encoded)))
    records = []
    for text in texts:
        found: Record = {"label": None, "scores": {}} if text is None else next(made)
        shown = dict(zip(columns, text or [""] * len(columns), strict=True))
        score = found["scores"].get(found["label"], found["label"])
        records.append(
            {**shown, "label": found["label"], "score": score, "scores": found["scores"]}
        )
    return records


def answer_questions(
    asked: Sequence[tuple[str, str]], pretrained: Pretrained, predict: Predictor, length: int
) -> list[Record]:
    """A record for each question: question, answer, its score and place in the context."""
    questions, contexts = [question for question, _ in asked], [context for _, context in asked]
    assert pretrained.tokenizer is not None
    windows = squad.cut(questions, contexts, pretrained.tokenizer, length=length, stride=STRIDE)
    found = squad.answers(windows, contexts, predict(windows.encoded))
    return [
        {
            "question": question,
            "label": answer.text,
            "score": answer.score if answer.text else None,
            "start": answer.start,
            "end": answer.end,
        }
        for question, answer in zip(questions, found, strict=True)
    ]


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
        writer.writerow(["" if flat[name] is None else flat[name] for name in header])

    return write


WRITERS: dict[str, Callable[[Any], Callable[[Record], Any]]] = {
    ".jsonl": _json_lines,
    ".csv": _csv,
}
