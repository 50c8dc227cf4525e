"""The steps of a run's checkpoints as files: which are there, intact, best, and to go."""

import glob
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from distil_jax.errors import UserError
from distil_jax.storage.address import is_url

ABOUT = "about.json"
STATE = "state"
DAMAGED = "damaged-"


@runtime_checkable
class Steps(Protocol):
    """Where checkpoints are kept; a step is present once it is complete and its digests written."""

    @property
    def address(self) -> str:
        """The folder of them all."""

    def present(self) -> list[int]:
        """The complete steps, in ascending order; their contents are not looked at."""

    def about(self, step: int) -> dict[str, Any] | None:
        """What `begin` wrote about a step, or None where that is not readable."""

    def begin(self, step: int, description: dict[str, Any]) -> None:
        """Begin to write a step that nobody sees yet."""

    def draft(self, step: int) -> str:
        """Where the arrays of a step are written that nobody sees yet."""

    def commit(self, step: int) -> None:
        """Write a complete step's digests, and show it."""

    def discard(self, step: int) -> None:
        """Remove what was written of a step that nobody sees yet."""

    def state(self, step: int) -> str:
        """Where the arrays of a present step are."""

    def retire(self, kept: Collection[int]) -> None:
        """Delete every step that is not kept."""

    def sweep(self) -> None:
        """Remove what a killed run left half written or half deleted."""

    def damage(self, step: int) -> str | None:
        """The first thing that is not as it was written, in a few words."""

    def set_aside(self, step: int) -> str:
        """Take a damaged step out of those present; returns where it is now."""


def check_path(folder: str | Path) -> None:
    """Refuse a folder that Orbax takes for a pattern, which finds nothing; raises `UserError`."""
    path = str(folder) if is_url(folder) else os.path.abspath(folder)
    if glob.escape(path) != path:
        raise UserError(
            f"{path} cannot hold checkpoints: Orbax takes a [, * or ? in its name for a pattern; "
            "name a folder without them"
        )


def ranked(steps: Steps, *, lower_is_better: bool) -> list[int]:
    """The steps that have a metric, best first; of equals the earlier one comes first."""
    sign = 1.0 if lower_is_better else -1.0
    metrics = {step: (steps.about(step) or {}).get("metric") for step in steps.present()}
    rated = {step: sign * metric for step, metric in metrics.items() if metric is not None}
    return sorted(rated, key=lambda step: (rated[step], step))


def latest_intact(steps: Steps) -> int | None:
    """The latest step whose digests agree; damaged ones are named on standard output, set aside."""
    for step in reversed(steps.present()):
        damage = steps.damage(step)
        if damage is None:
            return step
        aside = steps.set_aside(step)
        print(f"checkpoint {step} is damaged ({damage}); set aside as {aside}", flush=True)
    return None


def check_intact(steps: Steps, step: int) -> None:
    """Raise a `UserError` that names the step and what is there, if it is missing or damaged."""
    others = ", ".join(map(str, steps.present())) or "none"
    if step not in steps.present():
        raise UserError(f"{steps.address} has no step {step}; present: {others}")
    damage = steps.damage(step)
    if damage is not None:
        raise UserError(f"{steps.address}/{step} is damaged ({damage}); present: {others}")
