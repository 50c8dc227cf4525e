"""From the hidden states of packed rows to one vector for each segment of a row."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from distil_jax.models.activation import gelu
from distil_jax.models.segments import restarting_positions
from distil_jax.models.types import Hidden, Params
from distil_jax.models.vector_config import NORMALIZE, VectorConfig

Segments = Int[Array, "batch length"]
Members = Bool[Array, "batch segments length"]
Pooled = Float[Array, "batch segments width"]

LEAST_NORM = 1e-12
"""What a vector's length is divided by at least, as in PyTorch's `normalize`."""


def sentence_vectors(
    config: VectorConfig,
    params: Params,
    hidden: Hidden,
    segments: Segments,
    *,
    count: int,
    skip: int | Int[Array, ""] = 0,
) -> Pooled:
    """A float32 vector for each of the segments 1 to `count` of every row.

    `params` has "dense", the maps behind the pooling by number. The first `skip` tokens of each
    segment, a prompt's, are left out of it. What stands for a segment that a row lacks is finite,
    and of no meaning.
    """
    wide = hidden.astype(jnp.float32)
    members = segment_members(segments, count=count, skip=skip)
    pooled = [POOLINGS[mode](wide, segments, members) for mode in config.pooling]
    vectors = jnp.concatenate(pooled, axis=-1)
    for number, stage in enumerate(config.stages):
        if stage == NORMALIZE:
            vectors = normalized(vectors)
        else:
            vectors = _dense(params["dense"][str(number)], vectors)
            vectors = DENSE_ACTIVATIONS[stage.activation](vectors)
    return vectors


def segment_members(segments: Segments, *, count: int, skip: int | Int[Array, ""] = 0) -> Members:
    """Which tokens of a row belong to each of its segments 1 to `count`."""
    numbers = jnp.arange(1, count + 1, dtype=segments.dtype)
    members = segments[:, None, :] == numbers[None, :, None]
    return members & (restarting_positions(segments) >= skip)[:, None, :]


def normalized(vectors: Float[Array, "*rows width"]) -> Float[Array, "*rows width"]:
    """Vectors of length 1; a zero vector stays, with a finite gradient."""
    squares = jnp.sum(jnp.square(vectors), axis=-1, keepdims=True)
    return vectors / jnp.sqrt(jnp.maximum(squares, LEAST_NORM**2))


def _dense(params: Params, vectors: Pooled) -> Float[Array, "batch segments outputs"]:
    product = jnp.matmul(vectors, params["kernel"], precision="highest")
    return product + params["bias"] if "bias" in params else product


def _weighted(hidden: Hidden, weights: Float[Array, "batch segments length"]) -> Pooled:
    return jnp.einsum("bsl,blw->bsw", weights, hidden, precision="highest")


def _sum(hidden: Hidden, members: Members) -> tuple[Pooled, Float[Array, "batch segments 1"]]:
    weights = members.astype(jnp.float32)
    return _weighted(hidden, weights), jnp.maximum(weights.sum(-1, keepdims=True), 1.0)


def _mean(hidden: Hidden, _: Segments, members: Members) -> Pooled:
    total, tokens = _sum(hidden, members)
    return total / tokens


def _mean_sqrt_length(hidden: Hidden, _: Segments, members: Members) -> Pooled:
    total, tokens = _sum(hidden, members)
    return total / jnp.sqrt(tokens)


def _weighted_mean(hidden: Hidden, segments: Segments, members: Members) -> Pooled:
    """The n-th token of a sentence weighs n (Muennighoff 2022)."""
    places = (restarting_positions(segments) + 1)[:, None, :]
    weights = members * places.astype(jnp.float32)
    return _weighted(hidden, weights) / jnp.maximum(weights.sum(-1, keepdims=True), 1.0)


def _first(hidden: Hidden, _: Segments, members: Members) -> Pooled:
    return _at(hidden, jnp.argmax(members, axis=-1))


def _last(hidden: Hidden, _: Segments, members: Members) -> Pooled:
    length = members.shape[-1]
    return _at(hidden, length - 1 - jnp.argmax(members[..., ::-1], axis=-1))


def _at(hidden: Hidden, places: Int[Array, "batch segments"]) -> Pooled:
    return jnp.take_along_axis(hidden, places[:, :, None], axis=1)


def _max(hidden: Hidden, segments: Segments, members: Members) -> Pooled:
    """One maximum a segment; where there is none, 0."""
    rows, count, _ = members.shape
    kept = jnp.any(members, axis=1)
    owner = jnp.where(kept, segments - 1, count) + jnp.arange(rows)[:, None] * (count + 1)
    flat = hidden.reshape(-1, hidden.shape[-1])
    found = jax.ops.segment_max(flat, owner.reshape(-1), num_segments=rows * (count + 1))
    highest = found.reshape(rows, count + 1, -1)[:, :count]
    return jnp.where(jnp.isfinite(highest), highest, 0.0)


POOLINGS: dict[str, Callable[[Hidden, Segments, Members], Pooled]] = {
    "cls": _first,
    "max": _max,
    "mean": _mean,
    "mean_sqrt_len_tokens": _mean_sqrt_length,
    "weightedmean": _weighted_mean,
    "lasttoken": _last,
}
DENSE_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "Identity": lambda x: x,
    "Tanh": jnp.tanh,
    "ReLU": jax.nn.relu,
    "GELU": gelu,
    "SiLU": jax.nn.silu,
    "Sigmoid": jax.nn.sigmoid,
}
