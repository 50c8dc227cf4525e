"""The model folder of a checkpoint that a run kept."""

from pathlib import Path
from typing import Literal

from distil_jax.configuration.schema import from_saved
from distil_jax.errors import UserError
from distil_jax.models.vector_config import saved_vectors
from distil_jax.pretrained import Pretrained
from distil_jax.pretrained.families import saved_config
from distil_jax.run.student_card import card
from distil_jax.run.student_folder import save_student
from distil_jax.storage.address import join
from distil_jax.storage.folder import open_folder
from distil_jax.tokenizer import load as load_tokenizer
from distil_jax.training.checkpoint import Checkpoints
from distil_jax.training.metrics_file import parse as parse_metrics
from distil_jax.training.projections import without_projections
from distil_jax.training.workdir import CHECKPOINTS

METRICS = "metrics.jsonl"


def export_checkpoint(
    workdir: str | Path,
    output: str | Path,
    step: int | None,
    command: str,
    *,
    dtype: Literal["float32", "float16"] = "float32",
) -> int:
    """Save the student of a checkpoint (the latest if `step` is None) as a model folder.

    Returns the step. Raises `UserError` for a step that is not kept, naming those that are.
    """
    if open_folder(join(workdir, CHECKPOINTS)).is_empty():
        raise UserError(f"{workdir} holds no checkpoints; name the --workdir of a run")
    with Checkpoints(join(workdir, CHECKPOINTS)) as checkpoints:
        kept = checkpoints.steps()
        chosen = checkpoints.latest() if step is None else step
        if chosen is None:
            raise UserError(f"{workdir} holds no checkpoint yet; let the run save one first")
        if chosen not in kept:
            raise UserError(
                f"{workdir} holds no checkpoint of step {step}; --step can be "
                f"{', '.join(map(str, kept)) or 'none yet'}"
            )
        about = checkpoints.config(chosen)
        shape, config = saved_config(about["model"]), from_saved(about["run"])
        params = without_projections(checkpoints.restore_part(chosen, "params"))
    text = card(
        config,
        recipe={"checkpoint": f"step {chosen}"},
        data=config.data.train,
        scores=_scores(workdir, chosen),
        command=command,
        head=shape.language_head,
    )
    tokenizer = load_tokenizer(join(workdir, "tokenizer"))
    student = Pretrained(shape, params, None, (), tokenizer)
    vectors = about.get("vectors")
    save_student(
        output, student, saved_vectors(vectors) if vectors else None, card=text, dtype=dtype
    )
    return chosen


def _scores(workdir: str | Path, step: int) -> dict[str, float]:
    """The held-out figures that were logged at this step."""
    run = open_folder(workdir)
    content = run.read(METRICS).decode() if run.has(METRICS) else ""
    logged = {line["step"]: line for line in parse_metrics(content)}
    figures = logged.get(step, {})
    return {
        f"held-out {name.removeprefix('validation_')}": value
        for name, value in figures.items()
        if name.startswith("validation_")
    }
