"""Inference speed and size of models side by side, on real sentences."""

import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import jax
import numpy as np

from distil_jax.data.packing import unpack
from distil_jax.errors import UserError
from distil_jax.exporting.onnx_encoder import IDS, MASK, TYPES
from distil_jax.exporting.onnx_folder import OnnxModel
from distil_jax.models import Encoder, MaskedLM
from distil_jax.models.stacking import unstack
from distil_jax.models.types import Params
from distil_jax.pretrained import Pretrained
from distil_jax.profiling.sentences import Sentence
from distil_jax.profiling.timing import alternate
from distil_jax.tokenizer import special_ids

BUCKET = 16
"""Lengths are rounded up to a multiple: a program for each, and little padding."""
BATCH = 32
MOST_SECONDS = 30.0
"""After these a run's models are timed no further: large ones on a CPU take minutes a round."""

Rows = dict[str, np.ndarray]
Measurable = Pretrained | OnnxModel


def measure_inference(
    models: Mapping[str, tuple[str, Measurable]],
    sentences: Sequence[Sentence],
    *,
    rounds: int,
    length: int,
) -> dict[str, Any]:
    """Figures of "student", and, if they are there, "teacher" and exports: (name, model) each.

    A model folder is measured as this package's encoder, an export with its head, in onnxruntime.

    Every round is a pass over all sentences by every model in turn, one sentence a call in their
    order, then 32 a call sorted by length, in the last call what is left; medians over the rounds.
    Tokens beyond `length`, or a model's positions, are cut. Tokenizing is done before.
    """
    for role, (_, model) in models.items():
        if model.tokenizer is None:
            raise UserError(f"the {role} has no tokenizer, so no sentence can be encoded")
    encoded = {role: token_ids(model, sentences, length) for role, (_, model) in models.items()}
    passes: dict[str, Callable[[], object]] = {}
    for role, (_, model) in models.items():
        passes |= _passes(role, model, encoded[role])
    seconds = alternate(passes, rounds=rounds)
    content: dict[str, Any] = {
        role: _figures(name, model, len(sentences), seconds[f"{role} 1"], seconds[f"{role} 32"])
        for role, (name, model) in models.items()
    }
    if {"student", "teacher"} <= content.keys():
        content["ratios"] = _ratios(content["student"], content["teacher"])
    lengths = list(map(len, encoded["student"]))
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


def _passes(
    role: str, model: Measurable, encoded: Sequence[Sequence[int]]
) -> dict[str, Callable[[], object]]:
    """One pass over all sentences, one a call, and one in batches by length."""
    run = onnx_forward(model) if isinstance(model, OnnxModel) else forward(model)
    pad = special_ids(model.tokenizer).pad  # type: ignore[arg-type]
    bucket = 1 if isinstance(model, OnnxModel) else BUCKET
    single = [padded_rows([sentence], 1, pad, bucket) for sentence in encoded]
    by_length = sorted(encoded, key=len)
    parts = [by_length[start : start + BATCH] for start in range(0, len(by_length), BATCH)]
    batched = [padded_rows(part, len(part), pad, bucket) for part in parts]
    return {f"{role} 1": _pass(run, single), f"{role} 32": _pass(run, batched)}


def sentences_per_second(
    models: Mapping[str, tuple[MaskedLM, Params]],
    batch: Mapping[str, np.ndarray],
    *,
    rounds: int = 7,
) -> dict[str, float]:
    """Median rate at which each model encodes `batch` (one sentence a row) on one device.

    Of fewer rounds where all take longer than `MOST_SECONDS`.
    """
    local_batch = jax.device_put({name: batch[name] for name in ("tokens", "segments")})

    def timed(module: MaskedLM, params: Params):  # type: ignore[no-untyped-def]
        compiled = jax.jit(
            lambda params: module.apply({"params": params}, local_batch, method="encode")
        )
        local_params = jax.device_put(params, jax.local_devices()[0])
        return lambda: jax.block_until_ready(compiled(local_params))

    passes = {name: timed(*model) for name, model in models.items()}
    seconds = alternate(passes, rounds=rounds, most_seconds=MOST_SECONDS)
    return {name: len(batch["tokens"]) / median for name, median in seconds.items()}


def one_sentence_a_row(
    tokens: np.ndarray, segments: np.ndarray, *, sentences: int, pad: int
) -> Rows:
    """The first `sentences` sequences of packed rows, a row each, padded to the longest."""
    sequences = [sequence.tolist() for sequence in unpack(tokens, segments)[:sentences]]
    return padded_rows(sequences, len(sequences), pad, bucket=1)


def forward(model: Pretrained) -> Callable[[Rows], jax.Array]:
    """The compiled encoder; a program for each shape of rows."""
    params = jax.device_put(unstack(model.params)["encoder"], jax.local_devices()[0])
    encoder = Encoder(model.config)
    compiled = jax.jit(lambda params, batch: encoder.apply({"params": params}, batch))
    return lambda batch: compiled(params, batch)


def onnx_forward(model: OnnxModel) -> Callable[[Rows], list[np.ndarray]]:
    """The graph in onnxruntime, head included."""

    def run(batch: Rows) -> list[np.ndarray]:
        ids = batch["tokens"].astype(np.int64)
        mask = batch["segments"].astype(np.int64)
        return model.run({IDS: ids, MASK: mask, TYPES: np.zeros_like(ids)})

    return run


def _pass(run: Callable[[Rows], object], batches: Sequence[Rows]) -> Callable[[], object]:
    def run_all() -> None:
        for batch in batches:
            jax.block_until_ready(run(batch))

    return run_all


def token_ids(model: Measurable, sentences: Sequence[Sentence], length: int) -> list[list[int]]:
    """Token ids of each sentence or pair, special ones included, cut where they are too many."""
    assert model.tokenizer is not None
    max_length = min(length, model.config.positions)
    return [
        model.tokenizer(*sentence, truncation=True, max_length=max_length)["input_ids"]
        for sentence in sentences
    ]


def padded_rows(
    sentences: Sequence[Sequence[int]], count: int, pad: int, bucket: int = BUCKET
) -> Rows:
    """`count` rows, a sentence each and empty ones after them, as long as the longest's bucket."""
    longest = max(map(len, sentences))
    width = -(-longest // bucket) * bucket
    batch = {
        "tokens": np.full((count, width), pad, np.int32),
        "segments": np.zeros((count, width), np.int32),
    }
    for row, sentence in enumerate(sentences):
        batch["tokens"][row, : len(sentence)] = sentence
        batch["segments"][row, : len(sentence)] = 1
    return batch


def _figures(
    name: str, model: Measurable, sentences: int, single_seconds: float, batched_seconds: float
) -> dict[str, Any]:
    size = _export_size(model) if isinstance(model, OnnxModel) else _size(name, model)
    return {
        "model": name,
        "layers": model.config.layers,
        **size,
        "batch_1_milliseconds": 1000 * single_seconds / sentences,
        "batch_1_sentences_per_second": sentences / single_seconds,
        "batch_32_sentences_per_second": sentences / batched_seconds,
    }


def _size(name: str, model: Pretrained) -> dict[str, Any]:
    leaves = jax.tree.leaves(model.params)
    encoder = jax.tree.leaves(model.params["encoder"])
    return {
        "backend": "jax, encoder",
        "parameters": sum(leaf.size for leaf in leaves),
        "encoder_parameters": sum(leaf.size for leaf in encoder),
        "bytes": _bytes(name) or sum(leaf.size * leaf.dtype.itemsize for leaf in leaves),
    }


def _export_size(model: OnnxModel) -> dict[str, Any]:
    quantised = "float32" if model.quantisation == "none" else model.quantisation
    return {"backend": f"onnxruntime, {model.head}, {quantised}", "bytes": model.bytes}


def _bytes(name: str) -> int:
    """The weights' bytes on disk; 0 where the model is not a folder here."""
    return sum(path.stat().st_size for path in Path(name).glob("*.safetensors"))


def _ratios(student: Mapping[str, Any], teacher: Mapping[str, Any]) -> dict[str, float]:
    rates = {f"batch_{size}_speed": f"batch_{size}_sentences_per_second" for size in (1, BATCH)}
    sizes = {name: name for name in ("parameters", "encoder_parameters", "bytes")}
    return {
        name: student[key] / teacher[key]
        for name, key in (rates | sizes).items()
        if key in student and key in teacher
    }
