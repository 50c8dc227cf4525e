"""Perplexity of a causal model on a text, and how often it agrees with its teacher."""

import json
import math
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

import distil_jax
from distil_jax import metrics
from distil_jax.evaluation.output_folder import check_identity
from distil_jax.evaluation.text_models import load_models
from distil_jax.losses import IGNORE
from distil_jax.models import EncoderConfig, MaskedLM
from distil_jax.models.types import Params
from distil_jax.pretrained import Pretrained
from distil_jax.storage.atomic import write_text, writing
from distil_jax.storage.lock import lock
from distil_jax.tasks.causal_lm import DEFINITION, stream, windows
from distil_jax.tasks.encoding import check_length
from distil_jax.tasks.named import TASKS
from distil_jax.tokenizer import special_ids
from distil_jax.training.progress import Display

TASK = "causal_lm"
ROW_TOKENS = 2048
Windows = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class CausalLMSettings:
    """What is predicted.

    Attributes:
      data: text as `prepare` reads it.
      length: tokens of a window; None: 1,024, if the model has as many positions.
      stride: tokens that neighbouring windows share: what stands before a predicted token at least.
      rows: about how many windows, from the beginning of the text; 0: all.
    """

    model: str
    teacher: str
    data: str
    output: Path
    column: str
    document: str
    length: int | None
    stride: int
    rows: int


def evaluate(settings: CausalLMSettings) -> dict[str, Any]:
    """Predict a text and write results.json; raises `UserError`."""
    display = Display()
    check_identity(settings.output, None)
    model, teacher = load_models(settings.model, settings.teacher, TASK)
    length = check_length(settings.length, TASKS[TASK].length, model.config)
    if teacher is not None:
        length = check_length(settings.length, length, teacher.config)
    rows = _windows(settings, model, length)
    identity = {**asdict(settings), "output": "", "length": length, "task": TASK}
    with lock(settings.output) as folder:
        check_identity(folder, identity)
        display.say(f"{TASK}: {len(rows[0]):,} windows of {length} tokens")
        sums = _sums(model, teacher, rows)
        results = _results(settings, model, sums, teacher is not None, identity)
        with writing(folder):
            write_text(folder / "settings.json", json.dumps(identity, indent=2) + "\n")
            write_text(folder / "results.json", json.dumps(results, indent=2) + "\n")
    figures = ", ".join(f"{name} {value:.4g}" for name, value in results["metrics"].items())
    display.say(f"{TASK}: {figures}")
    return results


def _windows(settings: CausalLMSettings, model: Pretrained, length: int) -> Windows:
    assert model.tokenizer is not None
    step = length - settings.stride
    most = settings.rows * step + settings.stride if settings.rows else 0
    tokens = stream(
        settings.data,
        model.tokenizer,
        document=settings.document,
        column=settings.column,
        most=most,
    )
    tokens = tokens[:most] if most else tokens
    return windows(tokens, length, settings.stride, special_ids(model.tokenizer).pad)


def _sums(model: Pretrained, teacher: Pretrained | None, rows: Windows) -> np.ndarray:
    """Those of `metrics.TOKEN_SUMS` over all windows, in float64."""
    config = None if teacher is None else teacher.config
    step = jax.jit(partial(_score, model.config, config))
    params = (model.params, None if teacher is None else teacher.params)
    found = [np.asarray(step(*params, *part), np.float64) for part in _batches(rows)]
    return np.sum(found, axis=0)


def _score(
    config: EncoderConfig,
    teacher: EncoderConfig | None,
    params: Params,
    teacher_params: Params | None,
    tokens: Array,
    segments: Array,
    labels: Array,
) -> Array:
    batch = {"tokens": tokens, "segments": segments}
    logits = MaskedLM(config).apply({"params": params}, batch)
    flat, others = logits.reshape(-1, logits.shape[-1]), None
    if teacher is not None:
        others = MaskedLM(teacher).apply({"params": teacher_params}, batch)
        others = others.reshape(-1, others.shape[-1])
    labels = labels.reshape(-1)
    bands = jnp.zeros(config.vocabulary, jnp.int32)
    return metrics.band_sums(flat, labels, labels != IGNORE, bands, 1, others)[0]


def _batches(rows: Windows) -> Iterator[Windows]:
    """All windows, the last batch filled up with windows of padding."""
    tokens, segments, labels = rows
    count, length = tokens.shape
    size = min(max(1, ROW_TOKENS // length), count)
    for start in range(0, count, size):
        fill = ((0, start + size - min(count, start + size)), (0, 0))
        yield (
            np.pad(tokens[start : start + size], fill),
            np.pad(segments[start : start + size], fill),
            np.pad(labels[start : start + size], fill, constant_values=IGNORE),
        )


def _results(
    settings: CausalLMSettings,
    model: Pretrained,
    sums: np.ndarray,
    compared: bool,
    identity: dict[str, Any],
) -> dict[str, Any]:
    count, right, entropy, alike, divergence, teacher_right = map(float, sums)
    loss = entropy / count
    figures = {
        "perplexity": math.exp(min(loss, 700.0)),
        TASK: loss,
        "accuracy": 100 * right / count,
        "tokens": count,
    }
    if compared:
        figures |= {
            "agreement": 100 * alike / count,
            "kl": divergence / count,
            "teacher_accuracy": 100 * teacher_right / count,
        }
    score = figures["perplexity"]
    return {
        "task": TASK,
        "model": settings.model,
        "teacher": settings.teacher or None,
        "metric": "perplexity",
        "metric_definition": DEFINITION,
        "score": score,
        "spread": {"min": score, "max": score, "std": 0.0},
        "metrics": figures,
        "seeds": [{"seed": 0, "score": score, "metrics": figures}],
        "counts": {"tokens": int(count)},
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(model.params)),
        "settings": identity,
        "environment": {
            "distil_jax": distil_jax.__version__,
            "jax": jax.__version__,
            "python": platform.python_version(),
            "backend": jax.default_backend(),
            "processors": os.cpu_count(),
        },
    }
