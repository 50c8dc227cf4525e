"""Disentangled attention (He et al. 2021): what tokens' contents and their distance add to scores.

Keys and queries of a table of relative embeddings stand beside those of the tokens. Positions meet
contents through them by the distance of query and key, which in a row is that of their places, so
also inside the segment of a packed row.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Heads = Float[Array, "batch length heads head_size"]
Table = Float[Array, "rows heads head_size"]


def table_rows(span: int, reach: int, distances: Int[np.ndarray, "*shape"]) -> np.ndarray:
    """The table's row for each distance, the query's place minus the key's.

    The table has `span` rows to each side. With a `reach` distances beyond half the span share
    rows by their logarithm, and the last row is reached there; else each has its own, the last
    standing for all beyond.
    """
    if reach:
        distances = _log_buckets(span, reach, distances)
    return np.clip(distances + span, 0, 2 * span - 1)


def _log_buckets(span: int, reach: int, distances: np.ndarray) -> np.ndarray:
    """As in the original, in float32: at its edges the last bit decides."""
    middle = span // 2
    far = np.where(np.abs(distances) < middle, middle - 1, np.abs(distances)).astype(np.float32)
    scale = np.log(np.float32((reach - 1) / middle))
    steps = np.ceil(np.log(far / np.float32(middle)) / scale * np.float32(middle - 1)) + middle
    near = far <= middle
    return np.where(near, distances, steps * np.sign(distances)).astype(np.int64)


def position_scores(
    query: Heads,
    key: Heads,
    position_query: Table,
    position_key: Table,
    *,
    reach: int,
    positions: int,
) -> Float[Array, "batch heads length length"]:
    """Content to position plus position to content, not yet divided by anything.

    Score [query q, key k] is query_q . position_key_r + key_k . position_query_r, where r is the
    row of distance q - k. No row is longer than `positions`.
    """
    length, span = query.shape[1], position_key.shape[0] // 2
    every = table_rows(span, reach, np.arange(1 - positions, positions))
    # Distances in this row; its length may be known at run time alone.
    within = jnp.arange(2 * length - 1) + (positions - length)
    of_keys = position_key[jnp.asarray(every[::-1])[within]]
    of_queries = position_query[jnp.asarray(every)[within]]
    to_position = _by_place(_products(query, of_keys))
    to_content = _by_place(_products(key, of_queries)).swapaxes(2, 3)
    return to_position + to_content


def _products(
    tokens: Heads, positions: Float[Array, "distances heads head_size"]
) -> Float[Array, "batch heads length distances"]:
    return jnp.einsum("blhd,mhd->bhlm", tokens, positions, preferred_element_type=jnp.float32)


def _by_place(
    scores: Float[Array, "batch heads length distances"],
) -> Float[Array, "batch heads length length"]:
    """[i, j] is what stands at distance j - i, which are -(length - 1) to length - 1.

    Row i begins length - 1 - i places into its own: with one more column each row of a flat array
    begins one place later than the one before (Dai et al. 2019, appendix B).
    """
    batch, heads, length, distances = scores.shape
    if not isinstance(length, int):  # an export's, known at run time alone
        index = jnp.arange(length)
        places = index[None, :] - index[:, None] + (length - 1)
        return jnp.take_along_axis(scores, places[None, None], axis=-1)
    flat = jnp.pad(scores, ((0, 0), (0, 0), (0, 0), (0, 1))).reshape(
        batch, heads, 2 * length * length
    )
    first = length - 1
    shifted = jax.lax.slice_in_dim(flat, first, first + length * distances, axis=2)
    return shifted.reshape(batch, heads, length, distances)[..., :length]
