"""The names of a classifier's classes, by every key of config.json that gives them."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from distil_jax.errors import UserError
from distil_jax.notes import note

UNNAMED = re.compile(r"label_\d+", re.IGNORECASE)
LISTS = ("id2label", "labels", "label_names", "class_names", "classes", "label_list")
"""Keys under which names stand in order, or by their numbers."""
NUMBERED = ("label2id", "label_map", "label_to_id")
"""Keys under which numbers stand by their names."""


def read_labels(content: Mapping[str, Any], count: int) -> tuple[str, ...]:
    """Class names in order of their numbers; Hugging Face's LABEL_0, ... where there are none.

    A name that several classes have gets the class's number behind it. Raises `UserError` where
    two keys name the classes in different ways.
    """
    found = {
        **{key: _in_order(content.get(key), count) for key in LISTS},
        **{key: _by_name(content.get(key), count) for key in NUMBERED},
    }
    given = {key: names for key, names in found.items() if names and not unnamed(names)}
    if not given:
        _mention(content, count)
        return tuple(f"LABEL_{number}" for number in range(count))
    (key, names), *others = given.items()
    for other, theirs in others:
        if theirs != names and len(set(names)) == len(names):
            raise UserError(
                f"config.json: {key} names the classes {', '.join(names)}, {other} "
                f"{', '.join(theirs)}; correct one of the two"
            )
    return tuple(
        f"{name} ({number})" if names.count(name) > 1 else name for number, name in enumerate(names)
    )


def unnamed(labels: Sequence[str]) -> bool:
    """Whether these are LABEL_0, LABEL_1, ..., which say no more than how many there are."""
    return all(map(UNNAMED.fullmatch, labels))


def _in_order(names: Any, count: int) -> list[str]:
    """The names of a list, or of a mapping from numbers; empty if there are not `count`."""
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, Mapping):
        return []
    by_number = {str(number): name for number, name in names.items()}
    if sorted(by_number) != sorted(map(str, range(count))):
        return []
    return [_named(by_number[str(number)]) for number in range(count)]


def _named(name: Any) -> str:
    """A name as text; a boolean is what JSON makes of it where it is a key, as in label2id."""
    return json.dumps(name) if isinstance(name, bool) else str(name)


def _by_name(numbers: Any, count: int) -> list[str]:
    """The names of a mapping to numbers, in their order; empty if there are not `count`."""
    if not isinstance(numbers, Mapping):
        return []
    return _in_order({str(number): name for name, number in numbers.items()}, count)


def _mention(content: Mapping[str, Any], count: int) -> None:
    """Say that there are names which are not for this head's number of classes."""
    for key in ("id2label", "label2id"):
        names = content.get(key)
        if not isinstance(names, Mapping | list) or not names:
            continue
        if len(names) != count:
            note(f"config.json: {key} has {len(names)} names, the classifier {count} classes")
            return
        given = names.values() if isinstance(names, Mapping) and key == "id2label" else names
        if not unnamed([str(name) for name in given]):
            note(
                f"config.json: {key} does not number the {count} classes from 0; they are called "
                "LABEL_0, ..."
            )
            return
