"""DistilBERT's three losses (arXiv:1910.01108, section 3) as pure functions of arrays.

Needs jax and nothing else of this package, so `from distil_jax import losses` costs nothing in
anybody's JAX code. Dimensions: `*tokens` any leading axes, `vocabulary`, `width`.
"""

from distil_jax.losses.cosine import cosine
from distil_jax.losses.logit_mse import logit_mse
from distil_jax.losses.masked_lm import IGNORE, masked_lm
from distil_jax.losses.mean import Mean
from distil_jax.losses.soft_target import soft_target
from distil_jax.losses.triple import triple
from distil_jax.losses.vocabulary import VocabularyMeans, vocabulary_losses

__all__ = [
    "IGNORE",
    "Mean",
    "VocabularyMeans",
    "cosine",
    "logit_mse",
    "masked_lm",
    "soft_target",
    "triple",
    "vocabulary_losses",
]
