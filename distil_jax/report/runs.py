"""A run, read from its folder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distil_jax.configuration.declared import with_current_names
from distil_jax.configuration.objective_table import labels
from distil_jax.errors import UserError
from distil_jax.report import json_files

TEACHER = "teacher"
OBJECTIVES = "objectives.json"
"""The label of each objective by name, as the run's process knew them."""


@dataclass(frozen=True)
class Run:
    """What a report says of one run.

    Attributes:
      folder: the workdir as the user named it.
      config: config.json: the config under "run", and what the checkpoints belong to.
      models: held-out figures, sizes and rates by model; without `finished` those at the start.
      lines: metrics.jsonl.
      health: expected and seen values, and warnings; empty if the run wrote none.
      environment, cost, layers, teacher_shape: facts and amounts; empty in old runs.
      objectives: the label of each by name; those of this version in old runs.
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
    objectives: Mapping[str, str] = field(default_factory=labels)
    layers: Mapping[str, str] = field(default_factory=dict)
    teacher_shape: Mapping[str, int] = field(default_factory=dict)

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


def read_run(workdir: Path) -> Run:
    """The run of a folder; raises `UserError` naming the file that is missing or damaged."""
    if not (workdir / "config.json").is_file():
        raise UserError(f"{workdir} is no run's folder: it holds no config.json; give a --workdir")
    config = json_files.read_object(workdir / "config.json")
    json_files.part(config, "run", dict, workdir / "config.json")
    baseline = _models(workdir / "baseline.json") if _has(workdir, "baseline.json") else {}
    results: dict[str, Any] = {}
    if finished := _has(workdir, "results.json"):
        path = workdir / "results.json"
        results = json_files.read_object(path)
        json_files.part(results, "total_steps", int, path)
        check_models(json_files.part(results, "models", dict, path), path)
        for name in ("environment", "cost", "layers", "teacher_shape"):
            json_files.part({name: {}, **results}, name, dict, path)
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
        objectives=objectives(workdir),
        environment=results.get("environment", {}),
        cost=results.get("cost", {}),
        layers=results.get("layers", {}),
        teacher_shape=results.get("teacher_shape", {}),
    )


def health(workdir: Path) -> dict[str, Any]:
    """health.json; empty for a run that wrote none. Raises `UserError` naming a damaged file."""
    path = workdir / "health.json"
    if not path.is_file():
        return {}
    content = json_files.read_object(path)
    for name in ("expected", "seen"):
        json_files.numbers(content.get(name, {}), path, f"the values {name}")
    warnings = content.get("warnings", [])
    good = isinstance(warnings, list) and all(
        isinstance(warning, dict) and isinstance(warning.get("message"), str)
        for warning in warnings
    )
    if not good:
        raise json_files.damaged(path, "its warnings are not a list of steps and messages")
    return content


def objectives(workdir: Path) -> dict[str, str]:
    """The label of each objective of a run; raises `UserError` naming a damaged file."""
    path = workdir / OBJECTIVES
    if not path.is_file():
        return labels()
    content = json_files.read_object(path)
    if not all(isinstance(label, str) for label in content.values()):
        raise json_files.damaged(path, "a label is not text")
    return content


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name."""
    flattened: dict[str, Any] = {}
    for name, value in values.items():
        inner = isinstance(value, dict) and value
        flattened |= flat(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return flattened


def check_models(models: dict[str, Any], path: Path) -> None:
    """Raise `UserError` unless every model has figures by name."""
    for name, figures in models.items():
        json_files.numbers(figures, path, f"the figures of {name!r}")


def _has(workdir: Path, name: str) -> bool:
    return (workdir / name).is_file()


def _models(path: Path) -> dict[str, Any]:
    models = json_files.read_object(path)
    check_models(models, path)
    return models


def _lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    lines = json_files.read_lines(path)
    for number, line in enumerate(lines, 1):
        json_files.numbers(line, path, f"the figures of line {number}")
        if not isinstance(line.get("step"), int):
            raise json_files.damaged(path, f"line {number} has no step")
    return lines
