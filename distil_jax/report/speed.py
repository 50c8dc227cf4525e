"""Training and inference speed as `benchmark` leaves them in speed.json."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distil_jax.errors import UserError
from distil_jax.profiling.benchmark_text import training_rows
from distil_jax.report import files

FILE = "speed.json"
ROLES = ("teacher", "student")
EXPORT = "export "


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


def earlier(folder: Path) -> dict[str, Any]:
    """What a benchmark left in a folder before; nothing where there is none."""
    path = folder / FILE
    return files.read_object(path) if path.is_file() else {}


def read(folder: Path) -> Speed:
    """The speed.json of a folder; raises `UserError` naming the file."""
    path = folder / FILE if folder.is_dir() else folder
    if not path.is_file():
        raise UserError(f"{path} does not exist; distil_jax.benchmark --output={folder} writes it")
    content = files.read_object(path)
    roles = (*ROLES, *(name for name in content if name.startswith(EXPORT)))
    models: dict[str, dict[str, Any]] = {
        role: files.part(content, role, dict, path) for role in roles if content.get(role)
    }
    if "student" not in models and "training" not in content:
        raise files.damaged(path, "it has no student and no training")
    figures = {
        role: {name: value for name, value in model.items() if files.is_number(value)}
        for role, model in models.items()
    }
    return Speed(
        models=figures,
        names={role: str(model.get("model", role)) for role, model in models.items()},
        ratios=files.numbers(content.get("ratios") or {}, path, "the ratios"),
        lengths=files.numbers(content.get("lengths") or {}, path, "the lengths"),
        device=str(content.get("device", "")),
        date=str(content.get("date", "")),
        training=_training(content["training"], path) if "training" in content else (),
    )


def _training(found: Any, path: Path) -> list[tuple[str, str]]:
    try:
        where = ("measured on", f"{found['device']}, {found['date']}")
        return [*training_rows(found), where]
    except (KeyError, TypeError, ValueError) as error:
        raise files.damaged(path, "the figures of training are not what they should be") from error
