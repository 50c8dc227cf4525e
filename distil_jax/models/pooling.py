"""One vector of each sequence: its first or last token's state, or the mean of all."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from distil_jax.models.types import Hidden

Pooled = Float[Array, "slots hidden_size"]
Slots = Int[Array, " slots"]


def pool(hidden: Hidden, starts: Slots, lengths: Slots, how: str) -> Pooled:
    """Of the sequence in each slot; an unused one, of length 0, yields anything finite.

    Args:
      starts: the place of each sequence's first token in the flattened rows.
      lengths: its tokens.
      how: a key of `POOLINGS`.
    """
    return POOLINGS[how](hidden.reshape(-1, hidden.shape[-1]), starts, lengths)


def pool_rows(hidden: Hidden, segments: Int[Array, "batch length"], how: str) -> Pooled:
    """Of one sequence a row, padded behind it."""
    if how == "first":
        return hidden[:, 0]
    rows, length = segments.shape
    return pool(hidden, jnp.arange(rows) * length, jnp.sum(segments > 0, axis=1), how)


def _first(tokens: Array, starts: Array, lengths: Array) -> Array:
    return tokens[starts]


def _last(tokens: Array, starts: Array, lengths: Array) -> Array:
    return tokens[starts + jnp.maximum(lengths, 1) - 1]


def _mean(tokens: Array, starts: Array, lengths: Array) -> Array:
    """A product with the shares of each token: rows are packed, so sums run over all of them."""
    place = jnp.arange(len(tokens))[None] - starts[:, None]
    inside = (place >= 0) & (place < lengths[:, None])
    shares = inside / jnp.maximum(lengths, 1)[:, None]
    mean = jnp.matmul(shares.astype(tokens.dtype), tokens, preferred_element_type=jnp.float32)
    return mean.astype(tokens.dtype)


POOLINGS: dict[str, Callable[[Array, Array, Array], Array]] = {
    "first": _first,
    "last": _last,
    "mean": _mean,
}
