"""Fine-tune and score a model folder on a task, over several seeds."""

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distil_jax import commandline, huge_pages
from distil_jax.errors import UsageError
from distil_jax.evaluation.flags import parser
from distil_jax.tasks.named import TASKS, VECTOR_TASKS

if TYPE_CHECKING:
    from distil_jax.evaluation.masked_lm_scores import MaskedLMSettings
    from distil_jax.evaluation.settings import Settings


def main(arguments: list[str]) -> None:
    """Parse the flags and evaluate."""
    flags = parse(arguments)
    command = commandline.typed("evaluate", arguments)
    from distil_jax.evaluation.output_folder import dtype_begun_with
    from distil_jax.exporting.layout import is_onnx
    from distil_jax.run.compilation import keep_compiled
    from distil_jax.training.precision import computing_dtype

    on_text = flags.task in TASKS and TASKS[flags.task].on_text
    if flags.dtype != "float32" and (on_text or is_onnx(flags.model)):
        raise UsageError(
            f"--dtype={flags.dtype}: exports compute as they were made, and plain text is scored "
            "in float32; leave it out (see --help)"
        )
    flags.dtype = computing_dtype(flags.dtype, before=dtype_begun_with(flags.output))
    if flags.document_model and flags.task != "retrieval":
        raise UsageError("--document-model goes with --task=retrieval (see --help)")
    if flags.task in VECTOR_TASKS:
        _evaluate_vectors(flags)
        return
    if flags.dimensions:
        raise UsageError(f"--dimensions goes with --task={' or '.join(VECTOR_TASKS)} (see --help)")
    if is_onnx(flags.model):
        _evaluate_export(flags)
        return
    if flags.card:
        raise UsageError("--card goes with an ONNX export as --model (see --help)")
    if on_text:
        keep_compiled()
        SCORE_TEXT[flags.task](flags)
        return
    from distil_jax.evaluation.evaluation import evaluate

    keep_compiled()
    from distil_jax.report.sections.loss_curves import draw_file

    def draw(lines: Any, titles: Any, path: Path) -> None:
        draw_file(lines, {}, titles, path, title=f"{flags.model}, {flags.task}")

    evaluate(_settings(flags), command, draw)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The flags of a command line; raises `UsageError`."""
    return parser().parse_args(arguments)


def _evaluate_vectors(flags: argparse.Namespace) -> None:
    """A sentence model is scored as it is."""
    from distil_jax.run.compilation import keep_compiled

    if flags.epochs:
        raise UsageError(f"--task={flags.task} scores a model as it is; leave --epochs out")
    from distil_jax.evaluation import vector_scores
    from distil_jax.exporting.layout import graph_file, is_onnx, model_folder
    from distil_jax.exporting.onnx_embedder import open_any_embedder

    if flags.card and not is_onnx(flags.model):
        raise UsageError("--card goes with an ONNX export as --model (see --help)")
    keep_compiled()

    given = {split: getattr(flags, split) for split in ("train", "validation", "test")}
    splits = {split: path for split, path in given.items() if path}
    settings = vector_scores.VectorSettings(
        given=splits, **_of_fields(vector_scores.VectorSettings, flags)
    )
    results = vector_scores.evaluate(settings, open_any_embedder)
    if flags.card:
        from distil_jax.exporting.onnx_card import add_scores

        add_scores(model_folder(graph_file(Path(flags.model))), results)


def _evaluate_export(flags: argparse.Namespace) -> None:
    """An export is scored as it is."""
    from distil_jax.exporting import scoring

    if flags.epochs:
        raise UsageError("an ONNX export cannot be fine-tuned; leave --epochs out (see --help)")
    if flags.task == "causal_lm":
        raise UsageError(
            "--task=causal_lm scores model folders; give the one that the export was made from"
        )
    if TASKS[flags.task].on_text:
        scoring.evaluate_masked(_text_settings(flags), card=flags.card)
    else:
        scoring.evaluate(_settings(flags), card=flags.card)


def _settings(flags: argparse.Namespace) -> "Settings":
    from distil_jax.evaluation.settings import Settings

    given = {split: getattr(flags, split) for split in ("train", "validation", "test")}
    scored = TASKS[flags.task].validation[0]
    if scored == "test" and flags.validation and flags.test:
        raise UsageError(
            f"{flags.task} is scored on its test split: give --validation or --test, not both"
        )
    names = {"train": "train", "validation": scored}
    splits = {names.get(split, split): path for split, path in given.items() if path}
    return Settings(given=splits, **_of_fields(Settings, flags))


def _of_fields(kind: Any, flags: argparse.Namespace) -> dict[str, Any]:
    """The flags that are fields of these settings."""
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in vars(flags).items() if name in names}


def _score_masked(flags: argparse.Namespace) -> None:
    from distil_jax.evaluation import masked_lm_scores

    masked_lm_scores.evaluate(_text_settings(flags))


def _score_causal(flags: argparse.Namespace) -> None:
    from distil_jax.evaluation.causal_lm_scores import CausalLMSettings, evaluate

    evaluate(CausalLMSettings(**_of_text(flags), stride=flags.stride))


SCORE_TEXT = {"mlm": _score_masked, "causal_lm": _score_causal}
"""How a model's predictions of plain text are scored."""


def _text_settings(flags: argparse.Namespace) -> "MaskedLMSettings":
    from distil_jax.evaluation.masked_lm_scores import MaskedLMSettings

    return MaskedLMSettings(**_of_text(flags), seed=flags.seed)


def _of_text(flags: argparse.Namespace) -> dict[str, Any]:
    if not flags.data:
        raise UsageError(f"--task={flags.task} needs --data, the text to predict (see --help)")
    return {
        "model": flags.model,
        "teacher": flags.teacher,
        "data": flags.data,
        "output": flags.output,
        "column": flags.columns[0] if flags.columns else "text",
        "document": flags.document,
        "length": flags.length,
        "rows": flags.rows,
    }


if __name__ == "__main__":
    huge_pages.prefer()
    commandline.run(main)
