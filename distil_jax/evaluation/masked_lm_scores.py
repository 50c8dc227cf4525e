"""Masked language modelling of a text: what a model predicts, and how near it is to its teacher."""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

import distil_jax
from distil_jax.evaluation.masked_comparison import ModelPair, Totals, compare
from distil_jax.evaluation.output_folder import check_identity
from distil_jax.evaluation.text_models import load_models
from distil_jax.metrics import linear_cka
from distil_jax.pretrained import Pretrained
from distil_jax.storage.atomic import write_text, writing
from distil_jax.storage.lock import lock
from distil_jax.tasks.encoding import check_length
from distil_jax.tasks.masked_lm import (
    DEFINITION,
    band_of_token,
    check_masked,
    figures,
    figures_by_band,
    masking,
    packed_rows,
)
from distil_jax.tasks.named import TASKS
from distil_jax.training.progress import Display

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

ROW_TOKENS = 2048


@dataclass(frozen=True)
class MaskedLMSettings:
    """What is predicted.

    Attributes:
      data: text as `prepare` reads it.
      rows: about how many rows are predicted, from the beginning of the text; 0: all.
      seed: of the masks; the same masks for every model with the same tokenizer.
    """

    model: str
    teacher: str
    data: str
    output: Path
    column: str
    document: str
    length: int | None
    rows: int
    seed: int

    def packed_rows(
        self, tokenizer: "PreTrainedTokenizerFast", length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Tokens and segments [rows, length] of the text; raises `UserError` if it has none."""
        return packed_rows(
            self.data,
            tokenizer,
            length,
            document=self.document,
            column=self.column,
            rows=self.rows,
        )


def evaluate(settings: MaskedLMSettings) -> dict[str, Any]:
    """Predict the masked tokens of a text and write results.json; raises `UserError`."""
    display = Display()
    check_identity(settings.output, None)
    model, teacher = load_models(settings.model, settings.teacher, "masked_lm")
    length = check_length(settings.length, TASKS["mlm"].length, model.config)
    if teacher is not None:
        length = check_length(settings.length, length, teacher.config)
    assert model.tokenizer is not None
    tokens, segments = settings.packed_rows(model.tokenizer, length)
    identity = {**asdict(settings), "output": "", "length": length, "task": "mlm"}
    with lock(settings.output) as folder:
        check_identity(folder, identity)
        display.say(f"mlm: {len(tokens):,} rows of {length} tokens")
        pair = _pair(settings, model, teacher)
        total = Totals.zero()
        bands = band_of_token(tokens, segments, model.config.vocabulary)
        step = jax.jit(partial(compare, pair))
        params = (model.params, None if teacher is None else teacher.params)
        for batch in _batches(tokens, segments, length):
            total = total.add(jax.device_get(step(*params, bands, batch)))
        results = _results(settings, model, teacher, total, int((segments > 0).sum()), identity)
        with writing(folder):
            write_text(folder / "settings.json", json.dumps(identity, indent=2) + "\n")
            write_text(folder / "results.json", json.dumps(results, indent=2) + "\n")
    metrics = ", ".join(f"{name} {value:.4g}" for name, value in results["metrics"].items())
    display.say(f"mlm: {metrics}")
    return results


def _pair(settings: MaskedLMSettings, model: Pretrained, teacher: Pretrained | None) -> ModelPair:
    assert model.tokenizer is not None
    teacher_config = None if teacher is None else teacher.config
    return ModelPair(model.config, teacher_config, masking(model.tokenizer), settings.seed)


def _batches(
    tokens: np.ndarray, segments: np.ndarray, length: int
) -> Iterator[dict[str, np.ndarray]]:
    """All rows, the last batch filled up with rows of padding."""
    size = min(max(1, ROW_TOKENS // length), len(tokens))
    for start in range(0, len(tokens), size):
        part = {"tokens": tokens[start : start + size], "segments": segments[start : start + size]}
        missing = ((0, size - len(part["tokens"])), (0, 0))
        filled = {name: np.pad(values, missing) for name, values in part.items()}
        yield filled | {"row": np.arange(start, start + size, dtype=np.int32)}


def _results(
    settings: MaskedLMSettings,
    model: Pretrained,
    teacher: Pretrained | None,
    total: Totals,
    tokens: int,
    identity: Mapping[str, Any],
) -> dict[str, Any]:
    compared = teacher is not None
    check_masked(int(total.bands[:, 0].sum()), settings.data)
    metrics = figures(total.bands.sum(0), compared=compared)
    layers = _layers(total)
    if layers and layers[-1]["cosine"] is not None:
        metrics["hidden_cosine"] = layers[-1]["cosine"]
    if layers:
        metrics["cka"] = layers[-1]["cka"]
    leaves = jax.tree.leaves(model.params)
    score = metrics["accuracy"]
    return {
        "task": "mlm",
        "model": settings.model,
        "teacher": settings.teacher or None,
        "metric": "accuracy",
        "metric_definition": DEFINITION,
        "score": score,
        "spread": {"min": score, "max": score, "std": 0.0},
        "metrics": metrics,
        "seeds": [{"seed": settings.seed, "score": score, "metrics": metrics}],
        "layers": layers,
        "bands": figures_by_band(total.bands, compared=compared),
        "parameters": sum(leaf.size for leaf in leaves),
        "bytes": sum(leaf.size * 4 for leaf in leaves),
        "counts": {"tokens": tokens, "masked": int(total.bands[:, 0].sum())},
        "settings": dict(identity),
        "environment": {
            "distil_jax": distil_jax.__version__,
            "jax": jax.__version__,
            "python": platform.python_version(),
            "device": jax.devices()[0].device_kind,
            "processors": os.cpu_count(),
        },
    }


def _layers(total: Totals) -> list[dict[str, Any]]:
    """How alike the hidden states of each pair of layers are."""
    return [
        {
            "student_layer": student_layer,
            "teacher_layer": teacher_layer,
            "cosine": float(cosine[0] / cosine[1]) if cosine[1] else None,
            "cka": linear_cka(moments),
        }
        for (student_layer, teacher_layer), cosine, moments in zip(
            total.layer_pairs, total.cosines, total.moments, strict=True
        )
    ]
