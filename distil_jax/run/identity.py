"""What makes two runs the same, so that one may go on where the other was stopped."""

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from distil_jax.configuration import declared, earlier
from distil_jax.configuration.difference import difference
from distil_jax.configuration.schema import Config, as_dict
from distil_jax.data.store import Split
from distil_jax.errors import UserError
from distil_jax.models.config import current_fields
from distil_jax.models.vector_config import VectorConfig
from distil_jax.models.weights_digest import weights_digest
from distil_jax.pretrained.families import saved_config
from distil_jax.run import own_files
from distil_jax.run.data_cursor import START, DataCursor, described
from distil_jax.run.models import Models
from distil_jax.storage.atomic import write_text
from distil_jax.storage.folder import open_folder

BATCH = ("run.batch.size", "run.batch.length")
DIGESTS = {
    "teacher": "the teacher's weights differ",
    "targets": "the targets in config.targets differ",
    "start": "the weights in config.student.folder differ",
    "data": "the training rows differ",
    "held_out": "the held-out rows differ",
}
ROWS = ("data", "held_out")
NEWER = ("start", "held_out", "targets")
"""What checkpoints of earlier versions do not hold."""

DROPOUT_BITS = "dropout_bits"
"""Where a run's dropout is drawn from, as `StepSpec.dropout_bits`."""
DROPOUT_BITS_BEFORE = "threefry"
"""In versions that did not save it."""

OF_CLASSIFIERS = (
    "model.head.classifier_dropout",
    "model.head.token_classifier_dropout",
    "model.student_rule",
)
"""Of the student what is only for fine-tuning it, or for a student of its own."""

FILE = "config.json"
MADE_ONCE = ("baseline.json", "health.json", "results.json", "tokenizer")


def of(config: Config, models: Models) -> dict[str, Any]:
    """What a checkpoint belongs to and what exporting it needs; the data are still missing."""
    return {
        "run": as_dict(config),
        "model": dataclasses.asdict(models.student),
        "layers": list(models.layers),
        "teacher": _weighted(config, models.teachers_digest),
        "start": weights_digest(models.params) if config.student.folder else None,
        "targets": models.targets_digest,
        **({"vectors": _as_json(models.vectors)} if models.vectors is not None else {}),
    }


def _as_json(vectors: VectorConfig) -> dict[str, Any]:
    return json.loads(json.dumps(dataclasses.asdict(vectors)))


def _weighted(config: Config, digest: str | None) -> str | None:
    """The digest of a teacher, or of several with their weights."""
    if digest is None or len(config.every_teacher) < 2:
        return digest
    weights = " ".join(f"{weight:.6g}" for _, weight in config.every_teacher)
    return hashlib.sha256(f"{digest} {weights}".encode()).hexdigest()


def with_data(
    identity: dict[str, Any], data: Split, held_out: Split, cursor: DataCursor = START
) -> dict[str, Any]:
    """Adds the rows of both sides, and where in them the run's batch was chosen."""
    return {
        **identity,
        "data": data.digest,
        "held_out": held_out.digest,
        **described(cursor, data),
    }


def check(workdir: str | Path, saved: dict[str, Any], current: dict[str, Any]) -> None:
    """Raise a `UserError` that says what differs, in what `current` knows already."""
    saved = of_today(saved, current)
    batch = (*BATCH, *ROWS) if _other_length(saved, current) else BATCH
    current = comparable(saved, current)
    compared = {key: saved.get(key) for key in current}
    free = always_free = free_to_change()
    if current["run"].get("checkpoint", {}).get("allow_batch_change"):
        free += batch
    differs = difference(compared, current, ignore=free)
    if differs and not difference(compared, current, ignore=always_free + batch):
        raise UserError(
            f"{workdir} holds checkpoints of another batch: {'; '.join(map(_named, differs))}; use "
            "the batch they were made with, continue with "
            "--config.checkpoint.allow_batch_change=True, or use another --workdir"
        )
    if differs:
        # The model follows from the config: it is named only where the config does not explain it.
        named = [line for line in differs if not line.startswith("model.")] or differs
        raise UserError(
            f"{workdir} holds checkpoints of another config: {'; '.join(map(_named, named))}; "
            "use the config they were made with, or another --workdir"
        )


def types_begun_with(workdir: str | Path) -> dict[str, str]:
    """What the run that began in a workdir computes in, as `settled` takes it; empty for none."""
    folder = open_folder(workdir)
    if not folder.has(FILE):
        return {}
    try:
        saved = json.loads(folder.read(FILE))
    except (ValueError, RecursionError):  # a damaged one is made again
        return {}
    return saved.get("run", {}).get("precision", {}) if isinstance(saved, dict) else {}


def settle(workdir: Path, identity: dict[str, Any]) -> None:
    """Write what the workdir belongs to; first goes what an earlier run of another kind left."""
    path = workdir / FILE
    saved = own_files.read(path) or {}
    before = of_today(saved, identity)
    if difference(before, comparable(before, identity), ignore=free_to_change()):
        for name in MADE_ONCE:
            shutil.rmtree(workdir / name, ignore_errors=True)
            if (workdir / name).is_file():
                (workdir / name).unlink()
    if saved != identity:
        write_text(path, json.dumps(identity, indent=2) + "\n")


def of_today(saved: dict[str, Any], current: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a version before this one saved, as this one would save it.

    Of what is not whole, only what `current` has is added.
    """
    found = dict(saved)
    if "run" in saved:
        if current is None or DROPOUT_BITS in current:
            found.setdefault(DROPOUT_BITS, DROPOUT_BITS_BEFORE)
        found["run"] = earlier.of_today(saved["run"], current and current.get("run"))
    if "model" in saved:
        found["model"] = _model_of_today(saved["model"])
    return found


def free_to_change() -> tuple[str, ...]:
    """What a resumed run may change: it changes no number, or what it names is compared."""
    of_run = (f"run.{name}" for name in declared.free_to_change())
    return ("position", "rows", *OF_CLASSIFIERS, *of_run)


def comparable(saved: dict[str, Any], current: dict[str, Any]) -> dict[str, Any]:
    """What of the current identity an earlier version, too, would have saved."""
    return {key: value for key, value in current.items() if key in saved or key not in NEWER}


def _model_of_today(saved: dict[str, Any]) -> dict[str, Any]:
    """A saved `EncoderConfig` under today's names, with what its family says of newer fields."""
    named = current_fields(saved)
    return dataclasses.asdict(saved_config(saved)) if "model_type" in named else named


def _other_length(saved: dict[str, Any], current: dict[str, Any]) -> bool:
    lengths = [identity.get("rows", {}).get("length") for identity in (saved, current)]
    return None not in lengths and lengths[0] != lengths[1]


def _named(line: str) -> str:
    return DIGESTS.get(line.partition(" ")[0], line.removeprefix("run."))
