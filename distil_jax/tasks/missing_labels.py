"""Labels that are none: which rows of a table have one, and what is said of the others."""

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from distil_jax.errors import UserError
from distil_jax.notes import note

UNLABELLED = -1
MOST_SHOWN = 60
LARGEST = float(np.finfo(np.float32).max)
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
"""What stands for no label where all others are numbers, or where the classes are known."""
DASH = "-"
"""Alone among words it is none, as in SNLI and MNLI; beside a + it is a class."""


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
    return text[:-2] if text.endswith(".0") and is_number(text) else text


def is_number(name: str) -> bool:
    """Whether a label is a finite number."""
    try:
        return math.isfinite(float(name))
    except ValueError:
        return False


def finite(value: Any) -> float | None:
    """A number that float32 holds; None for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) <= LARGEST else None


def shown(value: Any) -> str:
    """A value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def is_unlabelled(value: Any) -> bool:
    """Whether a label is the -1 that stands for none in the test files of benchmarks."""
    return label_name(value) == str(UNLABELLED)


def missing_labels(labels: Sequence[Any], classes: Sequence[str] = ()) -> list[int]:
    """The numbers of the rows without a label: with an empty cell, or what is written for one.

    -1 is none among names, or where the classes are known and it is not one of them; a mark is none
    among numbers, or where the classes are known, and a dash among words.
    """
    rest = [value for value in labels if not no_label(value, classes) and not _marks_none(value)]
    numbers = bool(rest) and all(is_number(label_name(value)) for value in rest)
    names = any(not is_number(label_name(value)) for value in rest)
    minus_one_is_none = (bool(classes) or names) and str(UNLABELLED) not in classes
    marks_are_none = numbers or bool(classes)
    dash_is_none = bool(rest) and all(any(map(str.isalpha, label_name(value))) for value in rest)

    def is_none(value: Any) -> bool:
        return (
            no_label(value, classes)
            or (minus_one_is_none and is_unlabelled(value))
            or (marks_are_none and _marks_none(value) and str(value).strip() not in classes)
            or (dash_is_none and value == DASH and DASH not in classes)
        )

    return [number for number, value in enumerate(labels) if is_none(value)]


def _marks_none(value: Any) -> bool:
    return isinstance(value, str) and value.strip().casefold() in MARKS_OF_NONE


def leave_out(rows: Collection[int], count: int, origin: str, label: str, value: Any) -> None:
    """Say which rows of `count` are left out, the first of which has `value` for its label.

    Raises `UserError` if there is no other row.
    """
    if len(rows) == count:
        raise UserError(
            f"{origin} has no labels: {label} is {value!r} in row {min(rows)}, and none in any "
            "other; give a split that has them"
        )
    if rows:
        note(
            f"{origin}: {len(rows):,} of {count:,} rows have no label and are left out, the first "
            f"of them row {min(rows)} ({label} is {value!r})"
        )
