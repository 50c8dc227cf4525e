"""What differs between the config that a checkpoint holds and the one that wants to resume it."""

import json
from collections.abc import Iterable
from typing import Any


def difference(
    saved: dict[str, Any], current: dict[str, Any], *, ignore: Iterable[str] = ()
) -> list[str]:
    """What changed between two nested dicts, one line a key: dotted name, saved and current value.

    Compared as JSON holds them, so a tuple equals a list. A name in `ignore` covers all below it.
    """
    before, now = _flat(_plain(saved)), _flat(_plain(current))
    prefixes = tuple(f"{name}." for name in ignore)
    return [
        f"{key} was {_shown(before, key)} and is {_shown(now, key)}"
        for key in sorted(before.keys() | now.keys())
        if not f"{key}.".startswith(prefixes) and _shown(before, key) != _shown(now, key)
    ]


def _shown(values: dict[str, Any], key: str) -> str:
    return json.dumps(values[key]) if key in values else "absent"


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for key, value in tree.items():
        nested = isinstance(value, dict) and value
        leaves |= _flat(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return leaves


def _plain(tree: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(tree))
