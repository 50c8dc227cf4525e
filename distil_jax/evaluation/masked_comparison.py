"""A model and its teacher on the same masked rows: sums of one batch, to be added up."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from distil_jax import metrics
from distil_jax.data.masking import Masking, gather_rows, mask_rows, masked_positions
from distil_jax.losses import IGNORE
from distil_jax.metrics import TOKEN_SUMS, Moments
from distil_jax.models import EncoderConfig, MaskedLM, output_table
from distil_jax.models.types import Params
from distil_jax.tasks.masked_lm import BANDS


@dataclass(frozen=True)
class ModelPair:
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
        student, teacher = self.student.layers, self.teacher.layers
        return [(layer, round(layer * teacher / student)) for layer in range(student + 1)]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ComparisonSums:
    """Of one batch: `bands` as `metrics.band_sums`; a cosine and moments for each layer."""

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
    def zero(cls) -> "Totals":
        """Before the first batch."""
        return cls(np.zeros((len(BANDS), len(TOKEN_SUMS))), [], [], [])

    def add(self, batch: tuple[ComparisonSums, list]) -> "Totals":
        """With one more batch."""
        sums, pairs = batch
        bands = self.bands + np.asarray(sums.bands, np.float64)
        cosines = [np.asarray(cosine, np.float64) for cosine in sums.cosines]
        if not self.layer_pairs:
            numbers = [(int(student), int(teacher)) for student, teacher in pairs]
            return Totals(bands, numbers, cosines, list(sums.moments))
        return Totals(
            bands,
            self.layer_pairs,
            [before + cosine for before, cosine in zip(self.cosines, cosines, strict=True)],
            [metrics.merge(*both) for both in zip(self.moments, sums.moments, strict=True)],
        )


def compare(
    pair: ModelPair,
    params: Params,
    teacher_params: Params | None,
    band_of_token: Int[Array, " vocabulary"],
    batch: Mapping[str, Array],
) -> tuple[ComparisonSums, list]:
    """The sums of one batch of tokens, segments [rows, length] and row numbers [rows]."""
    key = jax.random.key(pair.seed, impl="threefry2x32")
    segments = batch["segments"]
    tokens, labels = mask_rows(
        pair.masking, key, batch["tokens"], segments, jnp.zeros_like(batch["row"]), batch["row"]
    )
    masked = {"tokens": tokens, "segments": segments}
    positions = masked_positions(labels, pair.masking.max_masked(labels.shape[-1]))
    labels = gather_rows(labels, positions)
    # Rows that only pad the table stand for no token: none is predicted.
    known = pair.masking.vocabulary
    states, logits = _run(pair.student, params, masked, positions)
    logits = logits[..., :known]
    teacher_states: tuple[Array, ...] = ()
    teacher_logits = None
    if pair.teacher is not None and teacher_params is not None:
        teacher_states, teacher_logits = _run(pair.teacher, teacher_params, masked, positions)
        teacher_logits = teacher_logits[..., :known]
    cosines, moments = [], []
    for layer, teacher_layer in pair.layers:
        two = states[layer], teacher_states[teacher_layer]
        same_width = two[0].shape == two[1].shape
        cosine = metrics.cosine_similarity(*two, segments) if same_width else (0.0, 0)
        cosines.append(jnp.stack([jnp.asarray(value, jnp.float32) for value in cosine]))
        moments.append(metrics.moments(*two, segments))
    labelled = labels != IGNORE
    bands = metrics.band_sums(logits, labels, labelled, band_of_token, len(BANDS), teacher_logits)
    return ComparisonSums(bands, cosines, moments), pair.layers


def _run(
    config: EncoderConfig, params: Params, masked: Mapping[str, Array], positions: Array
) -> tuple[tuple[Array, ...], Array]:
    """All hidden states, and the logits at the positions."""
    model = MaskedLM(config)
    states = model.apply(
        {"params": params}, masked, method=lambda module, batch: module.encoder.hidden_states(batch)
    )
    features = model.apply(
        {"params": params}, gather_rows(states[-1], positions), method="transform"
    )
    table, bias = output_table(params)
    return states, features @ table.T + bias
