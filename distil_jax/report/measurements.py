"""What `evaluate`, `benchmark` and `ablate` leave: scores of tasks, speeds, sweeps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.profiling.benchmark_text import training_rows
from distil_jax.report import json_files

SCORES, SPEED, ABLATIONS = "results.json", "speed.json", "ablations.json"
ROLES = ("teacher", "student")
EXPORT = "export "
OF_TEACHER = "teacher_"


@dataclass(frozen=True)
class TaskScore:
    """One model on one task, in points of 100: the median over its seeds.

    Attributes:
      model: the folder or id that was fine-tuned.
      teacher: that of a second distillation; empty if there was none. One that a model was only
        compared with is none.
      spread: min, max and standard deviation over the seeds.
      metrics: all figures of the task, medians too.
      of_teacher: those of a model that was scored beside it in the same evaluation.
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
    of_teacher: Mapping[str, float | int] = field(default_factory=dict)


@dataclass(frozen=True)
class Speed:
    """Figures of each model by name, and what they were measured on.

    Attributes:
      models: "student" and, if there were any, "teacher" and "export NAME"s:
        parameters, bytes, milliseconds, rates.
      ratios: how many times faster, and which share of the size, the student is.
      names: the folder or id of each.
      training: label and value of the figures of training, none where it was not measured.
    """

    models: Mapping[str, Mapping[str, float | int]]
    names: Mapping[str, str]
    ratios: Mapping[str, float | int]
    lengths: Mapping[str, float | int]
    device: str
    date: str
    training: Sequence[tuple[str, str]] = ()


def find_scores(folders: Iterable[Path]) -> list[TaskScore]:
    """The scores in folders of `evaluate`, or in folders of such folders.

    Raises `UserError` for a folder without any, naming it, and for a damaged file.
    """
    scores = []
    for folder in folders:
        paths = sorted(path for path in folder.rglob(SCORES) if _is_score(path))
        if not paths:
            raise UserError(
                f"--scores={folder} holds no scores; give the --output of distil_jax.evaluate"
            )
        scores += [read_score(path) for path in paths]
    return scores


def scores_in_run(workdir: Path) -> list[TaskScore]:
    """The scores that were written below a run's own folder, in `scores`."""
    folder = workdir / "scores"
    return find_scores([folder]) if any(folder.rglob(SCORES)) else []


def read_score(path: Path) -> TaskScore:
    """One file of `evaluate`; raises `UserError` naming it."""
    content = json_files.read_object(path)
    points = content.get("score")
    if not json_files.is_number(points):
        raise json_files.damaged(path, "its score is not a number")
    metrics, of_teacher = _metrics(content.get("metrics"))
    model = json_files.part(content, "model", str, path)
    fine_tuned = content.get("best_model", model) != model
    environment = content.get("environment") or {}
    return TaskScore(
        task=json_files.part(content, "task", str, path),
        model=model,
        teacher=str(content.get("teacher") or "") if fine_tuned else "",
        metric=json_files.part(content, "metric", str, path),
        definition=str(content.get("metric_definition") or content["metric"]),
        points=float(points),  # type: ignore[arg-type]
        seeds=len(json_files.part(content, "seeds", list, path)),
        spread=json_files.numbers(content.get("spread") or {}, path, "the spread's values"),
        metrics=metrics,
        parameters=int(content.get("parameters") or 0)
        if json_files.is_number(content.get("parameters") or 0)
        else 0,
        environment=environment if isinstance(environment, dict) else {},
        of_teacher=of_teacher,
    )


def _metrics(found: Any) -> tuple[dict[str, float | int], dict[str, float | int]]:
    """A model's own figures, and those of the teacher that was scored beside it."""
    every = found.items() if isinstance(found, dict) else ()
    numbers = {name: value for name, value in every if json_files.is_number(value)}
    own = {name: value for name, value in numbers.items() if not name.startswith(OF_TEACHER)}
    return own, {n.removeprefix(OF_TEACHER): numbers[n] for n in numbers if n not in own}


def _is_score(path: Path) -> bool:
    """Other folders below may be runs, whose results.json has models instead of a task."""
    return "models" not in json_files.read_object(path)


def earlier_speed(folder: Path) -> dict[str, Any]:
    """What a benchmark left in a folder before; nothing where there is none."""
    path = folder / SPEED
    return json_files.read_object(path) if path.is_file() else {}


def read_speed(folder: Path) -> Speed:
    """The speed.json of a folder; raises `UserError` naming the file."""
    path = folder / SPEED if folder.is_dir() else folder
    if not path.is_file():
        raise UserError(f"{path} does not exist; distil_jax.benchmark --output={folder} writes it")
    content = json_files.read_object(path)
    roles = (*ROLES, *(name for name in content if name.startswith(EXPORT)))
    models: dict[str, dict[str, Any]] = {
        role: json_files.part(content, role, dict, path) for role in roles if content.get(role)
    }
    if "student" not in models and "training" not in content:
        raise json_files.damaged(path, "it has no student and no training")
    figures = {
        role: {name: value for name, value in model.items() if json_files.is_number(value)}
        for role, model in models.items()
    }
    return Speed(
        models=figures,
        names={role: str(model.get("model", role)) for role, model in models.items()},
        ratios=json_files.numbers(content.get("ratios") or {}, path, "the ratios"),
        lengths=json_files.numbers(content.get("lengths") or {}, path, "the lengths"),
        device=str(content.get("device", "")),
        date=str(content.get("date", "")),
        training=_training_rows(content["training"], path) if "training" in content else (),
    )


def _training_rows(figures: Any, path: Path) -> list[tuple[str, str]]:
    try:
        where = ("measured on", f"{figures['device']}, {figures['date']}")
        return [*training_rows(figures), where]
    except (KeyError, TypeError, ValueError) as error:
        raise json_files.damaged(
            path, "the figures of training are not what they should be"
        ) from error


def read_sweep(folder: Path) -> dict[str, Any]:
    """What a sweep left in a folder; raises `UserError` naming the file."""
    path = folder / ABLATIONS if folder.is_dir() else folder
    if not path.is_file():
        raise UserError(f"{path} does not exist; distil_jax.ablate --output={folder} writes it")
    content = json_files.read_object(path)
    for variant in json_files.part(content, "variants", list, path):
        if not isinstance(variant, dict):
            raise json_files.damaged(path, "a variant is not an object")
        json_files.part(variant, "name", str, path)
        json_files.part(variant, "runs", list, path)
        for name in ("figures", "change"):
            for figure, spread in json_files.part(variant, name, dict, path).items():
                values = json_files.numbers(spread, path, f"the values of {figure}")
                if not {"median", "min", "max"} <= values.keys():
                    raise json_files.damaged(path, f"{figure} lacks its median, min or max")
    return content
