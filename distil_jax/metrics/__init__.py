"""What a student gets right, and how near it is to its teacher, as pure functions of arrays.

Those of tokens return (sum, count) to add up.
"""

from distil_jax.metrics.divergence import cross_entropy, kl_divergence
from distil_jax.metrics.masked_tokens import TOKEN_SUMS, band_sums, token_sums
from distil_jax.metrics.predictions import accuracy, agreement
from distil_jax.metrics.similarity import (
    Moments,
    cosine_similarity,
    linear_cka,
    merge,
    moments,
)

__all__ = [
    "TOKEN_SUMS",
    "Moments",
    "accuracy",
    "agreement",
    "band_sums",
    "cosine_similarity",
    "cross_entropy",
    "kl_divergence",
    "linear_cka",
    "merge",
    "moments",
    "token_sums",
]
