"""Sentences per second of models on real held-out text, measured side by side."""

from collections.abc import Mapping

import jax
import numpy as np

from distil_jax.data.packing import unpack
from distil_jax.models import MaskedLM
from distil_jax.models.types import Params
from distil_jax.profiling.timing import alternate


def sentences_per_second(
    models: Mapping[str, tuple[MaskedLM, Params]],
    batch: Mapping[str, np.ndarray],
    *,
    rounds: int = 7,
) -> dict[str, float]:
    """Median rate at which each model encodes `batch` (one sentence a row) on one device."""
    placed = jax.device_put({name: batch[name] for name in ("tokens", "segments")})

    def timed(module: MaskedLM, params: Params):  # type: ignore[no-untyped-def]
        compiled = jax.jit(lambda params: module.apply({"params": params}, placed, method="encode"))
        local = jax.device_put(params, jax.local_devices()[0])
        return lambda: jax.block_until_ready(compiled(local))

    seconds = alternate({name: timed(*model) for name, model in models.items()}, rounds=rounds)
    return {name: len(batch["tokens"]) / median for name, median in seconds.items()}


def one_sentence_a_row(
    tokens: np.ndarray, segments: np.ndarray, *, sentences: int, pad: int
) -> dict[str, np.ndarray]:
    """The first `sentences` sequences of packed rows, a row each, padded to the longest."""
    found = unpack(tokens, segments)[:sentences]
    longest = max(len(sentence) for sentence in found)
    batch = {
        "tokens": np.full((len(found), longest), pad, np.int32),
        "segments": np.zeros((len(found), longest), np.int32),
    }
    for index, sentence in enumerate(found):
        batch["tokens"][index, : len(sentence)] = sentence
        batch["segments"][index, : len(sentence)] = 1
    return batch
