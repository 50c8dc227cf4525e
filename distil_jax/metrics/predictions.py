"""Counts of top-1 predictions."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped


def accuracy(
    logits: Float[Array, "*tokens vocabulary"],
    labels: Int[Array, "*tokens"],
    mask: Shaped[Array, "*tokens"],
) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """How many tokens of `mask` the largest logit gets right, and how many there are."""
    kept = mask != 0
    return jnp.sum((jnp.argmax(logits, axis=-1) == labels) & kept), jnp.sum(kept)


def agreement(
    student_logits: Float[Array, "*tokens vocabulary"],
    teacher_logits: Float[Array, "*tokens vocabulary"],
    mask: Shaped[Array, "*tokens"],
) -> tuple[Int[Array, ""], Int[Array, ""]]:
    """How many tokens of `mask` student and teacher predict alike, and how many there are."""
    return accuracy(student_logits, jnp.argmax(teacher_logits, axis=-1), mask)
