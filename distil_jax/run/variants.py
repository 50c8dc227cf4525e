"""The variants of a config that a sweep compares: without each loss, other starts, other layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distil_jax.configuration.objective_table import titles
from distil_jax.configuration.schema import Config, as_dict, from_mapping
from distil_jax.errors import UsageError, UserError
from distil_jax.models import choose_layers

ALL = "all losses"
RANDOM = "random initialisation"
LAYERS = "layers"
MAPS = ("evenly_spaced", "every_last")


@dataclass(frozen=True)
class Variant:
    """A name, and dotted config keys with their values."""

    name: str
    changes: Mapping[str, object]

    @property
    def folder(self) -> str:
        """The name as a folder's."""
        letters = "".join(letter if letter.isalnum() else "_" for letter in self.name.lower())
        return "_".join(filter(None, letters.split("_")))

    def apply(self, config: Config, *, seed: int) -> Config:
        """The config of this variant."""
        values = as_dict(config)
        for key, value in {**self.changes, "seed": seed}.items():
            _set(values, key, value)
        return from_mapping(values)


def variants(
    config: Config, teacher_layers: int, rules: Sequence[str] | None
) -> tuple[Variant, ...]:
    """The config as it is, then with one thing changed.

    `rules` choose layers; None takes the first, the last, and as many evenly spaced, those that
    equal the config's own left out. Raises `UsageError` for a config that has nothing to vary.
    """
    _check(config)
    compared = [Variant(ALL, {}), *_without_each(config)]
    compared.append(Variant(RANDOM, {"student.initialize": "random"}))
    unchanged = _chosen(config.student.layers, teacher_layers, "config.student.layers")
    asked = rules if rules is not None else ("first", "last", str(len(unchanged)))
    seen = {unchanged}
    for rule in asked:
        chosen = _chosen(_counted(rule, teacher_layers, len(unchanged)), teacher_layers, "--layers")
        if chosen not in seen:
            listed = ",".join(map(str, chosen)) + ("," if len(chosen) == 1 else "")
            name = f"{LAYERS} {', '.join(map(str, chosen))}"
            compared.append(Variant(name, {"student.layers": listed}))
            seen.add(chosen)
    return (*compared, *_other_maps(config))


def _other_maps(config: Config) -> list[Variant]:
    """Every objective of mapped layers under the other rules."""
    mapped = {name: config.loss.options.get(name, {}).get("layers") for name in config.loss.active}
    return [
        Variant(f"{titles()[name]}, {rule}", {f"loss.options.{name}.layers": rule})
        for name, own in mapped.items()
        for rule in MAPS
        if own is not None and own != rule
    ]


def _without_each(config: Config) -> list[Variant]:
    """Each objective removed, where there are several."""
    active = config.loss.active
    return [
        Variant(f"without {titles()[name]}", {f"loss.{name}": 0.0, f"loss.schedules.{name}": ""})
        for name in active
        if len(active) > 1
    ]


def _check(config: Config) -> None:
    if not config.teacher:
        raise UsageError("config.teacher is empty: without a teacher there is nothing to ablate")
    if config.targets and config.loss.of_vectors:
        raise UsageError(
            f"config.targets={config.targets} of sentence vectors hold nothing of the layers that "
            "a sweep compares; leave it empty"
        )
    if config.student.folder:
        raise UsageError(
            f"config.student.folder={config.student.folder} fixes where the student starts; "
            "leave it empty for a sweep"
        )
    if config.student.initialize != "teacher":
        raise UsageError(
            "config.student.initialize must be teacher: random initialisation is one of the "
            "variants"
        )


def _counted(rule: str, teacher_layers: int, count: int) -> str:
    """`first` and `last` as lists as long as the config's own choice."""
    lists = {"first": range(count), "last": range(teacher_layers - count, teacher_layers)}
    return ",".join(map(str, lists[rule])) + "," if rule in lists else rule


def _chosen(rule: str, teacher_layers: int, flag: str) -> tuple[int, ...]:
    try:
        return choose_layers(teacher_layers, rule)
    except UserError as error:
        raise UsageError(f"{flag}={rule}: {error}") from error


def _set(values: dict[str, Any], key: str, value: object) -> None:
    *path, last = key.split(".")
    for part in path:
        values = values[part]
    values[last] = value
