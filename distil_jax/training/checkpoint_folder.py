"""The folder of a run's checkpoints as files: which steps are there, intact, best, and to go.

    300/state/         the arrays (Orbax)
    300/about.json     step, metric, the run's config, each array's shape and dtype
    300/digests.json   size and SHA-256 of every file above
    damaged-200/       a step whose files are no longer what was written, set aside

A step appears under its number only when it is complete and its digests are written. `.writing-*`
and `.deleting-*` are what a killed run left.
"""

import json
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.training import digests
from distil_jax.training.workdir import flush_folder, refusal, write_text

ABOUT = "about.json"
DAMAGED, WRITING, DELETING = "damaged-", ".writing-", ".deleting-"


def present(folder: Path) -> list[int]:
    """The complete steps, in ascending order; their contents are not looked at."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if path.name.isdecimal())


def about(folder: Path, step: int) -> dict[str, Any] | None:
    """What `begin` wrote about a step, or None where that is not readable."""
    try:
        return json.loads((folder / str(step) / ABOUT).read_text(encoding="utf8"))
    except (OSError, ValueError):
        return None


def ranked(folder: Path, *, lower_is_better: bool) -> list[int]:
    """The steps that have a metric, best first, the later one of equals before the other."""
    sign = 1.0 if lower_is_better else -1.0
    metrics = {step: (about(folder, step) or {}).get("metric") for step in present(folder)}
    rated = {step: sign * metric for step, metric in metrics.items() if metric is not None}
    return sorted(rated, key=lambda step: (rated[step], -step))


def begin(folder: Path, step: int, description: dict[str, Any]) -> Path:
    """Make the hidden folder in which a step is written."""
    staging = folder / f"{WRITING}{step}"
    staging.mkdir(parents=True)
    write_text(staging / ABOUT, json.dumps(description, indent=1))
    return staging


def commit(folder: Path, step: int, staging: Path) -> None:
    """Write a complete step's digests, then show it under its number."""
    digests.write(staging)
    flush_folder(staging)
    os.replace(staging, folder / str(step))
    flush_folder(folder)


def retire(folder: Path, kept: Collection[int]) -> None:
    """Delete every step that is not kept."""
    for step in present(folder):
        if step not in kept:
            condemned = folder / f"{DELETING}{step}"
            os.replace(folder / str(step), condemned)
            shutil.rmtree(condemned, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what a killed run left half written or half deleted."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.startswith((WRITING, DELETING)):
            shutil.rmtree(path)


def latest_intact(folder: Path) -> int | None:
    """The latest step whose digests agree; damaged ones are named on standard output, set aside."""
    for step in reversed(present(folder)):
        damage = digests.damage(folder / str(step))
        if damage is None:
            return step
        aside = _set_aside(folder / str(step))
        print(f"checkpoint {step} is damaged ({damage}); set aside as {aside}", flush=True)
    return None


def check_intact(folder: Path, step: int) -> None:
    """Raise a `UserError` that names the step and what is there, if it is missing or damaged."""
    others = ", ".join(map(str, present(folder))) or "none"
    if step not in present(folder):
        raise UserError(f"{folder} has no step {step}; present: {others}")
    damage = digests.damage(folder / str(step))
    if damage is not None:
        raise UserError(f"{folder / str(step)} is damaged ({damage}); present: {others}")


def _set_aside(path: Path) -> str:
    """Rename a damaged step; where that is not allowed it stays, and is passed over every time."""
    suffixes = ["", *(f"-{number}" for number in range(2, 1000))]
    names = [path.with_name(f"{DAMAGED}{path.name}{suffix}") for suffix in suffixes]
    aside = next(name for name in names if not name.exists())
    try:
        os.replace(path, aside)
    except OSError as error:
        return f"nothing: {refusal(path, error)}"
    return str(aside)
