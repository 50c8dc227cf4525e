"""The classes of a table: their names, and the number that each label stands for."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from distil_jax.errors import UserError
from distil_jax.notes import note
from distil_jax.pretrained.labels import unnamed
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


def number_of(
    table: Examples, names: Sequence[str], *, ordered: bool
) -> Callable[[str], int | None]:
    """The number of a class by what the table calls it: its name, in whatever case, or a number.

    A number is that of a name that the file has for it; where it has none of these, and they are
    `ordered`, it is the class's own.
    """
    of_name = _by_name(names)
    if not have_names(names):
        return of_name
    in_order = {str(number): number for number in range(len(names) if ordered else 0)}
    numbers = _own_numbers(table, names) or in_order
    return lambda name: numbers.get(name, of_name(name))


def _by_name(names: Sequence[str]) -> Callable[[str], int | None]:
    exact = {name: number for number, name in enumerate(names)}
    folded = {name.casefold(): number for name, number in exact.items()}
    if len(folded) < len(names):
        return exact.get
    return lambda name: folded.get(name.casefold())


def _own_numbers(table: Examples, names: Sequence[str]) -> dict[str, int]:
    """The number of each class by that which the file has for its name."""
    own = map(_by_name(names), table.class_names)
    return {str(number): place for number, place in enumerate(own) if place is not None}


def mention_order(tables: Iterable[Examples], names: Sequence[str], *, fixed: bool) -> None:
    """Say which classes the numbers of tables are taken for, where an order alone says it.

    `fixed`: the task says what its numbers are.
    """
    for table in tables:
        numbered = any(is_number(label_name(label)) for label in table.labels or ())
        guessed = numbered and not fixed and not unnamed(names)
        given = table.class_names or tuple(map(str, range(len(names) if guessed else 0)))
        if given and have_names(names) and not _own_numbers(table, names):
            note(
                f"{table.origin}: the labels {', '.join(given)} are taken for {', '.join(names)}, "
                "in this order"
            )


def class_numbers(table: Examples, names: Sequence[str], *, ordered: bool = True) -> np.ndarray:
    """Labels as class numbers, int32; raises `UserError` for a label that is unknown.

    A number may stand for a name where the file says for which, or where the names are `ordered`,
    by a task or a model: in the alphabet's order it would name any of them.
    """
    assert table.labels is not None
    find = number_of(table, names, ordered=ordered)
    numbers = np.empty(len(table), np.int32)
    for row, value in enumerate(table.labels):
        number = find(label_name(value))
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
