"""Scaled dot-product attention inside each segment of a row."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, DTypeLike, Float, Key

from distil_jax.models.config import EncoderConfig
from distil_jax.models.dense import Dense
from distil_jax.models.dropout import dropout
from distil_jax.models.types import Bias, Hidden

MIXED = "mixed"
"""The name of what attention hands to its output projection, for rematerialisation."""


def attend(
    query: Float[Array, "batch length heads head_width"],
    key: Float[Array, "batch length heads head_width"],
    value: Float[Array, "batch length heads head_width"],
    bias: Bias,
    rng: Key[Array, ""] | None,
    *,
    dropout_rate: float,
) -> Float[Array, "batch length heads head_width"]:
    """softmax(query key^T / sqrt(head_width) + bias) value (Vaswani et al. 2017, equation 1).

    Scores and softmax are float32 whatever the inputs are.
    """
    query = query * query.shape[-1] ** -0.5
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key, preferred_element_type=jnp.float32)
    probabilities = jax.nn.softmax(scores + bias, axis=-1).astype(value.dtype)
    probabilities = dropout(probabilities, rng, rate=dropout_rate)
    return jnp.einsum("bhqk,bkhd->bqhd", probabilities, value)


class Attention(nn.Module):
    """Self-attention of one layer: three projections, `attend`, and the output projection."""

    config: EncoderConfig
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, hidden: Hidden, bias: Bias, rng: Key[Array, ""] | None) -> Hidden:
        """Mix the tokens of each segment; `rng` drops attention probabilities."""
        config = self.config

        def project(name: str) -> Array:
            dense = Dense(config.width, config.initializer_range, self.dtype, name=name)
            return dense(hidden).reshape(*hidden.shape[:2], config.heads, config.head_width)

        mixed = attend(
            project("query"),
            project("key"),
            project("value"),
            bias,
            rng,
            dropout_rate=config.attention_dropout,
        )
        mixed = checkpoint_name(mixed, MIXED)
        output = Dense(config.width, config.initializer_range, self.dtype, name="output")
        return output(mixed.reshape(hidden.shape))
