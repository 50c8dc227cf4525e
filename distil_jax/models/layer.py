"""A transformer layer as in BERT: attention, then a feed-forward block, each with a LayerNorm."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, DTypeLike, Key

from distil_jax.models.activation import activation
from distil_jax.models.attention import Attention
from distil_jax.models.config import EncoderConfig
from distil_jax.models.dense import Dense, Norm
from distil_jax.models.dropout import dropout
from distil_jax.models.types import Bias, Hidden


class Layer(nn.Module):
    """A post-norm layer; with a key, dropout as in Hugging Face's training mode."""

    config: EncoderConfig
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, hidden: Hidden, bias: Bias, rng: Key[Array, ""] | None = None) -> Hidden:
        """Hidden states after the layer, in `dtype`."""
        config = self.config
        rngs = [None] * 3 if rng is None else list(jax.random.split(rng, 3))
        mixed = Attention(config, self.dtype, name="attention")(hidden, bias, rngs[0])
        mixed = dropout(mixed, rngs[1], rate=config.dropout)
        hidden = Norm(config.norm_epsilon, self.dtype, name="attention_norm")(hidden + mixed)
        mlp_in = Dense(config.mlp_size, config.initializer_range, self.dtype, name="mlp_in")
        mlp_out = Dense(config.hidden_size, config.initializer_range, self.dtype, name="mlp_out")
        output = mlp_out(activation(config.activation)(mlp_in(hidden)))
        output = dropout(output, rngs[2], rate=config.dropout)
        return Norm(config.norm_epsilon, self.dtype, name="mlp_norm")(hidden + output)
