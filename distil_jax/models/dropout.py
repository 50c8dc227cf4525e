"""Dropout as a function of an explicit key."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def dropout(
    x: Float[Array, "*shape"], rng: Key[Array, ""] | None, *, rate: float
) -> Float[Array, "*shape"]:
    """Zero a share `rate` of the entries and scale the others by 1 / (1 - rate); no key, no change."""
    if rng is None or rate == 0.0:
        return x
    kept = jax.random.bernoulli(rng, 1.0 - rate, x.shape)
    return jnp.where(kept, x / (1.0 - rate), 0.0).astype(x.dtype)
