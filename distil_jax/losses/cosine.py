"""Alignment of the directions of hidden states."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from distil_jax.losses.counted import counted
from distil_jax.losses.shapes import check_equal
from distil_jax.losses.weighted_sum import WeightedSum

EPSILON = 1e-8
"""The least product of two norms that is divided by (torch adds 1e-12 to each squared norm)."""


def cosine(
    student_hidden: Float[Array, "*tokens width"],
    teacher_hidden: Float[Array, "*tokens width"],
    mask: Shaped[Array, "*tokens"],
) -> WeightedSum:
    """1 - cos(student, teacher) of the hidden states where `mask` is not 0 (DistilBERT, section 3).

    Computed in float32; a zero vector has cosine 0 and a finite gradient (optax's
    `cosine_distance` is NaN there).
    """
    check_equal({"student_hidden": student_hidden, "teacher_hidden": teacher_hidden})
    student = counted(student_hidden, mask).astype(jnp.float32)
    teacher = counted(teacher_hidden, mask).astype(jnp.float32)
    product = jnp.sum(student * teacher, axis=-1)
    squares = jnp.sum(student**2, axis=-1) * jnp.sum(teacher**2, axis=-1)
    norm = jnp.sqrt(jnp.maximum(squares, EPSILON**2))
    return WeightedSum.of(1.0 - product / norm, mask)
