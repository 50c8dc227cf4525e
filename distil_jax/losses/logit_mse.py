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

    Averaged over the tokens where `mask` is not 0: the `alpha_mse` term of DistilBERT's scripts. A
    token that is -inf in both is no difference.
    """
    check_equal({"student_logits": student_logits, "teacher_logits": teacher_logits})
    student, teacher = (
        jnp.maximum(counted(logits, mask).astype(jnp.float32), jnp.finfo(jnp.float32).min)
        for logits in (student_logits, teacher_logits)
    )
    return WeightedSum.of(jnp.sum((student - teacher) ** 2, axis=-1), mask)
