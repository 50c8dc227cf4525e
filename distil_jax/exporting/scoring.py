"""The scores of an exported graph, as results.json beside those of model folders."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import distil_jax
from distil_jax.data.masking import mask_rows
from distil_jax.data.packing import unpack
from distil_jax.errors import UserError
from distil_jax.evaluation import held_out, plan
from distil_jax.evaluation.encoding import check_length
from distil_jax.evaluation.held_out import HeldOutSettings
from distil_jax.evaluation.identity import check_identity
from distil_jax.evaluation.problem import Prediction
from distil_jax.evaluation.scores import DEFINITIONS, Metrics
from distil_jax.evaluation.seed import score_main
from distil_jax.evaluation.settings import Settings
from distil_jax.evaluation.tasks import TASKS
from distil_jax.exporting import processor
from distil_jax.exporting.onnx_card import OF_TEACHER, add_scores
from distil_jax.exporting.onnx_folder import OnnxModel, inputs_of, is_onnx, open_onnx
from distil_jax.exporting.predictor import TOGETHER, predictor
from distil_jax.losses import IGNORE
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.storage.atomic import write_text, writing
from distil_jax.storage.lock import lock
from distil_jax.tokenizer import fingerprint
from distil_jax.training.progress import Display


def evaluate(settings: Settings, *, card: bool = False) -> dict[str, Any]:
    """Score an ONNX folder on a task; with an ONNX `teacher`, how often both predict the same.

    With `card` the scores go into the folder's model card too. Raises `UserError` for a head or
    labels that do not fit the task.
    """
    model, teacher = open_onnx(settings.model), _teacher(settings.teacher)
    task = TASKS[settings.task]
    kind = plan.HEADS[task.kind]
    _check_head(model, settings.model, kind)
    if teacher is not None:
        _check_head(teacher, settings.teacher, kind)
        _check_tokenizer(model, teacher, settings.teacher)
    check_vocabulary(model.tokenizer, model.config, settings.model)
    length = check_length(settings.length, task.length, model.config)
    if teacher is not None:
        check_length(length, length, teacher.config)
    source = plan.source_of(settings, task)
    problem, _ = plan.read_problem(
        settings, task, model.tokenizer, source, model.labels, length, training=False
    )
    _check_labels(model, settings.model, settings.task, problem.labels)
    if teacher is not None:
        _check_labels(teacher, settings.teacher, settings.task, problem.labels)
    metrics, records = score_main(problem, predictor(model))
    if teacher is not None:
        scored, others = score_main(problem, predictor(teacher))
        # Values are alike or less so, never the same: their correlations say how much.
        alike = {} if task.kind == "regression" else {"agreement": agreement(records, others)}
        metrics = {**metrics, **alike, f"{OF_TEACHER}{task.score}": scored[task.score]}
    identity = replace(settings, length=length, epochs=0).as_json()
    found = _results(settings.task, model, settings.teacher, task.score, metrics, identity)
    found |= {
        "metric_definition": DEFINITIONS[task.score],
        "labels": list(problem.labels),
        "counts": dict(problem.counts),
    }
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    return _write(settings.output, found, {"predictions.jsonl": lines}, card=card)


def evaluate_masked(settings: HeldOutSettings, *, card: bool = False) -> dict[str, Any]:
    """As `evaluation.held_out.evaluate`, for an ONNX folder: the same rows under the same masks."""
    model, teacher = open_onnx(settings.model), _teacher(settings.teacher)
    _check_head(model, settings.model, "masked_lm")
    if teacher is not None:
        _check_head(teacher, settings.teacher, "masked_lm")
        _check_tokenizer(model, teacher, settings.teacher)
    check_vocabulary(model.tokenizer, model.config, settings.model)
    length = check_length(settings.length, held_out.USUAL_LENGTH, model.config)
    if teacher is not None:
        check_length(length, length, teacher.config)
    tokens, segments = held_out.packed_rows(settings, model.tokenizer, length)
    masked, labels = mask_rows(
        held_out.masking(model.tokenizer),
        jax.random.key(settings.seed, impl="threefry2x32"),
        jnp.asarray(tokens),
        jnp.asarray(segments),
        jnp.zeros(len(tokens), jnp.int32),
        jnp.arange(len(tokens), dtype=jnp.int32),
    )
    sequences, targets = (unpack(np.asarray(each), segments) for each in (masked, labels))
    right = np.concatenate(targets)
    predicted, entropy = _likeliest(model, sequences, targets)
    chosen = right != IGNORE
    count = int(chosen.sum())
    held_out.check_masked(count, settings)
    metrics = {
        "tokens": float(count),
        "accuracy": 100 * float((predicted == right)[chosen].mean()),
        "masked_lm": entropy / count,
    }
    if teacher is not None:
        other, _ = _likeliest(teacher, sequences, targets)
        metrics["agreement"] = 100 * float((predicted == other)[chosen].mean())
        metrics[f"{OF_TEACHER}accuracy"] = 100 * float((other == right)[chosen].mean())
    identity = {**asdict(settings), "output": "", "length": length, "task": "mlm"}
    found = _results("mlm", model, settings.teacher, "accuracy", metrics, identity)
    found |= {
        "metric_definition": held_out.DEFINITION,
        "counts": {"tokens": int((segments > 0).sum()), "masked": count},
    }
    return _write(settings.output, found, {}, card=card)


def agreement(first: Sequence[Prediction], second: Sequence[Prediction]) -> float:
    """Percent of the records with the same label."""
    same = [one["label"] == other["label"] for one, other in zip(first, second, strict=True)]
    return 100 * float(np.mean(same))


def _teacher(name: str) -> OnnxModel | None:
    if not name:
        return None
    if not is_onnx(name):
        raise UserError(
            f"teacher {name} is no ONNX folder; the teacher of an export is another export, "
            "e.g. the same model in float32"
        )
    return open_onnx(name)


def _check_head(model: OnnxModel, name: str, head: str) -> None:
    if model.head != head:
        raise UserError(f"{name} has a {model.head} head, the task needs {head}; export that")


def _check_tokenizer(model: OnnxModel, teacher: OnnxModel, name: str) -> None:
    """Both are given the same tokens."""
    if fingerprint(model.tokenizer) != fingerprint(teacher.tokenizer):
        raise UserError(
            f"teacher {name} has another tokenizer than {model.folder}; they cannot be compared on "
            "the same tokens: give an export of the model that it was distilled from"
        )


def _check_labels(model: OnnxModel, name: str, task: str, labels: Sequence[str]) -> None:
    kind = TASKS[task].kind
    if kind == "regression" and len(model.labels) != 1:
        raise UserError(
            f"{name} tells apart {', '.join(model.labels)}, the task asks for one value; export a "
            "model fine-tuned on it"
        )
    same = [one.casefold() for one in model.labels] == [one.casefold() for one in labels]
    if not same and kind == "classification":
        raise UserError(
            f"{name} tells apart {', '.join(model.labels)}, the task "
            f"{', '.join(labels)}; export a model fine-tuned on it"
        )


def _likeliest(
    model: OnnxModel, sequences: Sequence[np.ndarray], labels: Sequence[np.ndarray]
) -> tuple[np.ndarray, float]:
    """The likeliest token at every place, and the sum of the labels' cross-entropy."""
    found: list[np.ndarray] = [np.empty(0, np.int64)] * len(sequences)
    order = np.argsort([len(sequence) for sequence in sequences], kind="stable")
    entropy = 0.0
    for start in range(0, len(order), TOGETHER):
        numbers = order[start : start + TOGETHER]
        inputs = inputs_of([sequences[number] for number in numbers], pad=model.config.pad_token)
        logits = model.run(inputs)[0]
        for row, number in enumerate(numbers):
            own = logits[row, : len(sequences[number])].astype(np.float64)
            found[number] = own.argmax(axis=-1)
            places = np.flatnonzero(labels[number] != IGNORE)
            here = own[places]
            top = here.max(axis=-1, keepdims=True, initial=-np.inf)
            total = np.log(np.exp(here - top).sum(axis=-1)) + top[:, 0]
            entropy += float((total - here[np.arange(len(places)), labels[number][places]]).sum())
    return np.concatenate(found), entropy


def _results(
    task: str,
    model: OnnxModel,
    teacher: str,
    metric: str,
    metrics: Metrics,
    identity: Mapping[str, Any],
) -> dict[str, Any]:
    score = metrics[metric]
    import onnxruntime

    return {
        "task": task,
        "model": str(model.folder),
        "teacher": teacher or None,
        "metric": metric,
        "score": score,
        "spread": {"min": score, "max": score, "std": 0.0},
        "metrics": dict(metrics),
        "seeds": [{"seed": 0, "score": score, "metrics": dict(metrics)}],
        "bytes": model.bytes,
        "quantisation": model.quantisation,
        "settings": dict(identity),
        "environment": {
            "distil_jax": distil_jax.__version__,
            "onnxruntime": onnxruntime.__version__,
            "python": platform.python_version(),
            "device": processor.name(),
            "processors": os.cpu_count(),
        },
    }


def _write(
    output: Path, found: dict[str, Any], others: Mapping[str, str], *, card: bool
) -> dict[str, Any]:
    check_identity(output, None)
    with lock(output) as folder:
        check_identity(folder, found["settings"])
        with writing(folder):
            for name, content in {
                "settings.json": json.dumps(found["settings"], indent=2) + "\n",
                "results.json": json.dumps(found, indent=2) + "\n",
                **others,
            }.items():
                write_text(folder / name, content)
    if card:
        add_scores(Path(found["model"]), found)
    told = ", ".join(f"{name} {value:.4g}" for name, value in found["metrics"].items())
    Display().say(f"{found['task']}: {told}")
    return found
