"""Squared distance of logits, an option of the original scripts."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from distil_jax.losses.counted import counted
from distil_jax.losses.shapes import check_equal
from distil_jax.losses.weighted_sum import WeightedSum


def logit_mse(
    student_logits: Float[Array, "*tokens vocabulary"],
    teacher_logits: Float[Array, "*tokens vocabulary"],
    mask: Shaped[Array, "*tokens"],
) -> WeightedSum:
    """Squared difference of the logits, summed over the vocabulary, in float32.

    Averaged over the tokens where `mask` is not 0: the `alpha_mse` term of DistilBERT's scripts.
    """
    check_equal({"student_logits": student_logits, "teacher_logits": teacher_logits})
    student, teacher = counted(student_logits, mask), counted(teacher_logits, mask)
    difference = student.astype(jnp.float32) - teacher.astype(jnp.float32)
    return WeightedSum.of(jnp.sum(difference**2, axis=-1), mask)
