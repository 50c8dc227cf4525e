"""Nested dicts of a config, and the same under dotted names."""

from collections.abc import Mapping
from typing import Any


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The leaves by their dotted names."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        below = isinstance(value, Mapping)
        leaves |= flat(value, f"{prefix}{name}.") if below else {f"{prefix}{name}": value}
    return leaves


def nested(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """The reverse of `flat`."""
    tree: dict[str, Any] = {}
    for name, value in leaves.items():
        *sections, last = name.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
        branch[last] = value
    return tree
