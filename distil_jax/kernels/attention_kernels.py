"""The bodies of the attention kernels, the same for Triton and Mosaic.

Each works on a block of one head's queries (or keys) and loops over the blocks of keys (or queries)
that it sees. Segments come as a column of queries and a row of keys.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jaxtyping import Array, Float

from distil_jax.kernels.place import fold, kept, row_words

UNSEEN = -1e9
"""The score of a pair that may not see each other."""
LEAST = -1e30
Block = Float[Array, "queries keys"]


@dataclass(frozen=True)
class BlockRules:
    """What is compiled into a kernel.

    Attributes:
      block: tokens of a block.
      scale: of the scores.
      rate: of the dropout of the weights.
      causal, window: which tokens see each other, besides those of a segment.
      precision: of float32's matmuls.
    """

    block: int
    scale: float
    rate: float
    causal: bool
    window: int
    precision: Any = None

    def matmul(self, left: Array, right: Array, contract: tuple[int, int]) -> Array:
        """In float32, over these axes of two blocks."""
        return jax.lax.dot_general(
            left,
            right,
            (((contract[0],), (contract[1],)), ((), ())),
            precision=None if left.dtype == jnp.bfloat16 else self.precision,
            preferred_element_type=jnp.float32,
        )

    def pairs(self, blocks: int) -> int:
        """How many pairs of blocks of a row's queries and keys are computed."""
        reach = self.reach(blocks)
        return sum(
            1 + min(reach, block) + (0 if self.causal else min(reach, blocks - 1 - block))
            for block in range(blocks)
        )

    def reach(self, blocks: int) -> int:
        """How many blocks to each side a block sees."""
        return -(-self.window // self.block) or blocks


class Given(NamedTuple):
    """What a kernel reads; `bias` may be None, and what follows `value` is a backward one's."""

    state: Any
    query_segments: Any
    key_segments: Any
    bias: Any
    query: Any
    key: Any
    value: Any
    gradient: Any = None
    log_sums: Any = None
    delta: Any = None


@dataclass(frozen=True)
class _Head:
    """Where a kernel is: the number of its block, and the state of its row's and head's bits."""

    rules: BlockRules
    block: Array
    low: Array
    high: Array

    @classmethod
    def here(cls, state: Any, rules: BlockRules, *, gpu: bool) -> "_Head":
        row, head, block = (pl.program_id(2 - axis if gpu else axis) for axis in range(3))
        words = (state[0], state[1]) if gpu else (state[row, 0], state[row, 1])
        low, high = (jax.lax.bitcast_convert_type(word, jnp.uint32) for word in words)
        return cls(rules, block, *fold(low, high, head))

    def scores(
        self,
        query: Array,
        key: Array,
        bias: Block | None,
        segments: tuple[Array, Array],
        first: tuple[Any, Any],
    ) -> Block:
        """Scores of a block; `first` query and key say where it lies."""
        rules = self.rules
        product = rules.matmul(query, key, (1, 1)) * rules.scale
        if bias is not None:
            product = product + bias
        seen = segments[0] == segments[1]
        queries, keys = self._positions(first)
        if rules.causal:
            seen = seen & (queries >= keys)
        if rules.window:
            seen = seen & (jnp.abs(queries - keys) <= rules.window)
        return jnp.where(seen, product, UNSEEN)

    def gradient(
        self,
        scores: Block,
        by_output: Array,
        value: Array,
        log_sums: Array,
        delta: Array,
        first: tuple[Any, Any],
    ) -> tuple[Block, Block]:
        """The weights of a block, and the gradient by its scores."""
        weights = jnp.exp(scores - log_sums)
        by_weight = self.drop(self.rules.matmul(by_output, value, (1, 1)), first)
        return weights, weights * (by_weight / (1 - self.rules.rate) - delta)

    def drop(self, x: Block, first: tuple[Any, Any]) -> Block:
        """Dropout of a block, without its scale."""
        if not self.rules.rate:
            return x
        return jnp.where(
            kept(row_words(self.low, self.high, *self._positions(first)), self.rules.rate), x, 0.0
        )

    def _positions(self, first: tuple[Any, Any]) -> tuple[Array, Array]:
        size = self.rules.block
        queries = first[0] + jax.lax.broadcasted_iota(jnp.int32, (size, 1), 0)
        return queries, first[1] + jax.lax.broadcasted_iota(jnp.int32, (1, size), 1)

    def keys(self, length: int) -> tuple[Any, Any]:
        """The blocks of keys that this block of queries sees."""
        return self._near(length, before=True, after=not self.rules.causal)

    def queries(self, length: int) -> tuple[Any, Any]:
        """The blocks of queries that see this block of keys."""
        return self._near(length, before=not self.rules.causal, after=True)

    def _near(self, length: int, *, before: bool, after: bool) -> tuple[Any, Any]:
        count = length // self.rules.block
        reach = self.rules.reach(count)
        first = jnp.maximum(self.block - reach, 0) if before else self.block
        last = jnp.minimum(self.block + reach, count - 1) if after else self.block
        return first, last + 1


def forward_kernel(
    given: Given,
    output: Any,
    log_sums: Any,
    *,
    rules: BlockRules,
    gpu: bool,
) -> None:
    """The output of a block of queries, and the logarithm of its sum of exponentials."""
    at, size = _Head.here(given.state, rules, gpu=gpu), rules.block
    queries, segments = given.query[...], given.query_segments[...]

    def over_keys(number: Any, carry: tuple) -> tuple:
        mixed, largest, total = carry
        some = pl.ds(number * size, size)
        first = (at.block * size, number * size)
        seen = (segments, _row(given.key_segments, some, gpu=gpu))
        scores = at.scores(
            queries, given.key[some, :], _part(given.bias, slice(None), some), seen, first
        )
        now = jnp.maximum(largest, jnp.max(scores, axis=1, keepdims=True))
        exponents, before = jnp.exp(scores - now), jnp.exp(largest - now)
        total = total * before + jnp.sum(exponents, axis=1, keepdims=True)
        values = given.value[some, :]
        part = rules.matmul(at.drop(exponents, first).astype(values.dtype), values, (1, 0))
        return mixed * before + part, now, total

    start = (
        jnp.zeros(queries.shape, jnp.float32),
        jnp.full((size, 1), LEAST, jnp.float32),
        jnp.zeros((size, 1), jnp.float32),
    )
    mixed, largest, total = jax.lax.fori_loop(*at.keys(given.key.shape[0]), over_keys, start)
    output[...] = (mixed / (total * (1 - rules.rate))).astype(output.dtype)
    log_sums[...] = largest + jnp.log(total)


def query_gradient_kernel(
    given: Given,
    of_query: Any,
    *,
    rules: BlockRules,
    gpu: bool,
) -> None:
    """The gradient by a block of queries."""
    at, size = _Head.here(given.state, rules, gpu=gpu), rules.block
    queries, segments, above = given.query[...], given.query_segments[...], given.gradient[...]
    sums, deltas = given.log_sums[...], given.delta[...]

    def over_keys(number: Any, total: Array) -> Array:
        some = pl.ds(number * size, size)
        first = (at.block * size, number * size)
        keys, seen = given.key[some, :], (segments, _row(given.key_segments, some, gpu=gpu))
        biases = _part(given.bias, slice(None), some)
        scores = at.scores(queries, keys, biases, seen, first)
        _, by_score = at.gradient(scores, above, given.value[some, :], sums, deltas, first)
        return total + rules.matmul(by_score.astype(keys.dtype), keys, (1, 0))

    start = jnp.zeros(queries.shape, jnp.float32)
    total = jax.lax.fori_loop(*at.keys(given.key.shape[0]), over_keys, start)
    of_query[...] = (total * rules.scale).astype(of_query.dtype)


def key_gradient_kernel(
    given: Given,
    of_key: Any,
    of_value: Any,
    *,
    rules: BlockRules,
    gpu: bool,
) -> None:
    """The gradients by a block of keys and their values."""
    at, size = _Head.here(given.state, rules, gpu=gpu), rules.block
    keys, values, segments = (
        given.key[...],
        given.value[...],
        _row(given.key_segments, slice(None), gpu=gpu),
    )

    def over_queries(number: Any, carry: tuple) -> tuple:
        some = pl.ds(number * size, size)
        first = (number * size, at.block * size)
        queries, above = given.query[some, :], given.gradient[some, :]
        seen = (given.query_segments[some, :], segments)
        scores = at.scores(queries, keys, _part(given.bias, some, slice(None)), seen, first)
        sums, deltas = given.log_sums[some, :], given.delta[some, :]
        weights, by_score = at.gradient(scores, above, values, sums, deltas, first)
        dropped = at.drop(weights, first) / (1 - rules.rate)
        return (
            carry[0] + rules.matmul(by_score.astype(queries.dtype), queries, (0, 0)),
            carry[1] + rules.matmul(dropped.astype(above.dtype), above, (0, 0)),
        )

    start = (jnp.zeros(keys.shape, jnp.float32), jnp.zeros(keys.shape, jnp.float32))
    by_key, by_value = jax.lax.fori_loop(*at.queries(given.query.shape[0]), over_queries, start)
    of_key[...] = (by_key * rules.scale).astype(of_key.dtype)
    of_value[...] = by_value.astype(of_value.dtype)


def bias_gradient_kernel(
    given: Given,
    of_bias: Any,
    *,
    rules: BlockRules,
    gpu: bool,
) -> None:
    """The gradient by one head's bias of a block of queries and one of keys, summed over rows.

    A GPU's kernel has all rows, a TPU's one after the other.
    """
    head, queries, keys = (pl.program_id(2 - axis if gpu else axis) for axis in range(3))
    first = (queries * rules.block, keys * rules.block)

    def of_row(row: Any) -> Block:
        def own(ref: Any) -> Array:
            return ref[row] if gpu else ref[...]

        low, high = (
            jax.lax.bitcast_convert_type(given.state[row, i], jnp.uint32) for i in range(2)
        )
        at = _Head(rules, queries, *fold(low, high, head))
        along = own(given.key_segments)
        seen = (own(given.query_segments), along[None, :] if gpu else along)
        scores = at.scores(own(given.query), own(given.key), given.bias[...], seen, first)
        above, sums, deltas = own(given.gradient), own(given.log_sums), own(given.delta)
        return at.gradient(scores, above, own(given.value), sums, deltas, first)[1]

    start = jnp.zeros(of_bias.shape, jnp.float32)
    if gpu:
        rows = given.query.shape[0]
        of_bias[...] = jax.lax.fori_loop(0, rows, lambda row, sum: sum + of_row(row), start)
        return
    row = pl.program_id(3)
    of_bias[...] = jnp.where(row == 0, start, of_bias[...]) + of_row(row)


def _part(bias: Any, queries: Any, keys: Any) -> Block | None:
    return None if bias is None else bias[queries, keys]


def _row(segments: Any, some: Any, *, gpu: bool) -> Array:
    return segments[some][None, :] if gpu else segments[:, some]
