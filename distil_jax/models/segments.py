"""What follows from a row's segment numbers: positions, and which tokens may see each other."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from distil_jax.models.types import Batch

MASK_VALUE = -1e9
"""Added to the score of a pair that may not see each other: exactly 0 after a float32 softmax."""


def restarting_positions(segments: Int[Array, "batch length"]) -> Int[Array, "batch length"]:
    """Positions that start again at 0 with each segment of a row."""
    index = jnp.arange(segments.shape[1], dtype=segments.dtype)[None, :]
    previous = jnp.pad(segments[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
    starts = jnp.where(segments != previous, index, 0)
    return index - jax.lax.cummax(starts, axis=1)


def positions(batch: Batch) -> Int[Array, "batch length"]:
    """The batch's own positions, or those that restart in each segment."""
    given = batch.get("positions")
    return restarting_positions(batch["segments"]) if given is None else given


def attention_bias(
    segments: Int[Array, "batch length"], *, causal: bool = False, window: int = 0
) -> Float[Array, "batch 1 length length"]:
    """0 where a query may see a key (one of its own segment), `MASK_VALUE` elsewhere.

    With `causal` it sees no later one, with a `window` at most so many to each side. Padding,
    segment 0, sees padding alone, so that no row is without a key.
    """
    seen = segments[:, :, None] == segments[:, None, :]
    index = jnp.arange(segments.shape[1])
    distance = index[:, None] - index[None, :]
    if causal:
        seen = seen & (distance >= 0)
    if window:
        seen = seen & (jnp.abs(distance) <= window)
    return jnp.where(seen, 0.0, MASK_VALUE).astype(jnp.float32)[:, None]
