"""The `loss` section of a config: the weight, the schedule and the options of every objective."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from distil_jax.configuration.objective_table import OBJECTIVES
from distil_jax.configuration.schedule_text import parse

TEMPERATURE = "temperature"


@dataclass(frozen=True)
class Loss:
    """Objectives by name, in the order of their table, and what they share.

    Attributes:
      weights: of every objective; 0 where it is not used.
      schedules: the text of every weight's schedule, and of the temperature's; empty: constant.
      options: of every objective that has some.
    """

    weights: Mapping[str, float]
    temperature: float
    schedules: Mapping[str, str]
    positions: str
    chunk: int
    options: Mapping[str, Mapping[str, Any]]

    @property
    def active(self) -> tuple[str, ...]:
        """The objectives with a weight other than 0 at any step."""
        return tuple(filter(self.uses, self.weights))

    @property
    def of_vectors(self) -> bool:
        """Whether sentence models are trained: an active objective is of sentences' vectors."""
        return any(map(_is_of_vectors, self.active))

    @property
    def group_rows(self) -> int:
        """Rows that are computed together: active objectives compare their sentences; else 1."""
        options = [self.options.get(name, {}) for name in self.active if _is_of_vectors(name)]
        return math.lcm(*(int(chosen.get("rows", 1)) for chosen in options))

    def weight(self, name: str) -> float:
        """An objective's constant weight, which a schedule replaces."""
        return self.weights[name]

    def schedule(self, name: str) -> str:
        """The schedule of an objective's weight, or of the `temperature`; empty: constant."""
        return self.schedules[name]

    def option(self, name: str, key: str) -> Any:
        """The value of an option of an objective."""
        return self.options[name][key]

    def uses(self, name: str) -> bool:
        """Whether an objective has a weight other than 0 at any step."""
        points = parse(self.schedules[name])
        return any(value for _, value in points) if points else bool(self.weights[name])

    def at_last(self, name: str) -> float:
        """A weight at the end of a run: the last one of its schedule, else the constant."""
        points = parse(self.schedules[name])
        return points[-1][1] if points else self.weights[name]

    def as_dict(self) -> dict[str, Any]:
        """The section as users write it."""
        values = asdict(self)
        weights, options = values.pop("weights"), values.pop("options")
        return {**weights, **values} | ({"options": options} if options else {})


def _is_of_vectors(name: str) -> bool:
    return name in OBJECTIVES and OBJECTIVES[name].of_vectors


def loss(section: Mapping[str, Any]) -> Loss:
    """From the section as users write it, already checked.

    Objectives that are not registered here, as an export may find them in a checkpoint, come last.
    """
    scheduled = [name for name in section["schedules"] if name != TEMPERATURE]
    names = [*OBJECTIVES, *(name for name in scheduled if name not in OBJECTIVES)]
    return Loss(
        weights={name: section[name] for name in names},
        temperature=section[TEMPERATURE],
        schedules={name: section["schedules"][name] for name in (*names, TEMPERATURE)},
        positions=section["positions"],
        chunk=section["chunk"],
        options=section.get("options", {}),
    )
