"""How far a student's predictions are from its teacher's, and from the labels.

Of JAX arrays in float32, of NumPy arrays in float64.
"""

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Float, Int, Shaped

AnyArray = Array | np.ndarray
Scalar = Shaped[Array, ""] | np.generic


def kl_divergence(
    student_logits: Float[AnyArray, "*tokens vocabulary"],
    teacher_logits: Float[AnyArray, "*tokens vocabulary"],
    mask: Shaped[AnyArray, "*tokens"],
) -> tuple[Scalar, Scalar]:
    """Sum of KL(teacher || student) over the tokens of `mask`, in nats, and how many there are.

    A token that is -inf in both has no share.
    """
    numpy = student_logits.__array_namespace__()
    logs = map(_log_softmax, (student_logits, teacher_logits))
    student, teacher = (numpy.maximum(each, numpy.finfo(each.dtype).min) for each in logs)
    divergence = numpy.sum(numpy.exp(teacher) * (teacher - student), axis=-1)
    chosen = mask != 0
    return numpy.sum(numpy.where(chosen, divergence, 0.0)), numpy.sum(chosen)


def cross_entropy(
    logits: Float[AnyArray, "*tokens vocabulary"],
    labels: Int[AnyArray, "*tokens"],
    mask: Shaped[AnyArray, "*tokens"],
) -> tuple[Scalar, Scalar]:
    """Sum of -log p(label) over the tokens of `mask`, in nats, and how many there are."""
    numpy = logits.__array_namespace__()
    chosen = mask != 0
    logs = _log_softmax(logits)
    classes = numpy.where(chosen, labels, 0)[..., None]
    of_labels = numpy.take_along_axis(logs, classes, axis=-1)[..., 0]
    return -numpy.sum(numpy.where(chosen, of_labels, 0.0)), numpy.sum(chosen)


def _log_softmax(logits: AnyArray) -> AnyArray:
    if isinstance(logits, jax.Array):
        return jax.nn.log_softmax(logits.astype(jnp.float32))
    return scipy.special.log_softmax(logits.astype(np.float64), axis=-1)
