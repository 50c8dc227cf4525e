"""A model and its teacher on the same masked rows: sums of one batch, to be added up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from distil_jax import metrics
from distil_jax.data.masking import Masking, mask_rows
from distil_jax.losses import IGNORE
from distil_jax.metrics import Moments
from distil_jax.models import EncoderConfig, MaskedLM, output_table
from distil_jax.models.types import Params
from distil_jax.training.step import gather_rows, masked_positions

BANDS = ((1, 100), (101, 1000), (1001, 5000), (5001, None))
"""First and last rank of a band's tokens by how frequent they are in the text."""


@dataclass(frozen=True)
class Pair:
    """Two models, the second of which may be missing, and how rows are masked for both."""

    student: EncoderConfig
    teacher: EncoderConfig | None
    masking: Masking
    seed: int

    @property
    def layers(self) -> list[tuple[int, int]]:
        """Hidden states that are compared, 0 being the embeddings: at the same relative depth."""
        if self.teacher is None:
            return []
        own, other = self.student.layers, self.teacher.layers
        return [(layer, round(layer * other / own)) for layer in range(own + 1)]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Sums:
    """Of one batch: `bands` [bands, 6], see `held_out`; a cosine and moments for each layer."""

    bands: Any
    cosines: Any
    moments: Any


@dataclass(frozen=True)
class Totals:
    """Sums of all batches so far, in float64."""

    bands: np.ndarray
    layer_pairs: list[tuple[int, int]]
    cosines: list[np.ndarray]
    moments: list[Moments]

    @classmethod
    def nothing(cls) -> "Totals":
        """Before the first batch."""
        return cls(np.zeros((len(BANDS), 6)), [], [], [])

    def add(self, found: tuple[Sums, list]) -> "Totals":
        """With one more batch."""
        sums, pairs = found
        bands = self.bands + np.asarray(sums.bands, np.float64)
        cosines = [np.asarray(cosine, np.float64) for cosine in sums.cosines]
        if not self.layer_pairs:
            numbers = [(int(own), int(other)) for own, other in pairs]
            return Totals(bands, numbers, cosines, list(sums.moments))
        return Totals(
            bands,
            self.layer_pairs,
            [before + now for before, now in zip(self.cosines, cosines, strict=True)],
            [metrics.merge(*both) for both in zip(self.moments, sums.moments, strict=True)],
        )


def compare(
    pair: Pair,
    params: Params,
    teacher_params: Params | None,
    band_of_token: Int[Array, " vocabulary"],
    batch: Mapping[str, Array],
) -> tuple[Sums, list]:
    """The sums of one batch of tokens, segments [rows, length] and row numbers [rows]."""
    key = jax.random.key(pair.seed, impl="threefry2x32")
    segments = batch["segments"]
    tokens, labels = mask_rows(
        pair.masking, key, batch["tokens"], segments, jnp.zeros_like(batch["row"]), batch["row"]
    )
    masked = {"tokens": tokens, "segments": segments}
    places = masked_positions(pair.masking, labels)
    labels = gather_rows(labels, places)
    states, logits = _run(pair.student, params, masked, places)
    teacher_states: tuple[Array, ...] = ()
    teacher_logits = None
    if pair.teacher is not None and teacher_params is not None:
        teacher_states, teacher_logits = _run(pair.teacher, teacher_params, masked, places)
    cosines, moments = [], []
    for own, other in pair.layers:
        two = states[own], teacher_states[other]
        same_width = two[0].shape == two[1].shape
        found = metrics.cosine_similarity(*two, segments) if same_width else (0.0, 0)
        cosines.append(jnp.stack([jnp.asarray(value, jnp.float32) for value in found]))
        moments.append(metrics.moments(*two, segments))
    bands = _bands(logits, teacher_logits, labels, band_of_token)
    return Sums(bands, cosines, moments), pair.layers


def _run(
    config: EncoderConfig, params: Params, masked: Mapping[str, Array], places: Array
) -> tuple[tuple[Array, ...], Array]:
    """All hidden states, and the logits at the places."""
    model = MaskedLM(config)
    states = model.apply(
        {"params": params}, masked, method=lambda module, batch: module.encoder.hidden_states(batch)
    )
    features = model.apply({"params": params}, gather_rows(states[-1], places), method="transform")
    table, bias = output_table(params)
    return states, features @ table.T + bias


def _bands(
    logits: Array, teacher_logits: Array | None, labels: Array, band_of_token: Array
) -> Array:
    """For each band: tokens, right, entropy, alike, divergence, right by the teacher."""
    labelled = labels != IGNORE
    bands = band_of_token[jnp.where(labelled, labels, 0)]
    rows = []
    for band in range(len(BANDS)):
        mask = labelled & (bands == band)
        right, count = metrics.accuracy(logits, labels, mask)
        row: list[Any] = [count, right, metrics.cross_entropy(logits, labels, mask)[0]]
        if teacher_logits is None:
            row += [0, 0, 0]
        else:
            row += [
                metrics.agreement(logits, teacher_logits, mask)[0],
                metrics.kl_divergence(logits, teacher_logits, mask)[0],
                metrics.accuracy(teacher_logits, labels, mask)[0],
            ]
        rows.append(jnp.stack([jnp.asarray(value, jnp.float32) for value in row]))
    return jnp.stack(rows)
