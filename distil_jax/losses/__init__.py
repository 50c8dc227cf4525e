"""Losses of distillation as pure functions of arrays: DistilBERT's three, and intermediate layers'.

Needs jax, optax and jaxtyping, and nothing else of this package, so `from distil_jax import losses`
costs nothing in anybody's JAX code. Dimensions: `*tokens` any leading axes, `vocabulary`,
`hidden_size`. Losses of tokens, vectors and attention scores work under jit, vmap and
`jax.shard_map`; on a mesh of explicit axes call them in `shard_map`, and sum the totals there.
"""

from distil_jax.losses.cosine import cosine
from distil_jax.losses.distilbert import distilbert_loss
from distil_jax.losses.hidden_states import hidden_mse, normalized_mse
from distil_jax.losses.logit_mse import logit_mse
from distil_jax.losses.masked_lm import IGNORE, masked_lm
from distil_jax.losses.soft_target import soft_target
from distil_jax.losses.token_pairs import Sides, attention_mse, relation_kl
from distil_jax.losses.vectors import (
    contrastive,
    pair_mse,
    similarity_kl,
    similarity_mse,
    vector_cosine,
)
from distil_jax.losses.vocabulary import VocabularyMeans, vocabulary_losses
from distil_jax.losses.weighted_sum import WeightedSum

# Names of version 0.1.
Mean = WeightedSum
triple = distilbert_loss

__all__ = [
    "IGNORE",
    "Mean",
    "Sides",
    "VocabularyMeans",
    "WeightedSum",
    "attention_mse",
    "contrastive",
    "cosine",
    "distilbert_loss",
    "hidden_mse",
    "logit_mse",
    "masked_lm",
    "normalized_mse",
    "pair_mse",
    "relation_kl",
    "similarity_kl",
    "similarity_mse",
    "soft_target",
    "triple",
    "vector_cosine",
    "vocabulary_losses",
]
