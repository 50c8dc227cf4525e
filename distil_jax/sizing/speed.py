"""Inference speed and size of a student beside its teacher, on real sentences."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np

from distil_jax.errors import UserError
from distil_jax.models.serving import encode, unstack
from distil_jax.pretrained import Pretrained
from distil_jax.sizing.sentences import Sentence
from distil_jax.sizing.timing import alternate
from distil_jax.tokenizer import special_ids

BUCKET = 16
"""Lengths are rounded up to a multiple: a program for each, and little padding."""
BATCH = 32

Rows = dict[str, np.ndarray]


def measure(
    models: Mapping[str, tuple[str, Pretrained]],
    sentences: Sequence[Sentence],
    *,
    rounds: int,
    length: int,
) -> dict[str, Any]:
    """Figures of "student" and, if it is there, "teacher": (name, model) each.

    Every round is a pass over all sentences by every model in turn, one sentence a call in their
    order, then 32 a call sorted by length; medians over the rounds. Tokens beyond `length`, or a
    model's positions, are cut. Tokenizing is done before.
    """
    passes: dict[str, Callable[[], object]] = {}
    encoded = {}
    for role, (_, model) in models.items():
        encoded[role] = _tokens(model, sentences, length)
        forward = _forward(model)
        if model.tokenizer is None:
            raise UserError(f"the {role} has no tokenizer, so no sentence can be encoded")
        pad = special_ids(model.tokenizer).pad
        single = [_rows([tokens], 1, pad) for tokens in encoded[role]]
        by_length = sorted(encoded[role], key=len)
        parts = [by_length[start : start + BATCH] for start in range(0, len(by_length), BATCH)]
        batched = [_rows(part, BATCH, pad) for part in parts]
        passes |= {f"{role} 1": _pass(forward, single), f"{role} 32": _pass(forward, batched)}
    seconds = alternate(passes, rounds=rounds)
    content: dict[str, Any] = {
        role: _figures(name, model, len(sentences), seconds[f"{role} 1"], seconds[f"{role} 32"])
        for role, (name, model) in models.items()
    }
    if {"student", "teacher"} <= content.keys():
        content["ratios"] = _ratios(content["student"], content["teacher"])
    lengths = [len(tokens) for tokens in encoded["student"]]
    return {
        **content,
        "lengths": {
            "sentences": len(sentences),
            "median": median(lengths),
            "longest": max(lengths),
            "cut_at": length,
        },
        "rounds": rounds,
        "device": f"{jax.devices()[0].device_kind}, {os.cpu_count()} cores",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _forward(model: Pretrained) -> Callable[[Rows], jax.Array]:
    params = jax.device_put(unstack(model.params), jax.local_devices()[0])
    compiled = jax.jit(lambda params, rows: encode(model.config, params, rows))
    return lambda rows: compiled(params, rows)


def _pass(forward: Callable[[Rows], jax.Array], every: Sequence[Rows]) -> Callable[[], object]:
    def all_of_them() -> None:
        for rows in every:
            jax.block_until_ready(forward(rows))

    return all_of_them


def _tokens(model: Pretrained, sentences: Sequence[Sentence], length: int) -> list[list[int]]:
    assert model.tokenizer is not None
    most = min(length, model.config.positions)
    return [
        model.tokenizer(*sentence, truncation=True, max_length=most)["input_ids"]
        for sentence in sentences
    ]


def _rows(every: Sequence[Sequence[int]], rows: int, pad: int) -> Rows:
    longest = max(map(len, every))
    width = -(-longest // BUCKET) * BUCKET
    tokens = np.full((rows, width), pad, np.int32)
    segments = np.zeros((rows, width), np.int32)
    for row, sentence in enumerate(every):
        tokens[row, : len(sentence)] = sentence
        segments[row, : len(sentence)] = 1
    return {"tokens": tokens, "segments": segments}


def _figures(
    name: str, model: Pretrained, sentences: int, single_seconds: float, batched_seconds: float
) -> dict[str, Any]:
    leaves = jax.tree.leaves(model.params)
    encoder = jax.tree.leaves(model.params["encoder"])
    return {
        "model": name,
        "layers": model.config.layers,
        "parameters": sum(leaf.size for leaf in leaves),
        "encoder_parameters": sum(leaf.size for leaf in encoder),
        "bytes": _bytes(name) or sum(leaf.size * leaf.dtype.itemsize for leaf in leaves),
        "batch_1_milliseconds": 1000 * single_seconds / sentences,
        "batch_1_sentences_per_second": sentences / single_seconds,
        "batch_32_sentences_per_second": sentences / batched_seconds,
    }


def _bytes(name: str) -> int:
    """The weights' bytes on disk; 0 where the model is not a folder here."""
    return sum(path.stat().st_size for path in Path(name).glob("*.safetensors"))


def _ratios(student: Mapping[str, Any], teacher: Mapping[str, Any]) -> dict[str, float]:
    rates = {f"batch_{size}_speed": f"batch_{size}_sentences_per_second" for size in (1, BATCH)}
    sizes = {name: name for name in ("parameters", "encoder_parameters", "bytes")}
    return {name: student[key] / teacher[key] for name, key in (rates | sizes).items()}
