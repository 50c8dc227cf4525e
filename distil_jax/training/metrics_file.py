"""metrics.jsonl: a JSON object per logged step, each step once however often a run was killed."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distil_jax.storage.atomic import write_text, writing


class MetricsFile:
    """Appends lines; what lies after the step a run restarts from is cut when it is opened."""

    def __init__(self, path: Path, *, restart_step: int) -> None:
        kept = [line for line in read(path) if line["step"] <= restart_step]
        self._path = path
        write_text(path, "".join(json.dumps(line) + "\n" for line in kept))
        with writing(path):
            self._file = open(path, "a")  # noqa: SIM115 open for the length of the run

    def append(self, values: Mapping[str, Any]) -> None:
        with writing(self._path):
            self._file.write(json.dumps(values) + "\n")
            self._file.flush()

    def sync(self) -> None:
        """Make sure that what was appended survives a power cut."""
        with writing(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The lines of a metrics file; what is behind a torn or damaged one is left out."""
    return parse(path.read_text("utf-8", "replace")) if path.exists() else []


def parse(content: str) -> list[dict[str, Any]]:
    """The lines of a metrics file's content."""
    lines: list[dict[str, Any]] = []
    for text in content.splitlines():
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            break
        if not isinstance(line, dict) or not isinstance(line.get("step"), int):
            break
        lines.append(line)
    return lines
