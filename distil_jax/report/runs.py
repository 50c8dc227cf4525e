"""A run as its folder tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distil_jax.configuration.declared import with_current_names
from distil_jax.errors import UserError
from distil_jax.report import files

TEACHER = "teacher"


@dataclass(frozen=True)
class Run:
    """What a report says of one run.

    Attributes:
      folder: the workdir as the user named it.
      config: config.json: the config under "run", and what the checkpoints belong to.
      models: held-out figures, sizes and rates by model; without `finished` those at the start.
      lines: metrics.jsonl.
      health: expected and seen values, and warnings; empty if the run wrote none.
      environment, cost: facts and amounts; empty in old runs.
    """

    name: str
    folder: str
    config: Mapping[str, Any]
    models: Mapping[str, Mapping[str, float | int]]
    initial: Mapping[str, float | int]
    lines: Sequence[Mapping[str, Any]]
    finished: bool = True
    total_steps: int = 0
    health: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, Any]:
        """The config by dotted key."""
        return with_current_names(flat(self.config.get("run", {})))

    @property
    def teacher(self) -> str:
        """What the config calls the teacher; empty if there is none."""
        return str(self.settings.get("teacher", ""))

    @property
    def student(self) -> Mapping[str, float | int]:
        """The figures of the trained student."""
        return list(self.models.values())[-1] if self.models else {}


def read(workdir: Path) -> Run:
    """The run of a folder; raises `UserError` naming the file that is missing or damaged."""
    if not (workdir / "config.json").is_file():
        raise UserError(f"{workdir} is no run's folder: it holds no config.json; give a --workdir")
    config = files.read_object(workdir / "config.json")
    files.part(config, "run", dict, workdir / "config.json")
    baseline = _models(workdir / "baseline.json") if _has(workdir, "baseline.json") else {}
    results: dict[str, Any] = {}
    if finished := _has(workdir, "results.json"):
        path = workdir / "results.json"
        results = files.read_object(path)
        files.part(results, "total_steps", int, path)
        check_models(files.part(results, "models", dict, path), path)
        for name in ("environment", "cost"):
            files.part({name: {}, **results}, name, dict, path)
    return Run(
        name=workdir.resolve().name or str(workdir),
        folder=str(workdir),
        config=config,
        models=results.get("models", baseline),
        initial=next(reversed(baseline.values()), {}),
        lines=_lines(workdir / "metrics.jsonl"),
        finished=finished,
        total_steps=results.get("total_steps", 0),
        health=health(workdir),
        environment=results.get("environment", {}),
        cost=results.get("cost", {}),
    )


def health(workdir: Path) -> dict[str, Any]:
    """health.json; empty for a run that wrote none. Raises `UserError` naming a damaged file."""
    path = workdir / "health.json"
    if not path.is_file():
        return {}
    found = files.read_object(path)
    for name in ("expected", "seen"):
        files.numbers(found.get(name, {}), path, f"the values {name}")
    warnings = found.get("warnings", [])
    good = isinstance(warnings, list) and all(
        isinstance(warning, dict) and isinstance(warning.get("message"), str)
        for warning in warnings
    )
    if not good:
        raise files.damaged(path, "its warnings are not a list of steps and messages")
    return found


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = isinstance(value, dict) and value
        found |= flat(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return found


def check_models(models: dict[str, Any], path: Path) -> None:
    """Raise `UserError` unless every model has figures by name."""
    for name, figures in models.items():
        files.numbers(figures, path, f"the figures of {name!r}")


def _has(workdir: Path, name: str) -> bool:
    return (workdir / name).is_file()


def _models(path: Path) -> dict[str, Any]:
    models = files.read_object(path)
    check_models(models, path)
    return models


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    lines = files.read_lines(path)
    for number, line in enumerate(lines, 1):
        files.numbers(line, path, f"the figures of line {number}")
        if not isinstance(line.get("step"), int):
            raise files.damaged(path, f"line {number} has no step")
    return lines
