"""The bias of attention scores that MPNet's layers share (Song et al. 2020), T5's buckets.

A key behind its query has the 16 upper buckets. In each half, the distances 0 to 7 have one bucket
each, and the farther ones share 8: the last is of all distances from 91.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from distil_jax.models.block import BUCKETS

FIRST_OF_BUCKET = (1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91)
"""The smallest distance of each bucket but the first: 8 times 2^(n/2), rounded up, from 8 on."""


def buckets(distances: Int[Any, "*shape"]) -> Int[Any, "*shape"]:
    """The bucket, 0 to 31, of each distance: the key's position minus the query's."""
    near = sum(abs(distances) >= first for first in FIRST_OF_BUCKET)
    return (distances > 0) * (BUCKETS // 2) + near


def relative_bias(
    table: Float[Array, "buckets heads"], length: Any
) -> Float[Array, "heads length length"]:
    """What is added to each head's scores, query by key, for rows of `length` tokens.

    `length` may be a size that is not known yet, as in an export. A distance is one of places in
    the row, which inside a segment is one of positions.
    """
    index = jnp.arange(length)
    table = table.astype(jnp.float32)
    return jnp.take(table, buckets(index[None, :] - index[:, None]), axis=0).transpose(2, 0, 1)
