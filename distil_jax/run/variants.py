"""The variants of a run that a sweep compares: what each changes of its config."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distil_jax.configuration.schema import Config, as_dict, from_mapping
from distil_jax.errors import UsageError, UserError
from distil_jax.training.assemble import parse_layers

ALL = "all losses"
REMOVED = {
    "without soft targets": "soft_target",
    "without cosine": "cosine",
    "without masked LM": "masked_lm",
}
RANDOM = "random initialisation"
LAYERS = "layers"


@dataclass(frozen=True)
class Variant:
    """A name, and dotted config keys with their values."""

    name: str
    changes: Mapping[str, object]

    @property
    def folder(self) -> str:
        """The name as a folder's."""
        kept = "".join(letter if letter.isalnum() else "_" for letter in self.name.lower())
        return "_".join(filter(None, kept.split("_")))

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
    found = [Variant(ALL, {})]
    left = {name: term for name, term in REMOVED.items() if config.loss.uses(term)}
    if len(left) > 1:
        found += [
            Variant(name, {f"loss.{term}": 0.0, f"loss.schedules.{term}": ""})
            for name, term in left.items()
        ]
    found.append(Variant(RANDOM, {"student.initialize": "random"}))
    own = _chosen(config.student.layers, teacher_layers, "config.student.layers")
    asked = rules if rules is not None else ("first", "last", str(len(own)))
    seen = {own}
    for rule in asked:
        chosen = _chosen(_counted(rule, teacher_layers, len(own)), teacher_layers, "--layers")
        if chosen not in seen:
            listed = ",".join(map(str, chosen)) + ("," if len(chosen) == 1 else "")
            name = f"{LAYERS} {', '.join(map(str, chosen))}"
            found.append(Variant(name, {"student.layers": listed}))
            seen.add(chosen)
    return tuple(found)


def _check(config: Config) -> None:
    if not config.teacher:
        raise UsageError("config.teacher is empty: without a teacher there is nothing to ablate")
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
        return parse_layers(rule, teacher_layers)
    except UserError as error:
        raise UsageError(f"{flag}={rule}: {error}") from error


def _set(values: dict[str, Any], key: str, value: object) -> None:
    *path, last = key.split(".")
    for part in path:
        values = values[part]
    values[last] = value
