"""What fine-tuning minimises: labels, and a fine-tuned teacher's outputs, as sums and counts.

Each takes the model's outputs for a piece's slots, the piece (labels and `soft` targets by slot),
which slots are used, and the temperature; it returns the loss of the labels and that of the
teacher.
"""

from collections.abc import Callable, Mapping

import jax.numpy as jnp
import optax.losses
from jaxtyping import Array, Bool, Float

from distil_jax import losses
from distil_jax.losses import WeightedSum

Objective = Callable[..., tuple[WeightedSum, WeightedSum]]
UNSEEN = -1e9


def classification(
    logits: Float[Array, "slots labels"],
    piece: Mapping[str, Array],
    used: Bool[Array, " slots"],
    *,
    temperature: float,
) -> tuple[WeightedSum, WeightedSum]:
    """Cross-entropy, and KL of the distributions at a temperature times its square, in nats."""
    entropy = _entropy(logits, jnp.where(used, piece["labels"], 0))
    if "soft" not in piece:
        return WeightedSum.of(entropy, used), nothing()
    soft = losses.soft_target(logits, piece["soft"], used, temperature=temperature)
    return WeightedSum.of(entropy, used), soft


def regression(
    outputs: Float[Array, "slots 1"],
    piece: Mapping[str, Array],
    used: Bool[Array, " slots"],
    *,
    temperature: float,
) -> tuple[WeightedSum, WeightedSum]:
    """Squared errors to the label and to the teacher's value; there is nothing to soften."""
    value = outputs[:, 0]
    error = WeightedSum.of(jnp.square(value - piece["labels"]), used)
    if "soft" not in piece:
        return error, nothing()
    return error, WeightedSum.of(jnp.square(value - piece["soft"][:, 0]), used)


def span(
    logits: Float[Array, "slots window 2"],
    piece: Mapping[str, Array],
    used: Bool[Array, " slots"],
    *,
    temperature: float,
) -> tuple[WeightedSum, WeightedSum]:
    """Means over start and end of what `classification` does, over the tokens of each sequence."""
    hard, soft = [], []
    for column, name in enumerate(("start", "end")):
        scores = logits[:, :, column]
        hard.append(_entropy(scores, jnp.where(used, piece[name], 0)))
        if "soft" in piece:
            teacher = mask_window(piece["soft"][:, :, column], piece["lengths"])
            soft.append(losses.soft_target(scores, teacher, used, temperature=temperature))
    mean = WeightedSum.of((hard[0] + hard[1]) / 2, used)
    if not soft:
        return mean, nothing()
    return mean, WeightedSum((soft[0].total + soft[1].total) / 2, soft[0].count)


OBJECTIVES: dict[str, Objective] = {
    "classification": classification,
    "regression": regression,
    "span": span,
}


def mask_window(
    logits: Float[Array, "slots window"], lengths: Array
) -> Float[Array, "slots window"]:
    """Logits of tokens behind a sequence's end become so small that their probability is 0."""
    inside = jnp.arange(logits.shape[1])[None] < jnp.maximum(lengths, 1)[:, None]
    return jnp.where(inside, logits, UNSEEN)


def nothing() -> WeightedSum:
    """A loss that is not computed."""
    return WeightedSum(jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32))


def _entropy(logits: Float[Array, "slots classes"], labels: Array) -> Float[Array, " slots"]:
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)
