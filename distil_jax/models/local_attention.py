"""Attention inside a window, block by block: a row costs as much as its windows, not its square.

The row is cut into blocks of as many tokens as the window has to one side. The queries of a block
see the keys of their own block and of its two neighbours, which hold all that the window reaches.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from distil_jax.kernels.place import Place
from distil_jax.models.dropout import Rng
from distil_jax.models.intermediates import Heads
from distil_jax.models.segments import MASK_VALUE

LocalBias = Float[Array, "batch 1 blocks block span"]

NEIGHBOURS = 3
OUTSIDE = -1
"""The segment of keys beyond a row's ends, which no token sees."""


def is_local(length: object, window: int) -> bool:
    """Whether blocks are cheaper than the whole row; False for a length not known yet."""
    return window > 0 and isinstance(length, int) and NEIGHBOURS * window < length


def span(length: int, window: int) -> int:
    """How many keys each query of a row of `length` is multiplied with; a window of 0 is none."""
    return NEIGHBOURS * window if is_local(length, window) else length


def local_bias(segments: Int[Array, "batch length"], *, window: int, causal: bool) -> LocalBias:
    """`attention_bias` of each block's queries and the keys of it and its neighbours."""
    blocks = _blocks(segments, window, OUTSIDE)
    keys = _with_neighbours(blocks, OUTSIDE)
    index = jnp.arange(window)[:, None] + window - jnp.arange(NEIGHBOURS * window)[None, :]
    near = (index >= (0 if causal else -window)) & (index <= window)
    seen = near & (blocks[..., :, None] == keys[..., None, :])
    # Rows are filled up to whole blocks with queries that see nothing, and that nobody reads.
    return jnp.where(seen, 0.0, MASK_VALUE).astype(jnp.float32)[:, None]


def is_of_blocks(bias: Array) -> bool:
    """Whether `local_bias` made it."""
    return bias.ndim == len(LocalBias.dims)  # type: ignore[attr-defined]


def attend_locally(
    attend: Callable[..., tuple[Array, Array]],
    query: Heads,
    key: Heads,
    value: Heads,
    bias: LocalBias,
    rng: Rng | None,
) -> Heads:
    """As `attend` of whole rows, by calls of `attend` with blocks; the bias is of `local_bias`."""
    batch, length, heads, head_size = query.shape
    window = bias.shape[3]
    blocks = _blocks(query, window, 0)
    count = blocks.shape[1]

    def joined(x: Array) -> Array:
        return x.reshape(batch * count, -1, heads, head_size)

    keys, values = (joined(_with_neighbours(_blocks(x, window, 0), 0)) for x in (key, value))
    if isinstance(rng, Place):
        starts = jnp.arange(count) * window
        rng = rng.in_blocks(starts, starts - window)
    flat_bias = bias[:, 0].reshape(batch * count, 1, *bias.shape[3:])
    output, _ = attend(joined(blocks), keys, values, flat_bias, rng)
    return output.reshape(batch, count * window, heads, head_size)[:, :length]


def _blocks(x: Array, window: int, fill: int) -> Array:
    """[batch, length, ...] as [batch, blocks, window, ...], filled up at the end."""
    missing = -x.shape[1] % window
    padding = [(0, 0), (0, missing)] + [(0, 0)] * (x.ndim - 2)
    x = jnp.pad(x, padding, constant_values=fill)
    return x.reshape(x.shape[0], -1, window, *x.shape[2:])


def _with_neighbours(blocks: Array, fill: int) -> Array:
    """Each block behind the one before it and in front of the one after it."""
    around = [(0, 0), (1, 1)] + [(0, 0)] * (blocks.ndim - 2)
    padded = jnp.pad(blocks, around, constant_values=fill)
    return jnp.concatenate([padded[:, :-2], blocks, padded[:, 2:]], axis=2)
