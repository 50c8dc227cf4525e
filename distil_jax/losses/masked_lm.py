"""Masked language modelling."""

import jax.numpy as jnp
import optax.losses
from jaxtyping import Array, Float, Int

from distil_jax.losses.counted import counted
from distil_jax.losses.shapes import check_equal
from distil_jax.losses.weighted_sum import WeightedSum

IGNORE = -100
"""The label of a token that is not to be predicted, as in PyTorch and transformers."""


def masked_lm(
    logits: Float[Array, "*tokens vocabulary"], labels: Int[Array, "*tokens"]
) -> WeightedSum:
    """Cross-entropy in nats, in float32, of the tokens that have a label (Devlin et al. 2018).

    `labels` are token ids, and `IGNORE` (-100) where nothing is to be predicted. Any other number
    that is no token of the vocabulary, such as -1, makes the loss NaN.
    """
    check_equal({"the logits' tokens": logits.shape[:-1], "labels": labels})
    kept = labels != IGNORE
    beyond = logits.shape[-1]
    tokens = jnp.where(labels < 0, beyond, labels)  # -1 would be the last token
    entropy = optax.losses.softmax_cross_entropy_with_integer_labels(
        counted(logits, kept).astype(jnp.float32), jnp.where(kept, tokens, 0)
    )
    return WeightedSum.of(entropy, kept)
