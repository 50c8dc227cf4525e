"""Losses of token pairs, scores [length, length] of every head, computed some heads at a time.

Student and teacher each give two arrays [rows, length, width]; their scores are the products of the
heads' parts divided by the root of a part's size. Chunk by chunk of (row, head), both models'
scores are formed, loss and gradient of the student's scores follow at once, and two matmuls take it
back to the arrays: nothing [length, length] outlives its chunk, and nothing is computed twice.

A pair counts where both tokens stand in the same segment; padding (segment 0) counts nowhere. Every
query token is one term, the mean over heads of its row of scores.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from distil_jax.losses.counted import counted
from distil_jax.losses.manual_axes import check_whole, differing, zero_of
from distil_jax.losses.shapes import check_equal
from distil_jax.losses.weighted_sum import WeightedSum

ELEMENTS = 2**22
"""Scores of one model that exist at one time, at least those of one head: 16 MiB in float32."""
HIDDEN = -1e9

Scores = Float[Array, "heads query key"]
Formula = Callable[[Scores, Scores, Bool[Array, "heads query key"]], tuple[Array, Scores]]
"""From scores of student and teacher and the pairs that count to a sum and its gradient."""


class Sides(NamedTuple):
    """What one model's scores are the products of: `query` key^T, of equal heads."""

    query: Any
    key: Any


def relation_kl(
    student: Sides,
    teacher: Sides,
    segments: Int[Array, "rows length"],
    *,
    heads: int,
    elements: int = ELEMENTS,
) -> WeightedSum:
    """KL of self-attention relations (Wang et al. 2021, MiniLMv2, equations 3 to 6).

    KL(softmax(A_t B_t^T / sqrt(d_t)) || softmax(A_s B_s^T / sqrt(d_s))) in nats, where A and B are
    queries, keys or values [rows, length, width] in `heads` equal parts of size d = width / heads.
    The widths of student and teacher may differ. Summed over query tokens, mean over heads. The
    teacher is a constant: no gradient goes to it.
    """
    return _mean_over_heads(_kl, student, teacher, segments, heads, elements)


def attention_mse(
    student: Sides,
    teacher: Sides,
    segments: Int[Array, "rows length"],
    *,
    heads: int,
    elements: int = ELEMENTS,
) -> WeightedSum:
    """Squared distance of attention scores before the softmax (Jiao et al. 2020, equation 7).

    Scores are query key^T / sqrt(head_size) of queries and keys [rows, length, width]. For each
    query token the mean over the keys of its segment, and over heads. The teacher is a constant.
    """
    return _mean_over_heads(_squares, student, teacher, segments, heads, elements)


def _mean_over_heads(
    formula: Formula,
    student: Sides,
    teacher: Sides,
    segments: Int[Array, "rows length"],
    heads: int,
    elements: int,
) -> WeightedSum:
    check_whole((student, teacher, segments))
    rows, length = segments.shape
    count = rows * heads
    chunk = max(1, min(elements // max(1, length**2), count))
    chunks = -(-count // chunk)
    padding = chunks * chunk - count

    def split(array: Array) -> Array:
        """[rows, length, width] to [chunks, chunk, length, width / heads]."""
        check_equal({"segments": segments, "the tokens of query or key": array.shape[:-1]})
        if array.shape[-1] % heads:
            raise ValueError(f"a width of {array.shape[-1]} is not that of {heads} equal heads")
        size = array.shape[-1] // heads
        parts = counted(array, segments > 0).reshape(rows, length, heads, size).swapaxes(1, 2)
        flat = jnp.pad(parts.reshape(count, length, size), ((0, padding), (0, 0), (0, 0)))
        return flat.reshape(chunks, chunk, length, size)

    ours = jax.tree.map(split, student)
    theirs = jax.lax.stop_gradient(jax.tree.map(split, teacher))
    places = jnp.pad(jnp.repeat(segments, heads, axis=0), ((0, padding), (0, 0)))
    ours = differing(ours, zero_of(ours, theirs, places))
    total = _sum(formula, ours, theirs, places.reshape(chunks, chunk, length))
    return WeightedSum(total / heads, jnp.sum(segments > 0, dtype=jnp.int32))


def _kl(student: Array, teacher: Array, counts: Array) -> tuple[Array, Array]:
    log_s, log_t = (jax.nn.log_softmax(jnp.where(counts, x, HIDDEN)) for x in (student, teacher))
    p_s, p_t = (jnp.where(counts, jnp.exp(x), 0.0) for x in (log_s, log_t))
    return jnp.sum(p_t * (log_t - log_s)), p_s - p_t


def _squares(student: Array, teacher: Array, counts: Array) -> tuple[Array, Array]:
    keys = jnp.maximum(jnp.sum(counts, axis=-1, keepdims=True, dtype=jnp.float32), 1)
    difference = jnp.where(counts, student - teacher, 0.0)
    return jnp.sum(difference**2 / keys), 2 * difference / keys


def _scores(sides: Sides) -> Scores:
    query, key = sides
    scores = jnp.einsum("hqd,hkd->hqk", query, key, preferred_element_type=jnp.float32)
    return scores * query.shape[-1] ** -0.5


def _of_chunk(formula: Formula, student: Sides, teacher: Sides, places: Array) -> tuple:
    counts = (places[:, :, None] == places[:, None, :]) & (places[:, :, None] > 0)
    return formula(_scores(student), _scores(teacher), counts)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _sum(formula: Formula, student: Sides, teacher: Sides, places: Array) -> Array:
    """The sum over all chunks, differentiable with respect to the student's arrays."""

    def add(total: Array, xs: tuple) -> tuple[Array, None]:
        return total + _of_chunk(formula, *xs)[0], None

    zero = zero_of(student, teacher, places)
    return jax.lax.scan(add, zero, (student, teacher, places))[0]


def _forward(
    formula: Formula, student: Sides, teacher: Sides, places: Array
) -> tuple[Array, Sides]:
    def add(total: Array, xs: tuple) -> tuple[Array, Sides]:
        more, of_scores = _of_chunk(formula, *xs)
        query, key = xs[0]
        of_scores = (of_scores * query.shape[-1] ** -0.5).astype(query.dtype)
        product = partial(jnp.einsum, preferred_element_type=jnp.float32)
        gradient = Sides(
            product("hqk,hkd->hqd", of_scores, key).astype(query.dtype),
            product("hqk,hqd->hkd", of_scores, query).astype(key.dtype),
        )
        return total + more, gradient

    zero = zero_of(student, teacher, places)
    return jax.lax.scan(add, zero, (student, teacher, places))


def _backward(_: Formula, gradient: Sides, cotangent: Array) -> tuple[Sides, None, None]:
    scaled = jax.tree.map(lambda g: (cotangent * g.astype(jnp.float32)).astype(g.dtype), gradient)
    return scaled, None, None


_sum.defvjp(_forward, _backward)
