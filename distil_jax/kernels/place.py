"""Random bits as a function of place: (seed, step, layer, site, row, head, query, key).

A counter-based hash of 32-bit operations that XLA, Triton and Mosaic all have. Whoever computes an
entry, in whatever order and on whatever device, draws the same word for it. Two words of state, 64
bits, name a row of words (all keys of one query), so that no two of a run's are equal by chance; a
word of it takes two multiplications. `mix` is Wellons' lowbias32 (2018).
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int, UInt32

FIRST, SECOND = 0x7FEB352D, 0x846CA68B
STRIDE, KEY_STRIDE, OTHER = 0x9E3779B1, 0x85EBCA6B, 0xB5297A4D
Words = UInt32[Array, "..."]


def mix(x: Words) -> Words:
    """A bijection of 32 bits in which each bit of the input changes half of those of the output."""
    x = (x ^ (x >> 16)) * jnp.uint32(FIRST)
    x = (x ^ (x >> 15)) * jnp.uint32(SECOND)
    return x ^ (x >> 16)


def fold(low: Words, high: Words, number: Array | int) -> tuple[Words, Words]:
    """64 bits of state and a number more: other numbers, other states."""
    mixed = mix(low + jnp.asarray(number, jnp.uint32) * jnp.uint32(STRIDE))
    return mix(high ^ mixed), mixed


def row_words(low: Words, high: Words, query: Array, key: Array) -> Words:
    """A word for each query and key of a map whose state this is; the arguments broadcast."""
    first = mix(low + query.astype(jnp.uint32) * jnp.uint32(STRIDE))
    second = mix(high ^ first)
    x = first + key.astype(jnp.uint32) * jnp.uint32(KEY_STRIDE)
    x = (x ^ (x >> 16)) * jnp.uint32(FIRST) + second
    x = (x ^ (x >> 15)) * jnp.uint32(SECOND)
    return x ^ (x >> 16)


def kept(words: Words, rate: float) -> Bool[Array, "..."]:
    """Which entries stay where a share `rate` is dropped, exact to 2^-32."""
    return words >= jnp.uint32(round(rate * 2**32))


def row_names(row: Int[Array, " batch"], epoch: Int[Array, " batch"] | int) -> Words:
    """A number for each row of a batch that no other row of the batch has."""
    return row.astype(jnp.uint32) + jnp.asarray(epoch, jnp.uint32) * jnp.uint32(STRIDE)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Place:
    """Where bits are drawn: what has been folded in so far, and the rows of a batch.

    Attributes:
      low, high: uint32 [*layers], of seed, step, layer and site.
      row: uint32 [*layers, batch], a name of each row among those of the step on all devices.
      first_query, first_key: int32 [batch], where a row's entries begin; None: at 0.
    """

    low: Any
    high: Any
    row: Any
    first_query: Any = None
    first_key: Any = None

    @classmethod
    def of(cls, row: UInt32[Array, " batch"], *numbers: Array | int) -> "Place":
        """The place of some rows at such numbers, as the seed and the step."""
        low, high = jnp.uint32(STRIDE), jnp.uint32(OTHER)
        for number in numbers:
            low, high = fold(low, high, number)
        return cls(low, high, row)

    def at(self, number: Array | int) -> "Place":
        """The place inside this one that has this number: a site, a layer."""
        low, high = fold(self.low, self.high, number)
        return replace(self, low=low, high=high)

    def layers(self, count: int) -> "Place":
        """The places 0 to `count` inside this one, along a leading axis."""
        low, high = fold(self.low, self.high, jnp.arange(count))
        row = jnp.broadcast_to(self.row, (count, *self.row.shape))
        return replace(self, low=low, high=high, row=row)

    def without_rows(self) -> "Place":
        """The place of an array that all rows share, with a leading axis of 1."""
        return replace(self, row=jnp.zeros((1,), jnp.uint32))

    def in_blocks(
        self, first_query: Int[Array, " blocks"], first_key: Int[Array, " blocks"]
    ) -> "Place":
        """Each row cut into blocks that begin at these queries and keys: [batch x blocks]."""
        rows = self.row.shape[0]
        return replace(
            self,
            row=jnp.repeat(self.row, first_query.shape[0]),
            first_query=jnp.tile(first_query, rows),
            first_key=jnp.tile(first_key, rows),
        )

    def states(self) -> tuple[UInt32[Array, " batch"], UInt32[Array, " batch"]]:
        """The state of each row."""
        return fold(self.low, self.high, self.row)

    def words(self, shape: tuple[int, ...]) -> UInt32[Array, "..."]:
        """Words for an array [batch, ..., queries, keys]."""

        def over(axis: int, start: Array | None = None) -> Array:
            index = jax.lax.broadcasted_iota(
                jnp.int32, tuple(n if i == axis else 1 for i, n in enumerate(shape)), axis
            )
            return index if start is None else index + along_batch(start)

        def along_batch(x: Array) -> Array:
            return x.reshape(-1, *(1,) * (len(shape) - 1))

        low, high = map(along_batch, self.states())
        for axis in range(1, len(shape) - 2):
            low, high = fold(low, high, over(axis))
        last = len(shape) - 1
        return row_words(low, high, over(last - 1, self.first_query), over(last, self.first_key))
