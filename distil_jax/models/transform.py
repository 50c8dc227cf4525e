"""A dense map, an activation and a LayerNorm: what stands before a masked-LM decoder."""

from jaxtyping import Array, DTypeLike, Float

from distil_jax.models.activation import activation
from distil_jax.models.config import EncoderConfig
from distil_jax.models.dense import Dense, Norm


def transform(
    config: EncoderConfig,
    hidden: Float[Array, "*tokens hidden_size"],
    features: int,
    dtype: DTypeLike,
) -> Float[Array, "*tokens features"]:
    """The map with `config.head`'s options; for a compact method, whose parameters it declares."""
    head = config.head
    dense = Dense(features, config.initializer_range, dtype, head.dense_bias, name="dense")
    norm = Norm(config.norm_epsilon, dtype, head.norm_bias, name="norm")
    return norm(activation(config.head_activation)(dense(hidden)))
