"""The classes of a table: their names, and the number that each label stands for."""

from collections.abc import Iterable, Sequence

import numpy as np

from distil_jax.errors import UserError
from distil_jax.notes import note
from distil_jax.tasks.examples import Examples
from distil_jax.tasks.missing_labels import is_number, label_name

MOST_CLASSES = 1000


def have_names(classes: Iterable[str]) -> bool:
    """Whether the classes have names: where one is a number, each label stands for itself."""
    return not any(map(is_number, classes))


def names_in_data(training: Examples | None) -> tuple[str, ...]:
    """What the numbers of a training table stand for, if it says so."""
    names = () if training is None else training.class_names
    return names if have_names(names) else ()


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
    return tuple(sorted(different, key=lambda name: (not is_number(name), _number(name), name)))


def class_names(table: Examples) -> tuple[str, ...]:
    """The different labels of a training table, numbers in order of size, then names."""
    assert table.labels is not None
    return sorted_names(map(label_name, table.labels), table.origin)


def numbers_of(table: Examples, names: Sequence[str], *, ordered: bool) -> dict[str, int]:
    """The number of each class by what the table may call it: its name, or a number.

    A number is that of a name that the file has for it; where it has none of these, and they are
    `ordered`, it is the class's own.
    """
    known = {name: number for number, name in enumerate(names)}
    if not have_names(names):
        return known
    folded = {name.casefold(): number for name, number in known.items()} | known
    own = {
        str(number): folded.get(name, folded.get(name.casefold()))
        for number, name in enumerate(table.class_names)
    }
    if found := {number: place for number, place in own.items() if place is not None}:
        return known | found
    if ordered and table.class_names:
        note(
            f"{table.origin}: its classes {', '.join(table.class_names)} are taken for "
            f"{', '.join(names)}, in this order"
        )
    return known | {str(number): number for number in range(len(names) if ordered else 0)}


def class_numbers(table: Examples, names: Sequence[str], *, ordered: bool = True) -> np.ndarray:
    """Labels as class numbers, int32; raises `UserError` for a label that is unknown.

    A number may stand for a name where the file says for which, or where the names are `ordered`,
    by a task or a model: in the alphabet's order it would name any of them.
    """
    assert table.labels is not None
    known = numbers_of(table, names, ordered=ordered)
    numbers = np.empty(len(table), np.int32)
    for row, value in enumerate(table.labels):
        number = known.get(label_name(value))
        if number is None:
            numbered = have_names(names) and is_number(label_name(value))
            advice = ": write the names here, too" if numbered else ""
            raise UserError(
                f"{table.origin} row {table.numbers[row]} has the unknown label {value!r}; "
                f"the labels are {', '.join(names)}{advice}"
            )
        numbers[row] = number
    return numbers


def _number(name: str) -> float:
    return float(name) if is_number(name) else 0.0
