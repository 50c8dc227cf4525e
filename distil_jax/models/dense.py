"""The two affine maps of a transformer: a dense product, and LayerNorm."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, DTypeLike, Float


class Dense(nn.Module):
    """x @ kernel + bias, computed in `dtype`; kernel is [in, out]."""

    features: int
    initializer_range: float
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*rows hidden_size"]) -> Float[Array, "*rows features"]:
        """Map the last axis to `features`."""
        shape = (x.shape[-1], self.features)
        kernel = self.param("kernel", nn.initializers.normal(self.initializer_range), shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        return x.astype(self.dtype) @ kernel.astype(self.dtype) + bias.astype(self.dtype)


class Norm(nn.Module):
    """LayerNorm over the last axis (Ba et al. 2016): statistics in float32, result in `dtype`."""

    epsilon: float
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*rows hidden_size"]) -> Float[Array, "*rows hidden_size"]:
        """Normalise each row, then scale and shift it."""
        scale = self.param("scale", nn.initializers.ones, x.shape[-1:])
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:])
        x = x.astype(jnp.float32)
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = jnp.square(centred).mean(axis=-1, keepdims=True)
        normal = centred / jnp.sqrt(variance + self.epsilon)
        return (normal * scale + bias).astype(self.dtype)
