"""Rotary positions: queries and keys turned by an angle that grows with the position (Su 2021)."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Rotation = tuple[Float[Array, "batch length half"], Float[Array, "batch length half"]]
"""Cosine and sine of each token's angles; half of the head size."""


def rotation(positions: Int[Array, "batch length"], head_size: int, theta: float) -> Rotation:
    """The angles position * theta^(-2 i / head_size), as cosine and sine, float32."""
    exponents = jnp.arange(0, head_size, 2, dtype=jnp.float32) / head_size
    angles = positions[..., None].astype(jnp.float32) / theta**exponents
    return jnp.cos(angles), jnp.sin(angles)


def rotate(
    x: Float[Array, "batch length heads head_size"], rotation: Rotation
) -> Float[Array, "batch length heads head_size"]:
    """Turn the pairs (i, i + head_size / 2) of each head, in float32; in the type of `x`."""
    cosine, sine = (part[:, :, None] for part in rotation)
    first, second = jnp.split(x.astype(jnp.float32), 2, axis=-1)
    turned = (first * cosine - second * sine, second * cosine + first * sine)
    return jnp.concatenate(turned, axis=-1).astype(x.dtype)
