"""Counts of top-1 predictions."""

import numpy as np
from jaxtyping import Array, Float, Int, Shaped

AnyArray = Array | np.ndarray
Scalar = Shaped[Array, ""] | np.generic


def accuracy(
    logits: Float[AnyArray, "*tokens vocabulary"],
    labels: Int[AnyArray, "*tokens"],
    mask: Shaped[AnyArray, "*tokens"],
) -> tuple[Scalar, Scalar]:
    """How many tokens of `mask` the largest logit gets right, and how many there are."""
    numpy = logits.__array_namespace__()
    chosen = mask != 0
    right = (numpy.argmax(logits, axis=-1) == labels) & chosen
    return numpy.sum(right), numpy.sum(chosen)


def agreement(
    student_logits: Float[AnyArray, "*tokens vocabulary"],
    teacher_logits: Float[AnyArray, "*tokens vocabulary"],
    mask: Shaped[AnyArray, "*tokens"],
) -> tuple[Scalar, Scalar]:
    """How many tokens of `mask` student and teacher predict alike, and how many there are."""
    numpy = student_logits.__array_namespace__()
    return accuracy(student_logits, numpy.argmax(teacher_logits, axis=-1), mask)
