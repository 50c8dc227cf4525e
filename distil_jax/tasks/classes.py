"""The classes of a table: their names, and the number that each label stands for."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from distil_jax.errors import UserError
from distil_jax.tasks.examples import Examples
from distil_jax.tasks.missing_labels import is_number, label_name

MOST_CLASSES = 1000


def have_names(classes: Iterable[str]) -> bool:
    """Whether the classes have names: where one is a number, each label stands for itself."""
    return not any(map(is_number, classes))


def names_in_data(named: Mapping[str, Sequence[str]], columns: Sequence[str]) -> tuple[str, ...]:
    """What the numbers of the first of these columns stand for, if it says so."""
    names = next((tuple(named[column]) for column in columns if column in named), ())
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


def numbers_of(names: Sequence[str], *, ordered: bool) -> dict[str, int]:
    """The number of each class by its name, and where they are `ordered` by its number, too."""
    known = {name: number for number, name in enumerate(names)}
    if ordered and have_names(names):
        known |= {str(number): number for number in range(len(names))}
    return known


def class_numbers(table: Examples, names: Sequence[str], *, ordered: bool = True) -> np.ndarray:
    """Labels as class numbers, int32; raises `UserError` for a label that is unknown.

    A number may stand for a name where the names are `ordered`, by a task or a model: in the
    alphabet's order it would name any of them.
    """
    assert table.labels is not None
    known = numbers_of(names, ordered=ordered)
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
