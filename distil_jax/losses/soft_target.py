"""Distillation from softened distributions."""

import jax
import jax.numpy as jnp
import optax.losses
from jaxtyping import Array, Float, Shaped

from distil_jax.losses.weighted_sum import WeightedSum


def soft_target(
    student_logits: Float[Array, "*tokens vocabulary"],
    teacher_logits: Float[Array, "*tokens vocabulary"],
    mask: Shaped[Array, "*tokens"],
    *,
    temperature: float | Float[Array, ""],
) -> WeightedSum:
    """KL(teacher || student) of the distributions at `temperature`, times its square, in nats.

    Computed in float32 over the tokens where `mask` is not 0. Hinton et al. 2015, section 2; the
    square keeps the gradient's size independent of the temperature.
    """
    student = jax.nn.log_softmax(student_logits.astype(jnp.float32) / temperature)
    teacher = jax.nn.log_softmax(teacher_logits.astype(jnp.float32) / temperature)
    divergence = optax.losses.kl_divergence_with_log_targets(student, teacher)
    return WeightedSum.of(divergence * temperature**2, mask)
