"""Held-out masked language modelling: what a model predicts, and how near it is to its teacher."""

import json
import math
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

import distil_jax
from distil_jax.data import corpus
from distil_jax.data.masking import Masking
from distil_jax.data.packing import pack
from distil_jax.data.sequences import Dropped, Rule, bare_backend, make
from distil_jax.errors import UserError
from distil_jax.evaluation.agreement import BANDS, Pair, Totals, compare
from distil_jax.evaluation.encoding import check_length
from distil_jax.evaluation.identity import check_identity
from distil_jax.metrics import linear_cka
from distil_jax.pretrained import Pretrained, load
from distil_jax.pretrained.model import check_vocabulary
from distil_jax.storage.atomic import write_text, writing
from distil_jax.storage.lock import lock
from distil_jax.tokenizer import fingerprint, special_ids
from distil_jax.training.progress import Display

USUAL_LENGTH = 128
PERCENT, MASK_PERCENT, RANDOM_PERCENT = 15, 80, 10
DEFINITION = "share of masked tokens whose likeliest prediction is right, percent"
ROW_TOKENS = 2048


@dataclass(frozen=True)
class HeldOutSettings:
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


def evaluate(settings: HeldOutSettings) -> dict[str, Any]:
    """Predict the masked tokens of a text and write results.json; raises `UserError`."""
    display = Display()
    check_identity(settings.output, None)
    model, teacher = _models(settings)
    length = check_length(settings.length, USUAL_LENGTH, model.config)
    if teacher is not None:
        length = check_length(settings.length, length, teacher.config)
    tokens, segments = packed_rows(settings, model.tokenizer, length)
    identity = {**asdict(settings), "output": "", "length": length, "task": "mlm"}
    with lock(settings.output) as folder:
        check_identity(folder, identity)
        display.say(f"mlm: {len(tokens):,} rows of {length} tokens")
        pair = _pair(settings, model, teacher)
        total = Totals.nothing()
        counts = np.bincount(tokens[segments > 0], minlength=model.config.vocabulary)
        bands = _band_of_token(counts)
        step = jax.jit(partial(compare, pair))
        params = (model.params, None if teacher is None else teacher.params)
        for batch in _batches(tokens, segments, length):
            total = total.add(jax.device_get(step(*params, bands, batch)))
        found = _results(settings, model, teacher, total, int((segments > 0).sum()), identity)
        with writing(folder):
            write_text(folder / "settings.json", json.dumps(identity, indent=2) + "\n")
            write_text(folder / "results.json", json.dumps(found, indent=2) + "\n")
    told = ", ".join(f"{name} {value:.4g}" for name, value in found["metrics"].items())
    display.say(f"mlm: {told}")
    return found


def _models(settings: HeldOutSettings) -> tuple[Pretrained, Pretrained | None]:
    model = load(settings.model, require_head="masked_lm")
    check_vocabulary(model.tokenizer, model.config, settings.model)  # type: ignore[arg-type]
    if not settings.teacher:
        return model, None
    teacher = load(settings.teacher, require_head="masked_lm")
    pair = (model.tokenizer, teacher.tokenizer)
    if fingerprint(pair[0]) != fingerprint(pair[1]):  # type: ignore[arg-type]
        raise UserError(
            f"teacher {settings.teacher} has another tokenizer than {settings.model}; "
            "their predictions cannot be compared token by token"
        )
    if teacher.config.vocabulary != model.config.vocabulary:
        raise UserError(
            f"teacher {settings.teacher} has {teacher.config.vocabulary} vocabulary entries, "
            f"{settings.model} {model.config.vocabulary}; use models with the same vocabulary"
        )
    return model, teacher


def packed_rows(
    settings: HeldOutSettings, tokenizer: Any, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Tokens and segments [rows, length] of the text; raises `UserError` if it has none."""
    special = special_ids(tokenizer)
    documents = corpus.documents(
        corpus.find(settings.data, document=settings.document, column=settings.column)
    )
    rule = Rule(length, shortest_tokens=4, unknown_share=2.0)
    made = make(documents, bare_backend(tokenizer), special, rule, Dropped())
    sequences, held = [], 0
    for sequence in made:
        sequences.append(sequence)
        held += len(sequence)
        if settings.rows and held >= settings.rows * length:
            break
    if not sequences:
        raise UserError(f"{settings.data} holds no text to predict; give some")
    return pack(sequences, length, special.pad)


def _pair(settings: HeldOutSettings, model: Pretrained, teacher: Pretrained | None) -> Pair:
    other = None if teacher is None else teacher.config
    return Pair(model.config, other, masking(model.tokenizer), settings.seed)


def masking(tokenizer: Any) -> Masking:
    """How tokens are hidden: BERT's 15 %, drawn uniformly."""
    special = special_ids(tokenizer)
    return Masking(
        vocabulary=len(tokenizer),
        special=special.every,
        mask_token=special.mask,
        percent=PERCENT,
        mask_percent=MASK_PERCENT,
        random_percent=RANDOM_PERCENT,
    )


def _band_of_token(counts: np.ndarray) -> np.ndarray:
    """For each token the number of its frequency band in this text."""
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(1, len(counts) + 1)
    return np.searchsorted([last for _, last in BANDS[:-1]], rank, side="left").astype(np.int32)


def _batches(
    tokens: np.ndarray, segments: np.ndarray, length: int
) -> Iterator[dict[str, np.ndarray]]:
    """All rows, the last batch filled up with rows of padding."""
    size = min(max(1, ROW_TOKENS // length), len(tokens))
    for start in range(0, len(tokens), size):
        own = {"tokens": tokens[start : start + size], "segments": segments[start : start + size]}
        missing = ((0, size - len(own["tokens"])), (0, 0))
        filled = {name: np.pad(values, missing) for name, values in own.items()}
        yield filled | {"row": np.arange(start, start + size, dtype=np.int32)}


def check_masked(count: int, settings: HeldOutSettings) -> None:
    """Raise UserError where there is nothing to score."""
    if not count:
        raise UserError(
            f"{settings.data} has no token that could be masked: it is too short, or all of it is "
            "unknown to the tokenizer; give more text, in the model's language"
        )


def _results(
    settings: HeldOutSettings,
    model: Pretrained,
    teacher: Pretrained | None,
    total: Totals,
    tokens: int,
    identity: Mapping[str, Any],
) -> dict[str, Any]:
    compared = teacher is not None
    check_masked(int(total.bands[:, 0].sum()), settings)
    metrics = _figures(total.bands.sum(0), compared)
    layers: list[dict[str, Any]] = [
        {
            "student_layer": own,
            "teacher_layer": other,
            "cosine": float(cosine[0] / cosine[1]) if cosine[1] else None,
            "cka": linear_cka(moments),
        }
        for (own, other), cosine, moments in zip(
            total.layer_pairs, total.cosines, total.moments, strict=True
        )
    ]
    if layers and layers[-1]["cosine"] is not None:
        metrics["hidden_cosine"] = layers[-1]["cosine"]
    if layers:
        metrics["cka"] = layers[-1]["cka"]
    bands = [
        {"ranks": f"{first}-{last or ''}", **_figures(row, compared)}
        for (first, last), row in zip(BANDS, total.bands, strict=True)
    ]
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
        "bands": bands,
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


def _figures(row: np.ndarray, compared: bool) -> dict[str, float]:
    """Figures of a band's sums: tokens, right, entropy, alike, divergence, the teacher's right."""
    count, right, entropy, alike, divergence, teacher_right = map(float, row)
    if not count:
        return {"tokens": 0.0}
    loss = entropy / count
    figures = {
        "tokens": count,
        "accuracy": 100 * right / count,
        "masked_lm": loss,
        "perplexity": math.exp(min(loss, 700.0)),
    }
    if compared:
        figures |= {
            "agreement": 100 * alike / count,
            "kl": divergence / count,
            "teacher_accuracy": 100 * teacher_right / count,
        }
    return figures
