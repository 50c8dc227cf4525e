"""How far a student's predictions are from its teacher's."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Shaped


def kl_divergence(
    student_logits: Float[Array, "*tokens vocabulary"],
    teacher_logits: Float[Array, "*tokens vocabulary"],
    mask: Shaped[Array, "*tokens"],
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """Sum of KL(teacher || student) over the tokens of `mask`, in nats, and how many there are."""
    student = jax.nn.log_softmax(student_logits.astype(jnp.float32))
    teacher = jax.nn.log_softmax(teacher_logits.astype(jnp.float32))
    divergence = jnp.sum(jnp.exp(teacher) * (teacher - student), axis=-1)
    kept = mask != 0
    return jnp.sum(jnp.where(kept, divergence, 0.0)), jnp.sum(kept)


def cross_entropy(
    logits: Float[Array, "*tokens vocabulary"],
    labels: Int[Array, "*tokens"],
    mask: Shaped[Array, "*tokens"],
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """Sum of -log p(label) over the tokens of `mask`, in nats, and how many there are."""
    kept = mask != 0
    logs = jax.nn.log_softmax(logits.astype(jnp.float32))
    own = jnp.take_along_axis(logs, jnp.where(kept, labels, 0)[..., None], axis=-1)[..., 0]
    return -jnp.sum(jnp.where(kept, own, 0.0)), jnp.sum(kept)
