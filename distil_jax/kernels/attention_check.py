"""Whether the attention kernel works on the device that is here."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array

from distil_jax.kernels.attention import SHORTEST, attention
from distil_jax.kernels.place import Place, kept

RATE = 0.1
TOLERANCE = {"bfloat16": 0.02, "float32": 1e-4}
"""Of the outputs' and the gradients' scale: bfloat16 has eight bits."""


def plain(
    query: Array, key: Array, value: Array, bias: Array | None, segments: Array, place: Place
) -> Array:
    """`attention` with dropout `RATE`, in float32 by the formula."""
    query, key, value = (x.astype(jnp.float32) for x in (query, key, value))
    scores = jnp.einsum("bqhd,bkhd->bhqk", query, key, precision="highest")
    scores = scores * query.shape[-1] ** -0.5 + (0.0 if bias is None else bias)
    seen = (segments[:, :, None] == segments[:, None, :])[:, None]
    weights = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf))
    stays = kept(place.words(weights.shape), RATE)
    weights = jnp.where(stays, weights / (1 - RATE), 0.0)
    return jnp.einsum("bhqk,bkhd->bqhd", weights, value, precision="highest")


def problem(head_size: int, length: int, dtype: str, *, biased: bool, interpret: str = "") -> str:
    """Why the kernel cannot be used on such rows; empty if what it gives is the formula's.

    Shorter rows are filled up to `SHORTEST` tokens, and so are these. `biased`: relative positions
    add to the scores.
    """
    length = max(length, SHORTEST)
    draw = jax.random.split(jax.random.key(0), 4)
    *heads, weights = (
        jax.random.normal(one, (2, length, 2, head_size)).astype(dtype) for one in draw
    )
    bias = jax.random.normal(draw[0], (2, length, length)) if biased else None
    ends = jnp.array([[0.3], [0.8]]) * length
    segments = (jnp.arange(length)[None] >= ends).astype(jnp.int32)
    place = Place.of(jnp.arange(2, dtype=jnp.uint32), 1, 2)

    def kernel(query: Array, key: Array, value: Array, bias: Array | None) -> Array:
        return attention(
            query,
            key,
            value,
            segments,
            place,
            bias=bias,
            dropout_rate=RATE,
            interpret=interpret,
        )

    def formula(query: Array, key: Array, value: Array, bias: Array | None) -> Array:
        return plain(query, key, value, bias, segments, place)

    def results(run: Callable[..., Array], *given: Array | None) -> list[Array]:
        output, backward = jax.vjp(run, *given)
        return jax.tree.leaves((output, backward(weights.astype(output.dtype))))

    expected = jax.jit(partial(results, formula))(*heads, bias)
    try:
        found = jax.jit(partial(results, kernel))(*heads, bias)
    except Exception as error:  # Whatever a compiler raises is a reason.
        return f"does not compile ({type(error).__name__}: {str(error)[:200]})"
    for ours, theirs in zip(found, expected, strict=True):
        difference = jnp.max(jnp.abs(ours.astype(jnp.float32) - theirs.astype(jnp.float32)))
        if not difference <= TOLERANCE[dtype] * jnp.max(jnp.abs(theirs.astype(jnp.float32))):
            return f"differs from the formula by {float(difference):.3g}"
    return ""
