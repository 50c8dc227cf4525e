"""Distillation from softened distributions."""

import jax
import jax.numpy as jnp
import optax.losses
from jaxtyping import Array, Float, Shaped

from distil_jax.losses.counted import counted
from distil_jax.losses.divergence import DIVERGENCES
from distil_jax.losses.manual_axes import check_whole
from distil_jax.losses.shapes import check_equal
from distil_jax.losses.top_tokens import in_buckets, top_tokens
from distil_jax.losses.weighted_sum import WeightedSum


def soft_target(
    student_logits: Float[Array, "*tokens vocabulary"],
    teacher_logits: Float[Array, "*tokens vocabulary"],
    mask: Shaped[Array, "*tokens"],
    *,
    temperature: float | Float[Array, ""],
    divergence: str = "forward",
    top_k: int = 0,
) -> WeightedSum:
    """KL(teacher || student) of the distributions at `temperature`, times its square, in nats.

    Computed in float32 over the tokens where `mask` is not 0. Hinton et al. 2015, section 2; the
    square keeps the gradient's size independent of the temperature.

    Args:
      divergence: another key of `divergence.DIVERGENCES`.
      top_k: compare so many of the teacher's likeliest tokens, and all others as one; 0: each.

    Raises:
      ValueError: shapes that differ, or a divergence that there is not.
    """
    check_equal({"student_logits": student_logits, "teacher_logits": teacher_logits})
    if divergence not in DIVERGENCES:
        raise ValueError(f"divergence {divergence!r} is none of {', '.join(DIVERGENCES)}")
    student, teacher = (
        _logs(counted(logits, mask), temperature) for logits in (student_logits, teacher_logits)
    )
    if top_k and top_k < teacher.shape[-1]:
        check_whole((student, teacher))
        top = top_tokens(teacher, top_k)
        student, teacher = in_buckets(student, top.ids), top.logs()
    if divergence == "forward":
        found = optax.losses.kl_divergence_with_log_targets(student, teacher)
    else:
        found = DIVERGENCES[divergence](student, teacher)
    return WeightedSum.of(found * temperature**2, mask)


def _logs(logits: Array, temperature: float | Array) -> Float[Array, "*tokens vocabulary"]:
    """Log-probabilities, finite also where a logit is -inf: such a token has no share, no NaN."""
    logs = jax.nn.log_softmax(logits.astype(jnp.float32) / temperature)
    return jnp.maximum(logs, jnp.finfo(jnp.float32).min)
