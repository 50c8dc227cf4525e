"""Classifications and regressions of a text or of two."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import scipy.special

from distil_jax.errors import UserError
from distil_jax.evaluation import examples as tables
from distil_jax.evaluation.encoding import Encoded, encode
from distil_jax.evaluation.examples import Examples
from distil_jax.evaluation.problem import HeldOut, Outputs, Prediction, Problem, TrainingSet
from distil_jax.evaluation.scores import SCORES, Metrics
from distil_jax.evaluation.sources import Source
from distil_jax.evaluation.tasks import RAW_VALUES, SUBMITTED_AS_NAMES, Task
from distil_jax.pretrained.model import Pretrained

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VALUE = "value"
"""The name of a regression's only output."""


@dataclass(frozen=True)
class Tables:
    """The splits of a task as texts, before any tokenizer."""

    training: Examples | None
    held_out: dict[str, Examples]
    tests: dict[str, Examples]


def read_tables(
    task: Task, source: Source, *, columns: Sequence[str], label: str, training: bool
) -> Tables:
    """Every split of a task that is there; raises `UserError` for one that must be and is not."""
    read = partial(tables.read, columns=columns, label=label)

    def split(name: str, labelled: bool) -> Examples | None:
        rows = source.records(name, scored=labelled)
        return None if rows is None else read(rows, source.describe(name), labelled=labelled)

    train = split("train", True) if training else None
    if training and train is None:
        raise UserError(
            f"{source.place or '--data'} has no training split (train.jsonl, .json, .csv, .tsv or "
            ".parquet); name one with --train, or score the model as it is with --epochs=0"
        )
    held_out = {name: found for name in task.validation if (found := split(name, True))}
    if task.validation[0] not in held_out:
        raise UserError(
            f"{source.place or '--data'} has no {task.validation[0]} split "
            f"({task.validation[0]}.jsonl, .json, .csv, .tsv or .parquet); name one with "
            "--validation"
        )
    names = [name for name in ("test", *task.test) if name not in held_out]
    tests = {name: found for name in dict.fromkeys(names) if (found := split(name, False))}
    return Tables(train, held_out, tests)


def label_names(task: Task, found: Tables, known: Sequence[str]) -> tuple[str, ...]:
    """Class names: the task's, the training table's, or those of a model scored as it is."""
    if task.kind == "regression":
        return (VALUE,)
    if task.labels:
        return task.labels
    if found.training is not None:
        return tables.class_names(found.training)
    return tuple(known)


def check_one_label(model: Pretrained, folder: str) -> None:
    """Refuse a classifier that gives one text several labels, or several values."""
    several = model.problem_type == "multi_label_classification" or (
        model.problem_type == "regression" and len(model.labels) > 1
    )
    if model.head == "classification" and several:
        raise UserError(
            f"{folder} gives each text several labels or values (problem_type is "
            f"{model.problem_type} in its config.json); here a text has one of them"
        )


def label_order(own: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...] | None:
    """Where each wanted class stands among a model's, None if they are others.

    Hugging Face's LABEL_0, LABEL_1, ... are the classes in their order.
    """
    ours, theirs = ([name.casefold() for name in names] for names in (own, wanted))
    unnamed = ours == [f"label_{number}" for number in range(len(ours))]
    if unnamed and len(ours) == len(theirs):
        return tuple(range(len(ours)))
    if sorted(ours) != sorted(theirs) or len(set(ours)) < len(ours):
        return None
    return tuple(ours.index(name) for name in theirs)


def build(
    name: str,
    task: Task,
    found: Tables,
    labels: tuple[str, ...],
    tokenizer: "PreTrainedTokenizerFast",
    *,
    length: int,
) -> Problem:
    """Encode a task's tables for one tokenizer; raises `UserError` for a label that is unknown."""
    numbers = tables.values if task.kind == "regression" else _class_numbers(labels)
    training, scale = None, (0.0, 1.0)
    encode_table = partial(_encode, tokenizer=tokenizer, length=length)
    if found.training is not None:
        targets = numbers(found.training)
        shown = () if task.kind == "regression" else labels
        tables.check_varied(targets, shown, found.training.place)
        if task.kind == "regression" and name not in RAW_VALUES:
            scale = (float(targets.mean()), float(targets.std()))
            targets = ((targets - scale[0]) / scale[1]).astype(np.float32)
        training = TrainingSet(encode_table(found.training), {"labels": targets})

    def split(split_name: str, table: Examples) -> HeldOut:
        right = None if table.labels is None else numbers(table)
        metrics = None if right is None else partial(_metrics, task.score, right, labels)
        file = task.test.get(split_name)
        submit = partial(submission, file, name, labels) if file else None
        predict = partial(predictions, table.ids, labels)
        return HeldOut(split_name, encode_table(table), len(table), predict, right, metrics, submit)

    held_out = tuple(split(*item) for item in found.held_out.items())
    tests = tuple(split(*item) for item in found.tests.items())
    counts = {
        "train": 0 if training is None else len(training.encoded),
        "validation": held_out[0].count,
        **{part.name: part.count for part in (*held_out[1:], *tests)},
        "truncated": held_out[0].encoded.truncated
        + (0 if training is None else training.encoded.truncated),
        "strided": 0,
    }
    return Problem(task.kind, labels, scale, length, training, held_out, tests, counts)


def predictions(ids: Sequence[str], labels: Sequence[str], outputs: Outputs) -> list[Prediction]:
    """A record for each example: the likeliest class with all probabilities, or the value."""
    if list(labels) == [VALUE]:
        return [
            {"id": name, "label": float(row[0]), "scores": {VALUE: float(row[0])}}
            for name, row in zip(ids, outputs, strict=True)
        ]
    records = []
    for name, row in zip(ids, outputs, strict=True):
        shares = scipy.special.softmax(row.astype(np.float64))
        scores = {label: float(share) for label, share in zip(labels, shares, strict=True)}
        records.append({"id": name, "label": labels[int(np.argmax(row))], "scores": scores})
    return records


def submission(
    file: str, task: str, labels: Sequence[str], records: Sequence[Prediction]
) -> tuple[str, str]:
    """GLUE's test.tsv: index and prediction, as class name, class number or value."""
    lines = ["index\tprediction"]
    for number, record in enumerate(records):
        label = record["label"]
        if list(labels) == [VALUE]:
            label = f"{min(max(label, 0.0), 5.0):.3f}"
        elif task not in SUBMITTED_AS_NAMES:
            label = labels.index(label)
        lines.append(f"{number}\t{label}")
    return file, "\n".join(lines) + "\n"


def _class_numbers(labels: Sequence[str]) -> partial:
    return partial(tables.class_numbers, names=labels)


def _metrics(
    score: str, right: np.ndarray, labels: Sequence[str], records: Sequence[Prediction]
) -> Metrics:
    if list(labels) == [VALUE]:
        predicted = np.asarray([record["label"] for record in records])
    else:
        number = {label: index for index, label in enumerate(labels)}
        predicted = np.asarray([number[record["label"]] for record in records])
    return SCORES[score].metrics(predicted, right)


def _encode(table: Examples, tokenizer: "PreTrainedTokenizerFast", length: int) -> Encoded:
    return encode(table.first, table.second, tokenizer, length=length)
