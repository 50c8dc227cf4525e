"""The two affine maps of a transformer: a dense product, and LayerNorm."""

import jax.numpy as jnp
from flax import linen as nn
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, DTypeLike, Float

from distil_jax.models.parameter import parameter
from distil_jax.models.product import product

DENSE_PRODUCT = "dense product"
"""The name of x @ kernel, for rematerialisation: the one product that is dear to compute again."""


class Dense(nn.Module):
    """x @ kernel + bias, computed in `dtype`; kernel is [in, out]."""

    features: int
    initializer_range: float
    dtype: DTypeLike = jnp.float32
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "*rows inputs"]) -> Float[Array, "*rows features"]:
        """Map the last axis to `features`."""
        shape = (x.shape[-1], self.features)
        kernel = parameter(self, "kernel", nn.initializers.normal(self.initializer_range), shape)
        rows = "abcdefgh"[: x.ndim - 1]
        spec = f"{rows}i,io->{rows}o"
        kernel = jnp.asarray(kernel, self.dtype)
        mapped = product(spec, x.astype(self.dtype), kernel, self.dtype)
        mapped = checkpoint_name(mapped, DENSE_PRODUCT)
        if not self.use_bias:
            return mapped
        bias = parameter(self, "bias", nn.initializers.zeros, (self.features,))
        return mapped + bias.astype(self.dtype)


class Norm(nn.Module):
    """LayerNorm over the last axis (Ba et al. 2016): statistics in float32, result in `dtype`."""

    epsilon: float
    dtype: DTypeLike = jnp.float32
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "*rows features"]) -> Float[Array, "*rows features"]:
        """Normalise each row, then scale and shift it."""
        scale = parameter(self, "scale", nn.initializers.ones, x.shape[-1:])
        x = x.astype(jnp.float32)
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = jnp.square(centred).mean(axis=-1, keepdims=True)
        scaled = centred / jnp.sqrt(variance + self.epsilon) * scale
        if self.use_bias:
            scaled = scaled + parameter(self, "bias", nn.initializers.zeros, x.shape[-1:])
        return scaled.astype(self.dtype)
