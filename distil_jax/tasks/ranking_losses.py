"""Losses of reranking: pointwise, margins of pairs (MarginMSE, Hofstätter et al. 2020), and lists.

The lists' is ListNet's (Cao et al. 2007). A piece has `labels`, `groups` (the number of each slot's
query) and, where the data has them, a teacher's `scores`.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import optax.losses
from jaxtyping import Array, Bool, Float

from distil_jax.losses import WeightedSum
from distil_jax.models.segments import MASK_VALUE
from distil_jax.models.types import Batch


def pointwise(
    outputs: Float[Array, "slots 1"],
    piece: Mapping[str, Array],
    used: Bool[Array, " slots"],
    *,
    temperature: float,
) -> dict[str, WeightedSum]:
    """Squared error to a teacher's score; binary cross-entropy of a label."""
    scores = outputs[:, 0]
    if "scores" in piece:
        labels = jnp.square(scores - piece["scores"])
    else:
        relevant = (piece["labels"] > 0).astype(jnp.float32)
        labels = optax.losses.sigmoid_binary_cross_entropy(scores, relevant)
    terms = {"labels": WeightedSum.of(labels, used)}
    if "soft" in piece:
        terms["soft_target"] = WeightedSum.of(jnp.square(scores - piece["soft"][:, 0]), used)
    return terms


def margins(
    outputs: Float[Array, "slots 1"],
    piece: Mapping[str, Array],
    used: Bool[Array, " slots"],
    *,
    temperature: float,
) -> dict[str, WeightedSum]:
    """MarginMSE to a teacher's scores; softplus of the negative margin where there are labels.

    Over all pairs of documents of one query of which one is more relevant.
    """
    pairs, scores = contrasts(piece), outputs[:, 0]
    margin = _differences(scores)
    if "scores" in piece:
        labels = jnp.square(margin - _differences(piece["scores"]))
    else:
        labels = jax.nn.softplus(-margin)
    terms = {"labels": WeightedSum.of(labels, pairs)}
    if "soft" in piece:
        error = jnp.square(margin - _differences(piece["soft"][:, 0]))
        terms["soft_target"] = WeightedSum.of(error, pairs)
    return terms


def listwise(
    outputs: Float[Array, "slots 1"],
    piece: Mapping[str, Array],
    used: Bool[Array, " slots"],
    *,
    temperature: float,
) -> dict[str, WeightedSum]:
    """KL of the softmax over a query's documents, times T^2; cross-entropy of its labels."""
    scores, count = outputs[:, 0], first_of_group(piece)
    if "scores" in piece:
        labels = _divergence(scores, piece["scores"], piece, temperature)
    else:
        relevance = jnp.maximum(piece["labels"], 0.0) * used
        total = jnp.sum(_same(piece) * relevance[None], axis=1)
        shares = relevance / jnp.maximum(total, 1e-9)
        labels = -shares * _log_shares(scores, piece)
    terms = {"labels": _per_group(labels, used, count)}
    if "soft" in piece:
        soft = _divergence(scores, piece["soft"][:, 0], piece, temperature)
        terms["soft_target"] = _per_group(soft, used, count)
    return terms


def _per_group(
    values: Float[Array, " slots"], used: Bool[Array, " slots"], groups: Bool[Array, " slots"]
) -> WeightedSum:
    return WeightedSum(WeightedSum.of(values, used).total, jnp.sum(groups, dtype=jnp.int32))


def _same(piece: Batch) -> Bool[Array, "slots slots"]:
    """Whether two slots hold documents of one query."""
    used, groups = piece["lengths"] > 0, piece["groups"]
    return used[:, None] & used[None] & (groups[:, None] == groups[None])


def contrasts(piece: Batch) -> Bool[Array, "slots slots"]:
    """Pairs of slots of one query of which the first is the more relevant."""
    values = piece["labels"]
    return _same(piece) & (values[:, None] > values[None])


def first_of_group(piece: Batch) -> Bool[Array, " slots"]:
    earlier = jnp.tril(_same(piece), -1)
    return (piece["lengths"] > 0) & ~earlier.any(axis=1)


def _differences(scores: Float[Array, " slots"]) -> Float[Array, "slots slots"]:
    return scores[:, None] - scores[None]


def _log_shares(scores: Float[Array, " slots"], piece: Batch) -> Float[Array, " slots"]:
    """Log of the softmax over the documents of each slot's query; 0 in an unused slot.

    That one is a list of its own: among none, its share would be infinite, and the gradient of what
    is then left out no number.
    """
    together = _same(piece) | jnp.eye(len(scores), dtype=bool)
    others = jnp.where(together, scores[None], MASK_VALUE)
    return scores - jax.nn.logsumexp(others, axis=1)


def _divergence(
    student: Float[Array, " slots"],
    teacher: Float[Array, " slots"],
    piece: Batch,
    temperature: float | Array,
) -> Float[Array, " slots"]:
    ours, theirs = (_log_shares(scores / temperature, piece) for scores in (student, teacher))
    return jnp.exp(theirs) * (theirs - ours) * temperature**2
