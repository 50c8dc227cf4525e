"""Masked tokens: what a model predicts for them, and how near it is to its teacher there."""

from typing import Any

import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from distil_jax.metrics.divergence import cross_entropy, kl_divergence
from distil_jax.metrics.predictions import accuracy, agreement

AnyArray = Array | np.ndarray
TOKEN_SUMS = ("tokens", "right", "entropy", "alike", "divergence", "teacher_right")
"""Counts, and nats; the last three are 0 without a teacher."""


def token_sums(
    logits: Float[AnyArray, "*tokens vocabulary"],
    labels: Int[AnyArray, "*tokens"],
    mask: Shaped[AnyArray, "*tokens"],
    teacher_logits: Float[AnyArray, "*tokens vocabulary"] | None = None,
) -> Float[AnyArray, " sums"]:
    """The `TOKEN_SUMS` over the tokens of `mask`: float32 of JAX arrays, float64 of NumPy's."""
    numpy = logits.__array_namespace__()
    right, count = accuracy(logits, labels, mask)
    sums: list[Any] = [count, right, cross_entropy(logits, labels, mask)[0]]
    if teacher_logits is None:
        sums += [0, 0, 0]
    else:
        sums += [
            agreement(logits, teacher_logits, mask)[0],
            kl_divergence(logits, teacher_logits, mask)[0],
            accuracy(teacher_logits, labels, mask)[0],
        ]
    dtype = np.float64 if numpy is np else np.float32
    return numpy.stack([numpy.asarray(value, dtype) for value in sums])


def band_sums(
    logits: Float[AnyArray, "*tokens vocabulary"],
    labels: Int[AnyArray, "*tokens"],
    mask: Shaped[AnyArray, "*tokens"],
    band_of_token: Int[AnyArray, " vocabulary"],
    bands: int,
    teacher_logits: Float[AnyArray, "*tokens vocabulary"] | None = None,
) -> Float[AnyArray, "bands sums"]:
    """`token_sums` of each band of labels; labels outside of `mask` may be anything."""
    numpy = logits.__array_namespace__()
    band = band_of_token[numpy.where(mask, labels, 0)]
    return numpy.stack(
        [
            token_sums(logits, labels, mask & (band == number), teacher_logits)
            for number in range(bands)
        ]
    )
