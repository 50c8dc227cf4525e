"""Every key there is: those that `configs/base.py` lists, and those of registered objectives."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from distil_jax.configuration import shipped
from distil_jax.configuration.key import Key
from distil_jax.configuration.objective_table import OBJECTIVES, ObjectiveEntry


def declared() -> tuple[Key, ...]:
    """The keys of a config, with type, default, bounds, documentation, and who may change them."""
    return complete(shipped.base().KEYS)


def complete(listed: tuple[Key, ...]) -> tuple[Key, ...]:
    """The listed keys, and those of every objective that are not among them."""
    names = {key.name for key in listed}
    return (*listed, *(key for key in of_objectives() if key.name not in names))


def of_objectives() -> list[Key]:
    """What the table of objectives brings: weights, schedules, options."""
    return [key for entry in OBJECTIVES.values() for key in _keys(entry)]


def _keys(entry: ObjectiveEntry) -> Iterable[Key]:
    name = entry.name
    yield Key(f"loss.{name}", entry.weight, f"Weight: {entry.summary}.", at_least=0)
    yield Key(f"loss.schedules.{name}", "", f"Schedule of the weight of {name}.")
    for option in entry.options:
        yield dataclasses.replace(option, name=f"loss.options.{name}.{option.name}")


def free_to_change() -> tuple[str, ...]:
    """The keys that a resumed run may change."""
    return tuple(key.name for key in declared() if key.free)


def renamed() -> dict[str, str]:
    """Today's name of every key by the one it had in earlier versions."""
    return {key.was: key.name for key in declared() if key.was}


def nearest(name: str) -> str | None:
    """The key that was probably meant by an unknown one."""
    current = {key.name: key.name for key in declared()} | renamed()
    found = difflib.get_close_matches(name, current, n=1, cutoff=0.5)
    last = [key for key in current if key.split(".")[-1] == name.split(".")[-1]]
    return current[(found or last)[0]] if found or last else None


def with_current_names(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted names, those under earlier names put in the place of today's defaults."""
    earlier = {
        key.was: key.name
        for key in declared()
        if key.was in leaves and leaves.get(key.name, key.default) == key.default
    }
    current = {name: value for name, value in leaves.items() if name not in earlier}
    return current | {name: leaves[was] for was, name in earlier.items()}
