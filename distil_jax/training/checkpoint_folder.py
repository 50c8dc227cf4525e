"""The checkpoints of a run in a folder of a file system.

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

from distil_jax.storage import atomic, digests
from distil_jax.training.checkpoint_steps import ABOUT, DAMAGED, STATE

WRITING, DELETING = ".writing-", ".deleting-"


class FolderSteps:
    """Implements `checkpoint_steps.Steps`."""

    def __init__(self, folder: Path) -> None:
        self._folder = Path(os.path.abspath(folder))

    @property
    def address(self) -> str:
        return str(self._folder)

    def present(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        return sorted(int(path.name) for path in self._folder.iterdir() if path.name.isdecimal())

    def about(self, step: int) -> dict[str, Any] | None:
        try:
            return json.loads((self._folder / str(step) / ABOUT).read_text(encoding="utf8"))
        except (OSError, ValueError):
            return None

    def begin(self, step: int, description: dict[str, Any]) -> None:
        staging = self._staging(step)
        staging.mkdir(parents=True)
        atomic.put(staging / ABOUT, json.dumps(description, indent=1).encode())

    def draft(self, step: int) -> str:
        return str(self._staging(step) / STATE)

    def commit(self, step: int) -> None:
        staging = self._staging(step)
        digests.write(staging)
        atomic.publish(staging, self._folder / str(step))

    def discard(self, step: int) -> None:
        shutil.rmtree(self._staging(step), ignore_errors=True)

    def state(self, step: int) -> str:
        return str(self._folder / str(step) / STATE)

    def retire(self, kept: Collection[int]) -> None:
        for step in self.present():
            if step not in kept:
                condemned = self._folder / f"{DELETING}{step}"
                os.replace(self._folder / str(step), condemned)
                shutil.rmtree(condemned, ignore_errors=True)

    def sweep(self) -> None:
        for path in self._folder.iterdir() if self._folder.is_dir() else ():
            if path.name.startswith((WRITING, DELETING)):
                shutil.rmtree(path)

    def damage(self, step: int) -> str | None:
        return digests.damage(self._folder / str(step))

    def set_aside(self, step: int) -> str:
        """Where renaming is not allowed the step stays, and is passed over every time."""
        suffixes = ["", *(f"-{number}" for number in range(2, 1000))]
        names = [self._folder / f"{DAMAGED}{step}{suffix}" for suffix in suffixes]
        aside = next(name for name in names if not name.exists())
        try:
            os.replace(self._folder / str(step), aside)
        except OSError as error:
            return f"nothing: {atomic.refusal(self._folder / str(step), error)}"
        return str(aside)

    def _staging(self, step: int) -> Path:
        return self._folder / f"{WRITING}{step}"
