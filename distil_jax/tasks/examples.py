"""Texts and labels out of records, checked."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from distil_jax.errors import UserError
from distil_jax.notes import note
from distil_jax.tasks.files import UNLABELLED, Record

GUESSES = (
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("text",),
    ("sentence",),
    ("review",),
    ("content",),
)
LABEL = "label"
LABEL_GUESSES = (LABEL, "labels", "score", "target", "class")
MOST_CLASSES = 1000
NO_LABEL = frozenset(
    [
        *("", "nan", "NaN", "NAN", "-nan", "-NaN", "NA", "N/A", "n/a", "<NA>", "#N/A", "#NA"),
        *("NULL", "null", "None", "NaT", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    ]
)
"""What pandas reads as a missing value, and what programs write for one."""
MARKS_OF_NONE = frozenset(
    ["?", "-", "--", ".", "inf", "-inf", *(mark.casefold() for mark in NO_LABEL)]
)
"""What stands for no label where all others are numbers."""


@dataclass(frozen=True)
class Examples:
    """Texts, or pairs of texts, with their labels.

    Attributes:
      second: None where an example is one text.
      labels: class numbers or values, as text or number; None where the split has none.
      origin: file or data set, for messages.
    """

    ids: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...] | None
    labels: tuple[Any, ...] | None
    origin: str

    def __len__(self) -> int:
        return len(self.first)


def read(
    rows: Iterable[Record],
    origin: str,
    *,
    columns: Sequence[str],
    label: str,
    labelled: bool,
    classes: Sequence[str] = (),
) -> Examples:
    """The examples of a table; raises `UserError` for a missing column or an empty text.

    Args:
      columns: of the text or the two texts; empty: guessed from the first record.
      label: column of the label; "label" where there is none of that name: one of the usual ones.
      labelled: whether there must be labels; without, a missing column, one missing label or -1
        throughout means none.
      classes: names of the task's classes, if they are known: none of them is a missing label.
    """
    ids: list[str] = []
    texts: list[tuple[str, ...]] = []
    labels: list[Any] = []
    for number, row in enumerate(rows):
        if not number:
            columns = check_columns(row, origin, columns)
            if label == LABEL:
                label = next((name for name in LABEL_GUESSES if name in row), label)
            if labelled and label not in row:
                raise UserError(
                    f"{origin} has no label column {label}; it has {', '.join(row)} (--label)"
                )
        texts.append(row_texts(row, columns, origin, number))
        ids.append(str(row.get("idx", row.get("id", number))))
        labels.append(row.get(label))
        if isinstance(labels[-1], list | dict):
            raise UserError(
                f"{origin} row {number}: the label {label} holds {type(labels[-1]).__name__}; "
                "a text has one label"
            )
    if not texts:
        raise UserError(f"{origin} has no rows; give a table with some")
    first = tuple(text[0] for text in texts)
    second = tuple(text[1] for text in texts) if len(columns) == 2 else None
    present = _present(labels, origin, label, classes, labelled=labelled)
    return Examples(tuple(ids), first, second, present, origin)


def _present(
    labels: list[Any], origin: str, name: str, classes: Sequence[str], *, labelled: bool
) -> tuple[Any, ...] | None:
    """The labels, None where the split has none; raises `UserError` where some must not miss."""
    missing = missing_labels(labels, classes)
    unlabelled = all(value in (UNLABELLED, str(UNLABELLED)) for value in labels)
    if unlabelled and labelled:
        raise UserError(
            f"{origin} has no labels: {name} is {UNLABELLED} in all of its rows, as in the test "
            "file of a benchmark, which --test takes; give a split that has them"
        )
    if not missing or unlabelled:
        return None if unlabelled else tuple(labels)
    first = f"row {missing[0]} has no label ({labels[missing[0]]!r})"
    count = f"{len(missing):,} of {len(labels):,} rows"
    if labelled:
        raise UserError(f"{origin} {first}: {count} in all; give each one, or leave them out")
    if len(missing) < len(labels):
        note(f"{origin} {first}: {count} in all; it is predicted and not scored")
    return None


def missing_labels(labels: Sequence[Any], classes: Sequence[str] = ()) -> list[int]:
    """The numbers of the rows without a label: with an empty cell, or what is written for one.

    -1 is none among names, or where the classes are known; among numbers a mark is none.
    """
    rest = [value for value in labels if not no_label(value, classes) and not _marks_none(value)]
    numbers = bool(rest) and all(_is_number(label_name(value)) for value in rest)
    names = any(not _is_number(label_name(value)) for value in rest)
    return [
        number
        for number, value in enumerate(labels)
        if no_label(value, classes)
        or ((classes or names) and value in (UNLABELLED, str(UNLABELLED)))
        or (numbers and _marks_none(value) and str(value).strip() not in classes)
    ]


def _marks_none(value: Any) -> bool:
    return isinstance(value, str) and value.strip().casefold() in MARKS_OF_NONE


def check_columns(row: Record, origin: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The columns given, or the usual ones that the record has; raises `UserError`."""
    if not columns:
        guesses = [guess for guess in GUESSES if all(name in row for name in guess)]
        if not guesses:
            raise UserError(
                f"{origin} has the columns {', '.join(row)}, none of which is known to hold text; "
                "name one or two with --columns"
            )
        return guesses[0]
    missing = [name for name in columns if name not in row]
    if missing:
        raise UserError(f"{origin} has no column {missing[0]}; it has {', '.join(row)} (--columns)")
    return tuple(columns)


def row_texts(row: Record, columns: Sequence[str], origin: str, number: int) -> tuple[str, ...]:
    """The record's text or texts; raises `UserError` for what is no text, or has none at all."""
    texts = []
    for column in columns:
        value = None if is_missing(row.get(column)) else row.get(column)
        if value is not None and not isinstance(value, str | int | float):
            raise UserError(
                f"{origin} row {number}: column {column} holds {type(value).__name__}, not text"
            )
        texts.append("" if value is None else clean(str(value)))
    if not any(text.strip() for text in texts):
        raise UserError(
            f"{origin} row {number} has an empty text ({', '.join(columns)}); "
            "fill it in or leave the row out"
        )
    return tuple(texts)


def clean(text: str) -> str:
    """Text without lone surrogates, which JSON can hold and no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def sorted_names(names: Iterable[str], origin: str) -> tuple[str, ...]:
    """The different ones, numbers in order of size, then names; raises `UserError` for too many."""
    different = set(names)
    if damaged := sorted(name for name in different if "\ufffd" in name):
        raise UserError(
            f"{origin} has the label {damaged[0]!r}, of which a character was not UTF-8; "
            "save the file in UTF-8"
        )
    if len(different) > MOST_CLASSES:
        raise UserError(
            f"{origin} has {len(different)} different labels; a classification has at most "
            f"{MOST_CLASSES}, or is it --task=regression?"
        )
    return tuple(sorted(different, key=lambda name: (not _is_number(name), _number(name), name)))


def class_names(examples: Examples) -> tuple[str, ...]:
    """The different labels of a training table, numbers in order of size, then names."""
    assert examples.labels is not None
    return sorted_names(map(label_name, examples.labels), examples.origin)


def class_numbers(examples: Examples, names: Sequence[str]) -> np.ndarray:
    """Labels as class numbers, int32; raises `UserError` for a label that is unknown."""
    assert examples.labels is not None
    known = {name: number for number, name in enumerate(names)}
    if not any(_is_number(name) for name in names):
        known |= {str(number): number for number in range(len(names))}
    numbers = np.empty(len(examples), np.int32)
    for row, value in enumerate(examples.labels):
        number = known.get(label_name(value))
        if number is None and label_name(value) == str(UNLABELLED):
            raise UserError(f"{examples.origin} row {row} has no label ({value!r}); leave it out")
        if number is None:
            raise UserError(
                f"{examples.origin} row {row} has the unknown label {value!r}; "
                f"the labels are {', '.join(names)}"
            )
        numbers[row] = number
    return numbers


def values(examples: Examples) -> np.ndarray:
    """Labels as values, float32; raises `UserError` for one that is no finite number."""
    assert examples.labels is not None
    numbers = np.empty(len(examples), np.float32)
    for row, value in enumerate(examples.labels):
        try:
            numbers[row] = float(value)
        except (TypeError, ValueError):
            numbers[row] = np.nan
        if not np.isfinite(numbers[row]):
            raise UserError(f"{examples.origin} row {row}: label {value!r} is no finite number")
    return numbers


def check_varied(labels: np.ndarray, names: Sequence[str], origin: str) -> None:
    """Refuse a training table with one class, or one value, only."""
    if len(np.unique(labels)) > 1:
        return
    only = names[int(labels[0])] if names else labels[0]
    raise UserError(f"{origin} has one label only, {only}; there is nothing to learn")


def is_missing(value: Any) -> bool:
    """Whether a cell is empty; a NaN is what pandas writes there."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def no_label(value: Any, classes: Sequence[str] = ()) -> bool:
    """Whether a label is missing: an empty cell, or what pandas reads, and writes, for one."""
    return is_missing(value) or (
        isinstance(value, str) and value.strip() in NO_LABEL and value.strip() not in classes
    )


def label_name(value: Any) -> str:
    """The label as text: 1, 1.0 and True are '1'."""
    if isinstance(value, bool | np.bool_ | np.integer):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = str(value).strip()
    return text[:-2] if text.endswith(".0") and _is_number(text) else text


def _is_number(name: str) -> bool:
    try:
        return math.isfinite(float(name))
    except ValueError:
        return False


def _number(name: str) -> float:
    return float(name) if _is_number(name) else 0.0
