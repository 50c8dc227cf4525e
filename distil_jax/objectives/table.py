"""The objectives by name: the package's own, and those that a user's code adds."""

from importlib import import_module

from distil_jax.configuration import objective_table
from distil_jax.configuration.objective_table import OBJECTIVES, ObjectiveEntry
from distil_jax.configuration.schema import Loss
from distil_jax.objectives.objective import Objective

_registered: dict[str, Objective] = {}


def get(name: str) -> Objective:
    """The objective of a name in the table, with the defaults of its options."""
    if name in _registered:
        return _registered[name]
    return import_module(OBJECTIVES[name].module).OBJECTIVE


def active(loss: Loss) -> tuple[Objective, ...]:
    """Those whose weight is not 0 at every step, in the table's order."""
    return tuple(get(name).under(loss) for name in loss.active)


def measured(loss: Loss) -> tuple[Objective, ...]:
    """Those that validation measures: the active and the standard ones, in the table's order."""
    return tuple(
        objective.under(loss)
        for objective in map(get, OBJECTIVES)
        if objective.standard or loss.uses(objective.name)
    )


def register(
    objective: Objective,
    *,
    summary: str,
    weight: float = 0.0,
    title: str = "",
    label: str = "",
) -> None:
    """Add an objective of one's own; from then on `config.loss.NAME` is its weight.

    Call it before the config is read: in a config file of one's own, say, before `get_config`.
    Raises `ValueError` for a name that is taken.
    """
    entry = ObjectiveEntry(
        name=objective.name,
        module="",
        weight=weight,
        summary=summary,
        needs_teacher=objective.needs_teacher,
        title=title,
        label=label,
    )
    objective_table.register(entry)
    _registered[objective.name] = objective


def unregister(name: str) -> None:
    """Take away what `register` added."""
    objective_table.unregister(name)
    _registered.pop(name, None)
