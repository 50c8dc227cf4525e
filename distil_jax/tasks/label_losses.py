"""What the objectives of several kinds share."""

import jax.numpy as jnp
import optax.losses
from jaxtyping import Array, Float, Int

from distil_jax.models.segments import MASK_VALUE
from distil_jax.models.types import Batch


def entropy(logits: Float[Array, "*slots classes"], labels: Array) -> Float[Array, "*slots"]:
    """-log p(label) of each slot, or of each token of each slot, in nats."""
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)


def used_slots(batch: Batch, _: str) -> Int[Array, ""]:
    """The sequences of a batch: slots that hold one."""
    return jnp.sum(batch["lengths"] > 0, dtype=jnp.int32)


def mask_window(
    logits: Float[Array, "slots window"], lengths: Array
) -> Float[Array, "slots window"]:
    """Logits of tokens behind a sequence's end become so small that their probability is 0."""
    inside = jnp.arange(logits.shape[1])[None] < jnp.maximum(lengths, 1)[:, None]
    return jnp.where(inside, logits, MASK_VALUE)
