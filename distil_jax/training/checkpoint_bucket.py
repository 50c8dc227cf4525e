"""The checkpoints of a run in a bucket, which has no renaming.

The objects have the names of `checkpoint_folder`'s files, and are written under the step's number
from the first on. A step is present from the moment its digests.json is there, which is written
last and removed first.
"""

import json
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from distil_jax.errors import UserError
from distil_jax.storage import digests
from distil_jax.storage.bucket import Bucket
from distil_jax.training.checkpoint_steps import ABOUT, DAMAGED, STATE

READ_AT_ONCE = 8


class BucketSteps:
    """Implements `checkpoint_steps.Steps`."""

    def __init__(self, url: str) -> None:
        self._bucket = Bucket(url)

    @property
    def address(self) -> str:
        return self._bucket.address

    def present(self) -> list[int]:
        parts = (name.split("/") for name in self._bucket.sizes())
        return sorted(
            int(step) for step, *rest in parts if rest == [digests.FILE] and step.isdecimal()
        )

    def about(self, step: int) -> dict[str, Any] | None:
        try:
            return json.loads(self._bucket.read(f"{step}/{ABOUT}"))
        except (FileNotFoundError, ValueError):
            return None

    def begin(self, step: int, description: dict[str, Any]) -> None:
        self._bucket.write(f"{step}/{ABOUT}", json.dumps(description, indent=1).encode())

    def draft(self, step: int) -> str:
        return self.state(step)

    def commit(self, step: int) -> None:
        sizes = self._bucket.sizes(str(step))
        with ThreadPoolExecutor(READ_AT_ONCE) as threads:
            entries = list(threads.map(self._entry, sizes.keys(), sizes.values()))
        names = (name.removeprefix(f"{step}/") for name in sizes)
        table = digests.table(dict(zip(names, entries, strict=True)))
        self._bucket.write(f"{step}/{digests.FILE}", table.encode())

    def discard(self, step: int) -> None:
        """What a store that is out of reach keeps of it, the next run's `sweep` removes."""
        with suppress(UserError):
            if step not in self.present():
                self._bucket.remove_all(str(step))

    def state(self, step: int) -> str:
        return f"{self.address}/{step}/{STATE}"

    def retire(self, kept: Collection[int]) -> None:
        for step in self.present():
            if step not in kept:
                self._bucket.remove(f"{step}/{digests.FILE}")
                self._bucket.remove_all(str(step))

    def sweep(self) -> None:
        present = {str(step) for step in self.present()}
        begun = {name.split("/")[0] for name in self._bucket.sizes()}
        for step in begun - present:
            if step.isdecimal():
                self._bucket.remove_all(step)

    def damage(self, step: int) -> str | None:
        sizes = self._bucket.sizes(str(step))

        def fault(name: str, entry: dict[str, Any]) -> str | None:
            if (size := sizes.get(f"{step}/{name}")) is None:
                return "is missing"
            with self._bucket.open(f"{step}/{name}") as file:
                return digests.fault(file, size, entry)

        def faults(entries: dict[str, Any]) -> list[tuple[str, str | None]]:
            with ThreadPoolExecutor(READ_AT_ONCE) as threads:
                outcomes = threads.map(fault, entries.keys(), entries.values())
                return list(zip(entries, outcomes, strict=True))

        return digests.compared(partial(self._bucket.read, f"{step}/{digests.FILE}"), faults)

    def set_aside(self, step: int) -> str:
        taken = {name.split("/")[0] for name in self._bucket.sizes()}
        suffixes = ["", *(f"-{number}" for number in range(2, 1000))]
        names = [f"{DAMAGED}{step}{suffix}" for suffix in suffixes]
        aside = next(name for name in names if name not in taken)
        marker = f"{step}/{digests.FILE}"
        self._bucket.write(f"{aside}/{digests.FILE}", self._bucket.read(marker))
        self._bucket.remove(marker)
        self._bucket.move_all(str(step), aside)
        return f"{self.address}/{aside}"

    def _entry(self, name: str, size_bytes: int) -> dict[str, int | str]:
        with self._bucket.open(name) as file:
            return {"bytes": size_bytes, "sha256": digests.sha256(file)}
