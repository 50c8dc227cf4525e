"""Sets of labels out of records: a list in one column, or a column of 0 and 1 for each label."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distil_jax.errors import UserError
from distil_jax.tasks import examples, list_text
from distil_jax.tasks.files import Record
from distil_jax.tasks.missing_labels import label_name, no_label, shown

LISTS = ("labels", "label", "tags", "categories", "classes", "emotions")
IDENTIFIERS = ("id", "idx", "index", "guid", "row", "comment_id", "", "unnamed: 0")
"""The last two are pandas' index."""
FLAGS: Mapping[str, bool | None] = {
    "0": False,
    "1": True,
    "0.0": False,
    "1.0": True,
    "false": False,
    "true": True,
    "-1": None,
    "-1.0": None,
    "": None,
    "none": None,
    "nan": None,
}
"""-1 stands for unknown in the test files of benchmarks."""


@dataclass(frozen=True)
class Layout:
    """Where a table's labels stand.

    Attributes:
      column: of the lists; empty where each label has a column of its own.
      names: of those columns.
    """

    column: str
    names: tuple[str, ...]


def layout(row: Record, origin: str, columns: Sequence[str], label: str) -> Layout:
    """The layout of a table, from its first record; raises `UserError` where there is none.

    `label` names the column of the lists, or the labels' columns with commas between them.
    """
    if "," in label and label not in row:
        names = tuple(name.strip() for name in label.split(",") if name.strip())
        return Layout("", tuple(examples.check_columns(row, origin, names)))
    column = label or next((name for name in LISTS if name in row), "")
    if column and column in row:
        return Layout(column, ())
    texts = examples.check_columns(row, origin, columns)
    others = [name for name in row if name not in texts and name.casefold() not in IDENTIFIERS]
    names = tuple(name for name in others if _key(row[name]) in FLAGS and not label)
    if not names:
        raise UserError(
            f"{origin} has no column of labels {label or 'nor columns of 0 and 1'}; "
            f"it has {', '.join(row)} (--label=COLUMN, or --label=A,B,C)"
        )
    return Layout("", names)


def records(rows: Iterable[Record], origin: str, shape: Layout) -> Iterator[Any]:
    """The records, with the names of each one's labels as a tuple in the column `label`.

    None stands for labels that are unknown. Raises `UserError` naming the row.
    """
    for number, row in enumerate(rows):
        where = f"{origin} row {number}"
        found = _of_list(row, shape.column, where) if shape.column else _of_flags(row, shape, where)
        yield {**row, "label": found}


def _of_list(row: Record, column: str, where: str) -> tuple[str, ...] | None:
    value = row.get(column)
    if no_label(value):
        return None
    items = value if isinstance(value, list) else _split(value, column, where)
    wrong = [item for item in items if not isinstance(item, str | int | float) or item == ""]
    if wrong:
        raise UserError(f"{where}: {column} holds {wrong[0]!r}, which is no label")
    if not items:
        raise UserError(
            f"{where}: {column} is an empty list; name a label, as one that says there is none, "
            "or give columns of 0 and 1, where a text may have no label"
        )
    names = [label_name(item) for item in items]
    if len({*names}) < len(names) and {*names} <= {"0", "1"}:
        raise UserError(
            f"{where}: {column} holds {shown(value)}, a 0 or 1 for each label; write the names or "
            "the numbers of the labels that are there, or give each a column of 0 and 1"
        )
    return tuple(dict.fromkeys(names))


def _split(value: Any, column: str, where: str) -> list[Any]:
    """Names in a text: a list, or names with commas, semicolons or bars between them."""
    items = list_text.from_text(value)
    if isinstance(items, list):
        return items
    if not isinstance(value, str):
        return [value]
    text = value.strip()
    if text.startswith("[") and text.endswith("]"):
        raise UserError(
            f"{where}: {column} holds {shown(value)}, which is no list; write "
            '["one", "another"], or names with commas between'
        )
    return [name.strip() for name in re.split(r"[,;|]", value)]


def _of_flags(row: Record, shape: Layout, where: str) -> tuple[str, ...] | None:
    flags = {}
    for name in shape.names:
        value = _key(row.get(name))
        if value not in FLAGS:
            raise UserError(
                f"{where}: column {name} holds {row[name]!r}; a label in a column of its own is "
                "0 or 1"
            )
        flags[name] = FLAGS[value]
    if any(flag is None for flag in flags.values()):
        return None
    return tuple(name for name, flag in flags.items() if flag)


def _key(value: Any) -> str:
    return str(value).strip().casefold()
