"""Texts and labels out of records, checked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from distil_jax.errors import UserError
from distil_jax.notes import note
from distil_jax.tasks.files import Record
from distil_jax.tasks.missing_labels import (
    UNLABELLED,
    finite,
    is_missing,
    is_unlabelled,
    leave_out,
    missing_labels,
    shown,
)

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


@dataclass(frozen=True)
class Examples:
    """Texts, or pairs of texts, with their labels.

    Attributes:
      second: None where an example is one text.
      labels: class numbers or values, as text or number; None where the split has none.
      origin: file or data set, for messages.
      numbers: of the rows in there, from 0.
      left_out: rows that have no label and are not here.
      class_names: what numbers stand for among the labels, where the file says so.
    """

    ids: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...] | None
    labels: tuple[Any, ...] | None
    origin: str
    numbers: tuple[int, ...]
    left_out: int = 0
    class_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.first)

    @property
    def texts(self) -> tuple[str | tuple[str, str], ...]:
        """Each example's text, or pair of texts."""
        if self.second is None:
            return self.first
        return tuple(zip(self.first, self.second, strict=True))


def read(
    rows: Iterable[Record],
    origin: str,
    *,
    columns: Sequence[str],
    label: str,
    labelled: bool,
    classes: Sequence[str] = (),
    named: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> Examples:
    """The examples of a table; raises `UserError` for a missing column or an empty text.

    Args:
      columns: of the text or the two texts; empty: guessed from the first record.
      label: column of the label; "label" where there is none of that name: one of the usual ones.
      labelled: whether there must be labels: rows without one are left out, which is reported.
        Otherwise a missing column, one missing label or -1 throughout means none.
      classes: names of the task's classes, if they are known: none of them is a missing label.
      named: by column, the names that the file has for numbers.
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
        texts.append(_cells(row, columns, origin, number))
        ids.append(str(row.get("idx", row.get("id", number))))
        labels.append(row.get(label))
        if isinstance(labels[-1], list | dict):
            raise UserError(
                f"{origin} row {number}: the label {label} holds {type(labels[-1]).__name__}; "
                "a text has one label"
            )
    if not texts:
        raise UserError(f"{origin} has no rows; give a table with some")
    _check_texts(texts, columns, origin)
    first = tuple(text[0] for text in texts)
    second = tuple(text[1] for text in texts) if len(columns) == 2 else None
    numbers = tuple(range(len(texts)))
    table = Examples(
        tuple(ids),
        first,
        second,
        tuple(labels),
        origin,
        numbers,
        class_names=tuple(named.get(label, ())),
    )
    settle = _without_missing if labelled else _to_predict
    return settle(table, label, classes)


def _without_missing(table: Examples, name: str, classes: Sequence[str]) -> Examples:
    """The rows that have a label; says how many have none, and raises `UserError` if all."""
    assert table.labels is not None
    if all(map(is_unlabelled, table.labels)):
        raise UserError(
            f"{table.origin} has no labels: {name} is {UNLABELLED} in all of its rows, as in the "
            "test file of a benchmark, which --test takes; give a split that has them"
        )
    missing = missing_labels(table.labels, classes)
    if not missing:
        return table
    first = table.labels[missing[0]]
    numbers = [table.numbers[row] for row in missing]
    leave_out(numbers, len(table) + table.left_out, table.origin, name, first)
    return _chosen(table, sorted(set(range(len(table))) - set(missing)))


def _chosen(table: Examples, rows: Sequence[int]) -> Examples:
    assert table.labels is not None
    return replace(
        table,
        ids=tuple(table.ids[row] for row in rows),
        first=tuple(table.first[row] for row in rows),
        second=None if table.second is None else tuple(table.second[row] for row in rows),
        labels=tuple(table.labels[row] for row in rows),
        numbers=tuple(table.numbers[row] for row in rows),
        left_out=table.left_out + len(table) - len(rows),
    )


def _to_predict(table: Examples, name: str, classes: Sequence[str]) -> Examples:
    """A table that need not have labels: without any, if one of them is missing."""
    assert table.labels is not None
    missing = missing_labels(table.labels, classes)
    unlabelled = all(map(is_unlabelled, table.labels))
    if missing and not unlabelled and len(missing) < len(table):
        note(
            f"{table.origin} row {missing[0]} has no label ({name} is "
            f"{table.labels[missing[0]]!r}): {len(missing):,} of {len(table):,} rows in all; it is "
            "predicted and not scored"
        )
    return replace(table, labels=None) if missing or unlabelled else table


def of_classes(table: Examples, classes: Sequence[str], *, labelled: bool = True) -> Examples:
    """The same table where the classes have become known: -1 is none, if no class has that name.

    `labelled`: as `read` has it.
    """
    if table.labels is None or str(UNLABELLED) in classes:
        return table
    if not any(map(is_unlabelled, table.labels)):
        return table
    settle = _without_missing if labelled else _to_predict
    return settle(table, LABEL, classes)


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
    texts = _cells(row, columns, origin, number)
    if not any(text.strip() for text in texts):
        raise UserError(
            f"{origin} row {number} has an empty text ({', '.join(columns)}); "
            "fill it in or leave the row out"
        )
    return texts


def _cells(row: Record, columns: Sequence[str], origin: str, number: int) -> tuple[str, ...]:
    texts = []
    for column in columns:
        value = None if is_missing(row.get(column)) else row.get(column)
        if value is not None and not isinstance(value, str | int | float):
            raise UserError(
                f"{origin} row {number}: column {column} holds {type(value).__name__}, not text"
            )
        texts.append("" if value is None else clean(str(value)))
    return tuple(texts)


def _check_texts(texts: Sequence[tuple[str, ...]], columns: Sequence[str], origin: str) -> None:
    """Refuse labelled rows that say nothing: a wrong column is likelier than such texts."""
    empty = [row for row, parts in enumerate(texts) if not any(part.strip() for part in parts)]
    if empty:
        raise UserError(
            f"{origin} row {empty[0]} has an empty text ({', '.join(columns)}), {len(empty):,} of "
            f"{len(texts):,} rows in all; fill them in or leave them out"
        )


def clean(text: str) -> str:
    """Text without lone surrogates, which JSON can hold and no tokenizer takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def values(examples: Examples) -> np.ndarray:
    """Labels as values, float32; raises `UserError` for one that is no finite number."""
    assert examples.labels is not None
    numbers = np.empty(len(examples), np.float32)
    for row, value in enumerate(examples.labels):
        number = finite(value)
        if number is None:
            raise UserError(
                f"{examples.origin} row {examples.numbers[row]}: label {shown(value)} is no finite "
                "number"
            )
        numbers[row] = number
    return numbers


def check_varied(labels: np.ndarray, names: Sequence[str], origin: str) -> None:
    """Refuse a training table with one class, or one value, only."""
    if len(np.unique(labels)) > 1:
        return
    only = names[int(labels[0])] if names else labels[0]
    raise UserError(f"{origin} has one label only, {only}; there is nothing to learn")
