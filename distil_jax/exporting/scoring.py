"""The scores of an exported graph, as results.json beside those of model folders."""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import distil_jax
from distil_jax import metrics as token_metrics
from distil_jax.data.masking import mask_rows
from distil_jax.data.packing import unpack
from distil_jax.errors import UserError
from distil_jax.evaluation.fine_tuning_plan import data_request
from distil_jax.evaluation.masked_lm_scores import MaskedLMSettings
from distil_jax.evaluation.output_folder import check_identity
from distil_jax.evaluation.seed import score_main
from distil_jax.evaluation.settings import Settings
from distil_jax.evaluation.split_files import further_files, main_files
from distil_jax.evaluation.teacher import mention_order
from distil_jax.exporting import processor
from distil_jax.exporting.layout import is_onnx
from distil_jax.exporting.onnx_card import AGREEMENT, OF_TEACHER, add_scores
from distil_jax.exporting.onnx_encoder import IDS
from distil_jax.exporting.onnx_folder import OnnxModel, inputs_of, open_onnx
from distil_jax.exporting.onnx_predictor import BATCH_SIZE, predictor
from distil_jax.losses import IGNORE
from distil_jax.pretrained import Pretrained
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.storage.atomic import write_text, writing
from distil_jax.storage.lock import lock
from distil_jax.tasks import masked_lm
from distil_jax.tasks.encoding import check_length
from distil_jax.tasks.kind import (
    ExampleKind,
    Labels,
    Prediction,
    Predictor,
    TaskData,
    TaskKind,
)
from distil_jax.tasks.masked_lm import MASKED_LM
from distil_jax.tasks.named import TASKS, NamedTask
from distil_jax.tasks.table import EXAMPLE_KINDS
from distil_jax.tasks.task_scores import DEFINITIONS, Metrics
from distil_jax.tokenizer import fingerprint
from distil_jax.training.progress import Display


def evaluate(settings: Settings, *, card: bool = False) -> dict[str, Any]:
    """Score an ONNX folder on a task; with an ONNX `teacher`, how often both predict the same.

    With `card` the scores go into the folder's model card too. Raises `UserError` for a head or
    labels that do not fit the task.
    """
    task = TASKS[settings.task]
    kind = EXAMPLE_KINDS[task.kind]
    model, teacher = _open_pair(settings.model, settings.teacher, kind)
    _check_labels(model, settings.model, kind)
    if teacher is not None:
        _check_labels(teacher, settings.teacher, kind)
    length = _length(settings.length, task, model, teacher)
    request = data_request(
        settings, task, model.labels, length, training=False, threshold=model.threshold
    )
    data = kind.data(task, request, model.tokenizer)
    predict = _predictor(model, settings.model, kind, data.labels)
    judge = None
    if teacher is not None:
        judge = _predictor(teacher, settings.teacher, kind, data.labels)
    metrics, records = score_main(data, predict)
    if judge is not None:
        expected, teacher_records = score_main(data, judge)
        # Values are alike or less so, never the same: their correlations say how much.
        alike = {AGREEMENT: agreement(records, teacher_records)} if kind.discrete else {}
        metrics = {**metrics, **alike, f"{OF_TEACHER}{task.score}": expected[task.score]}
    further, files = _further_splits(data, predict, judge if kind.discrete else None)
    metrics = {**metrics, **further}
    identity = replace(settings, length=length, epochs=0).as_json()
    results = _results(settings.task, model, settings.teacher, task.score, metrics, identity)
    results |= {
        "metric_definition": DEFINITIONS[task.score],
        "labels": list(data.labels),
        "counts": dict(data.counts),
    }
    files = {**main_files(data.validation[0], records), **files}
    return _write(settings.output, results, files, card=card)


def _further_splits(
    data: TaskData, predict: Predictor, judge: Predictor | None
) -> tuple[dict[str, float], dict[str, str]]:
    """Metrics of the other splits with labels, as a model folder has them, and predictions.

    And the agreement with what `judge` predicts there.
    """
    metrics: dict[str, float] = {}
    files: dict[str, str] = {}
    for split in (*data.validation[1:], *data.tests):
        records = split.predictions(predict(split.encoded))
        files |= further_files(split, records)
        if split.metrics is None:
            continue
        metrics |= {f"{split.name}_{n}": value for n, value in split.metrics(records).items()}
        if judge is not None:
            judged = split.predictions(judge(split.encoded))
            metrics[f"{split.name}_{AGREEMENT}"] = agreement(records, judged)
    return metrics, files


def evaluate_masked(settings: MaskedLMSettings, *, card: bool = False) -> dict[str, Any]:
    """As `masked_lm_scores.evaluate`, for an ONNX folder: the same rows, the same masks."""
    model, teacher = _open_pair(settings.model, settings.teacher, MASKED_LM)
    length = _length(settings.length, TASKS["mlm"], model, teacher)
    tokens, segments = settings.packed_rows(model.tokenizer, length)
    masked, labels = mask_rows(
        masked_lm.masking(model.tokenizer),
        jax.random.key(settings.seed, impl="threefry2x32"),
        jnp.asarray(tokens),
        jnp.asarray(segments),
        jnp.zeros(len(tokens), jnp.int32),
        jnp.arange(len(tokens), dtype=jnp.int32),
    )
    sequences, targets = (unpack(np.asarray(each), segments) for each in (masked, labels))
    bands = masked_lm.band_of_token(tokens, segments, model.config.vocabulary)
    sums = np.sum(list(_band_sums(model, teacher, sequences, targets, bands)), axis=0)
    count = int(sums[:, 0].sum())
    masked_lm.check_masked(count, settings.data)
    compared = teacher is not None
    metrics = masked_lm.figures(sums.sum(0), compared=compared)
    identity = {**asdict(settings), "output": "", "length": length, "task": "mlm"}
    results = _results("mlm", model, settings.teacher, "accuracy", metrics, identity)
    results |= {
        "metric_definition": masked_lm.DEFINITION,
        "bands": masked_lm.figures_by_band(sums, compared=compared),
        "counts": {"tokens": int((segments > 0).sum()), "masked": count},
    }
    return _write(settings.output, results, {}, card=card)


def _band_sums(
    model: OnnxModel,
    teacher: OnnxModel | None,
    sequences: Sequence[np.ndarray],
    targets: Sequence[np.ndarray],
    band_of_token: np.ndarray,
) -> Iterator[Any]:
    """The sums of each batch of sequences of like lengths, in float64."""
    order = np.argsort([len(sequence) for sequence in sequences], kind="stable")
    for start in range(0, len(order), BATCH_SIZE):
        numbers = order[start : start + BATCH_SIZE]
        inputs = inputs_of([sequences[number] for number in numbers], pad=model.config.pad_token)
        labels = np.full(inputs[IDS].shape, IGNORE)
        for row, number in enumerate(numbers):
            labels[row, : len(targets[number])] = targets[number]
        chosen = labels != IGNORE
        known = len(model.tokenizer)  # rows that only pad the table stand for no token
        logits = model.run(inputs)[0][chosen][:, :known]
        teacher_logits = None if teacher is None else teacher.run(inputs)[0][chosen][:, :known]
        yield token_metrics.band_sums(
            logits,
            labels[chosen],
            np.ones(len(logits), bool),
            band_of_token,
            len(masked_lm.BANDS),
            teacher_logits,
        )


def agreement(first: Sequence[Prediction], second: Sequence[Prediction]) -> float:
    """Percent of the records with the same label."""
    pairs = zip(first, second, strict=True)
    same = [record["label"] == other["label"] for record, other in pairs]
    return 100 * float(np.mean(same))


def _open_pair(name: str, teacher_name: str, kind: TaskKind) -> tuple[OnnxModel, OnnxModel | None]:
    """Both exports; raises `UserError` for another head, or another tokenizer of the teacher."""
    model, teacher = open_onnx(name), _teacher(teacher_name)
    _check_head(model, name, kind.head)
    if teacher is not None:
        _check_head(teacher, teacher_name, kind.head)
        _check_tokenizer(model, teacher, teacher_name)
    check_vocabulary(model.tokenizer, model.config, name)
    return model, teacher


def _length(
    length: int | None, task: NamedTask, model: OnnxModel, teacher: OnnxModel | None
) -> int:
    length = check_length(length, task.length, model.config)
    return length if teacher is None else check_length(length, length, teacher.config)


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


def _check_labels(model: OnnxModel, name: str, kind: ExampleKind) -> None:
    """As of its model folder; raises `UserError`."""
    labelled = Pretrained(
        model.config, {}, model.head, model.labels, model.tokenizer, model.problem_type
    )
    kind.check_model(labelled, name)


def _check_tokenizer(model: OnnxModel, teacher: OnnxModel, name: str) -> None:
    """Both are given the same tokens."""
    if fingerprint(model.tokenizer) != fingerprint(teacher.tokenizer):
        raise UserError(
            f"teacher {name} has another tokenizer than {model.folder}; they cannot be compared on "
            "the same tokens: give an export of the model that it was distilled from"
        )


def _predictor(model: OnnxModel, name: str, kind: ExampleKind, labels: Labels) -> Predictor:
    """Its outputs in the order of the labels; raises `UserError` where it has others."""
    order = kind.class_order(model.labels, labels)
    if order is None:
        raise UserError(
            f"{name} has the labels {', '.join(model.labels)}, the task {', '.join(labels)}; "
            "export a model fine-tuned on it"
        )
    mention_order(name, model.labels, labels, proven=True)
    predict = predictor(model, kind)
    return lambda encoded: [np.take(row, order, axis=-1) for row in predict(encoded)]


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
    output: Path, results: dict[str, Any], others: Mapping[str, str], *, card: bool
) -> dict[str, Any]:
    check_identity(output, None)
    with lock(output) as folder:
        check_identity(folder, results["settings"])
        with writing(folder):
            for name, content in {
                "settings.json": json.dumps(results["settings"], indent=2) + "\n",
                "results.json": json.dumps(results, indent=2) + "\n",
                **others,
            }.items():
                write_text(folder / name, content)
    if card:
        add_scores(Path(results["model"]), results)
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in results["metrics"].items())
    Display().say(f"{results['task']}: {metrics}")
    return results
