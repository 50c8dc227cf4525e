"""Losses of token classification, over the first sub-words of the words."""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from distil_jax import losses
from distil_jax.losses import IGNORE, WeightedSum
from distil_jax.models.types import Batch
from distil_jax.tasks.label_losses import entropy


def objective(
    logits: Float[Array, "slots window labels"],
    piece: Mapping[str, Array],
    used: Bool[Array, " slots"],
    *,
    temperature: float,
) -> dict[str, WeightedSum]:
    """A classification's at the first sub-word of each word."""
    first = _labelled(piece)
    entropies = entropy(logits, jnp.where(first, piece["labels"], 0).astype(jnp.int32))
    terms = {"labels": WeightedSum.of(entropies, first)}
    if "soft" in piece:
        judged = _judged(piece)
        soft = jnp.where(judged[:, :, None], piece["soft"], 0.0)
        terms["soft_target"] = losses.soft_target(logits, soft, judged, temperature=temperature)
    return terms


def _labelled(piece: Mapping[str, Array]) -> Bool[Array, "slots window"]:
    """First sub-words, of the sequences that there are."""
    return (piece["lengths"] > 0)[:, None] & (piece["labels"] != IGNORE)


def _judged(piece: Mapping[str, Array]) -> Bool[Array, "slots window"]:
    """Those that a teacher has outputs for."""
    return _labelled(piece) & jnp.isfinite(piece["soft"]).all(-1)


def counted(batch: Batch, name: str) -> Int[Array, ""]:
    """How many words each objective averages over."""
    tokens = _judged(batch) if name == "soft_target" else _labelled(batch)
    return jnp.sum(tokens, dtype=jnp.int32)
