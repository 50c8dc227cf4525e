"""Tables of labelled texts, or pairs of texts, for the kinds that give each a label."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from distil_jax.errors import UserError
from distil_jax.tasks import examples
from distil_jax.tasks.encoding import Encoded, encode
from distil_jax.tasks.examples import Examples
from distil_jax.tasks.files import Record
from distil_jax.tasks.kind import (
    DataRequest,
    EvalSplit,
    Labels,
    Outputs,
    Prediction,
    TaskData,
    TrainingSet,
    UserText,
)
from distil_jax.tasks.missing_labels import is_missing
from distil_jax.tasks.named import NamedTask
from distil_jax.tasks.sources import Source
from distil_jax.tasks.task_scores import Metrics

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Predictions = Callable[[Sequence[str], Outputs], list[Prediction]]


@dataclass(frozen=True)
class Tables:
    """The splits of a task as texts, before any tokenizer."""

    training: Examples | None
    validation: dict[str, Examples]
    tests: dict[str, Examples]

    def of_classes(self, classes: Labels) -> "Tables":
        """The same where the classes have become known, for the splits that do not name them."""
        validation, tests = (
            {
                name: examples.of_classes(table, classes, labelled=labelled)
                for name, table in part.items()
            }
            for part, labelled in ((self.validation, True), (self.tests, False))
        )
        return Tables(self.training, validation, tests)

    @property
    def every(self) -> tuple[Examples, ...]:
        """The tables of all splits."""
        training = () if self.training is None else (self.training,)
        return (*training, *self.validation.values(), *self.tests.values())

    @property
    def left_out(self) -> int:
        """Rows of all splits that have no label."""
        return sum(table.left_out for table in self.every)


@dataclass(frozen=True)
class Meaning:
    """What a kind's labels and outputs mean.

    Attributes:
      targets: of a labelled table; raises `UserError` for a label that is none.
      predictions: records of ids and outputs.
      metrics: of answers and records.
      submitted: a record's label as GLUE's file has it.
    """

    targets: Callable[[Examples], np.ndarray]
    predictions: Predictions
    metrics: Callable[[np.ndarray, Sequence[Prediction]], Metrics]
    submitted: Callable[[Any], str]


def _as_they_are(rows: Iterable[Record], origin: str, labelled: bool) -> Iterable[Record]:
    return rows


def read_tables(
    task: NamedTask,
    request: DataRequest,
    prepared: Callable[[Iterable[Record], str, bool], Iterable[Record]] = _as_they_are,
    named: Callable[[Source, str], Mapping[str, Sequence[str]]] = Source.class_names,
) -> Tables:
    """Every split of a task that is there; raises `UserError` for one that must be and is not.

    `prepared(records, origin, labelled)` are the records that are read, and `named(source, split)`
    the names of numbers in these, by column.
    """
    source = request.source
    read = partial(
        examples.read,
        columns=request.columns or task.columns,
        label=request.label or task.label,
        classes=task.labels or request.classes or (() if request.training else request.known),
    )

    def split(name: str, labelled: bool) -> Examples | None:
        rows = source.records(name, scored=labelled)
        if rows is None:
            return None
        origin = source.describe(name)
        given = prepared(rows, origin, labelled)
        return read(given, origin, labelled=labelled, named=named(source, name))

    train = split("train", True) if request.training else None
    if request.training and train is None and not request.classes:
        raise UserError(
            f"{source.location or '--data'} has no training split (train.jsonl, .json, .csv, .tsv "
            "or .parquet); name one with --train, or score the model as it is with --epochs=0"
        )
    validation = {name: table for name in task.validation if (table := split(name, True))}
    if task.validation[0] not in validation:
        raise UserError(
            f"{source.location or '--data'} has no {task.validation[0]} split "
            f"({task.validation[0]}.jsonl, .json, .csv, .tsv or .parquet); name one with "
            "--validation"
        )
    names = [name for name in ("test", *task.test) if name not in validation]
    tests = {name: table for name in dict.fromkeys(names) if (table := split(name, False))}
    return Tables(train, validation, tests)


def encode_table(table: Examples, tokenizer: "PreTrainedTokenizerFast", length: int) -> Encoded:
    """The texts or pairs of a table."""
    return encode(table.first, table.second, tokenizer, length=length)


def task_data(
    task: NamedTask,
    tables: Tables,
    tokenizer: "PreTrainedTokenizerFast",
    meaning: Meaning,
    *,
    length: int,
    labels: Labels,
    targets: np.ndarray | None,
) -> TaskData:
    """A task's tables for one tokenizer; raises `UserError` for a label that is unknown.

    `targets` are the training table's.
    """
    encode = partial(encode_table, tokenizer=tokenizer, length=length)
    training = None
    if tables.training is not None:
        assert targets is not None
        training = TrainingSet(
            encode(tables.training),
            {"labels": targets},
            partial(encode_table, tables.training),
            texts=tables.training.texts,
        )
    split = partial(_split, task, encode, meaning)
    validation = tuple(split(*item) for item in tables.validation.items())
    tests = tuple(split(*item) for item in tables.tests.items())
    counts = {
        "train": 0 if training is None else len(training.encoded),
        "validation": validation[0].count,
        **{part.name: part.count for part in (*validation[1:], *tests)},
        "truncated": validation[0].encoded.truncated
        + (0 if training is None else training.encoded.truncated),
        "strided": 0,
        **({"without_label": tables.left_out} if tables.left_out else {}),
    }
    return TaskData(labels, len(labels), (0.0, 1.0), length, training, validation, tests, counts)


def _split(
    task: NamedTask,
    encode: Callable[[Examples], Encoded],
    meaning: Meaning,
    name: str,
    table: Examples,
) -> EvalSplit:
    answers = None if table.labels is None else meaning.targets(table)
    file = task.test.get(name)
    return EvalSplit(
        name=name,
        encoded=encode(table),
        count=len(table),
        predictions=partial(meaning.predictions, table.ids),
        answers=answers,
        metrics=None if answers is None else partial(meaning.metrics, answers),
        submission=partial(submission, file, meaning.submitted) if file else None,
        texts=table.texts,
    )


def submission(
    file: str, submitted: Callable[[Any], str], records: Sequence[Prediction]
) -> tuple[str, str]:
    """GLUE's test.tsv: index and prediction."""
    rows = [f"{number}\t{submitted(record['label'])}" for number, record in enumerate(records)]
    return file, "\n".join(["index\tprediction", *rows]) + "\n"


def label_rows(
    rows: Sequence[Record],
    text: UserText,
    first: int,
    predictions: Predictions,
    *,
    empty: Any = None,
) -> list[Record]:
    """A record for each text or pair: the texts, label, its score if it is one, all scores.

    An empty text has the label `empty`.
    """
    given = [_texts(row, text, first + number) for number, row in enumerate(rows)]
    full = [texts for texts in given if texts is not None]
    pair = [texts[1] for texts in full] if len(text.columns) == 2 else None
    tokenizer = text.model.tokenizer
    assert tokenizer is not None
    encoded = encode([texts[0] for texts in full], pair, tokenizer, length=text.length)
    names = [str(number) for number in range(len(full))]
    labelled = iter(predictions(names, text.predict(encoded)))
    records = []
    for texts in given:
        record: Record = {"label": empty, "scores": {}} if texts is None else next(labelled)
        shown = dict(zip(text.columns, texts or [""] * len(text.columns), strict=True))
        label, scores = record["label"], record["scores"]
        score = {} if isinstance(label, list) else {"score": scores.get(label, label)}
        records.append({**shown, "label": label, **score, "scores": scores})
    return records


def _texts(row: Record, text: UserText, number: int) -> tuple[str, ...] | None:
    """The texts of a row; None where they are empty."""
    columns = text.columns
    examples.check_columns(row, f"{text.name} row {number}", columns)
    if all(is_missing(row[column]) or not str(row[column]).strip() for column in columns):
        return None
    return examples.row_texts(row, columns, text.name, number)
