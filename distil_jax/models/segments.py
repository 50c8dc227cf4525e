"""What follows from a row's segment numbers: positions, and which tokens may see each other."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from distil_jax.models.types import Batch

UNSEEN = -1e9


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


def attention_bias(segments: Int[Array, "batch length"]) -> Float[Array, "batch 1 length length"]:
    """0 where a query may see a key (one of its own segment), a large negative number elsewhere.

    Padding, segment 0, sees padding alone, so that no row is without a key. The number is large
    enough for the probability of an unseen key to be exactly 0 in float32.
    """
    same = segments[:, :, None] == segments[:, None, :]
    return jnp.where(same, 0.0, UNSEEN).astype(jnp.float32)[:, None]
