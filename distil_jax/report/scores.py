"""Scores of fine-tuned models as `evaluate` leaves them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.report import files

FILE = "results.json"


@dataclass(frozen=True)
class Score:
    """One model on one task, in points of 100: the median over its seeds.

    Attributes:
      model: the folder or id that was fine-tuned.
      teacher: that of a second distillation; empty if there was none. One that a model was only
        compared with is none.
      spread: min, max and standard deviation over the seeds.
      metrics: all figures of the task, medians too.
    """

    task: str
    model: str
    teacher: str
    metric: str
    definition: str
    points: float | int
    seeds: int
    spread: Mapping[str, float | int]
    metrics: Mapping[str, float | int]
    parameters: int
    environment: Mapping[str, Any]


def find(folders: Iterable[Path]) -> list[Score]:
    """The scores in folders of `evaluate`, or in folders of such folders.

    Raises `UserError` for a folder without any, naming it, and for a damaged file.
    """
    found = []
    for folder in folders:
        paths = sorted(path for path in folder.rglob(FILE) if _is_score(path))
        if not paths:
            raise UserError(
                f"--scores={folder} holds no scores; give the --output of distil_jax.evaluate"
            )
        found += [read(path) for path in paths]
    return found


def in_run(workdir: Path) -> list[Score]:
    """The scores that were written below a run's own folder, in `scores`."""
    folder = workdir / "scores"
    return find([folder]) if any(folder.rglob(FILE)) else []


def read(path: Path) -> Score:
    """One file of `evaluate`; raises `UserError` naming it."""
    content = files.read_object(path)
    points = content.get("score")
    if not files.is_number(points):
        raise files.damaged(path, "its score is not a number")
    metrics = content.get("metrics") or {}
    model = files.part(content, "model", str, path)
    fine_tuned = content.get("best_model", model) != model
    environment = content.get("environment") or {}
    return Score(
        task=files.part(content, "task", str, path),
        model=model,
        teacher=str(content.get("teacher") or "") if fine_tuned else "",
        metric=files.part(content, "metric", str, path),
        definition=str(content.get("metric_definition") or content["metric"]),
        points=float(points),  # type: ignore[arg-type]
        seeds=len(files.part(content, "seeds", list, path)),
        spread=files.numbers(content.get("spread") or {}, path, "the spread's values"),
        metrics={n: v for n, v in metrics.items() if files.is_number(v)}
        if isinstance(metrics, dict)
        else {},
        parameters=int(content.get("parameters") or 0)
        if files.is_number(content.get("parameters") or 0)
        else 0,
        environment=environment if isinstance(environment, dict) else {},
    )


def _is_score(path: Path) -> bool:
    """Other folders below may be runs, whose results.json has models instead of a task."""
    return "models" not in files.read_object(path)
