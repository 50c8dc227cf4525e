"""Dropout as a function of an explicit key."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


def dropout(
    x: Float[Array, "*shape"], rng: Key[Array, ""] | None, *, rate: float
) -> Float[Array, "*shape"]:
    """Zero a share `rate` of the entries and scale up the others; no key, no change.

    One random byte decides each entry where the rate is within 2 % of a multiple of 1/256 (0.1
    becomes 26/256), two bytes elsewhere: a whole word for each made an encoder's forward and
    backward pass 10 to 12 % slower on a CPU. The scale is that of the rounded rate, so the
    expectation is exact.
    """
    if rng is None or rate == 0.0:
        return x
    byte = abs(round(rate * 256) / (rate * 256) - 1) < 0.02
    kind, choices = (jnp.uint8, 256) if byte else (jnp.uint16, 65536)
    dropped = round(rate * choices)
    words = -(-x.size * jnp.dtype(kind).itemsize // 4)
    drawn = jax.lax.bitcast_convert_type(jax.random.bits(rng, (words,), jnp.uint32), kind)
    kept = drawn.reshape(-1)[: x.size].reshape(x.shape) >= dropped
    return jnp.where(kept, x * (choices / (choices - dropped)), 0).astype(x.dtype)
