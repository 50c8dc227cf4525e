"""How alike the hidden states of two models are: cosine, and linear CKA."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

LEAST_NORM = 1e-8


def cosine_similarity(
    first: Float[Array, "*tokens width"],
    second: Float[Array, "*tokens width"],
    mask: Shaped[Array, "*tokens"],
) -> tuple[Float[Array, ""], Int[Array, ""]]:
    """Sum of the cosines of the tokens of `mask`, and how many there are; a zero vector has 0."""
    first, second = first.astype(jnp.float32), second.astype(jnp.float32)
    norms = jnp.linalg.norm(first, axis=-1) * jnp.linalg.norm(second, axis=-1)
    cosine = jnp.sum(first * second, axis=-1) / jnp.maximum(norms, LEAST_NORM)
    chosen = mask != 0
    return jnp.sum(jnp.where(chosen, cosine, 0.0)), jnp.sum(chosen)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Moments:
    """Sums over tokens of two models' centred hidden states, which `merge` adds up.

    Attributes:
      count: tokens.
      first_mean, second_mean: [width] of each.
      first, second, cross: sums of products of centred states, first^T first, second^T second and
        first^T second.
    """

    count: Any
    first_mean: Any
    second_mean: Any
    first: Any
    second: Any
    cross: Any


def moments(
    first: Float[Array, "*tokens width"],
    second: Float[Array, "*tokens other_width"],
    mask: Shaped[Array, "*tokens"],
) -> Moments:
    """The moments of one batch, in float32."""
    chosen = (mask.reshape(-1, 1) != 0).astype(jnp.float32)
    count = jnp.maximum(chosen.sum(), 1.0)

    def centred(states: Array) -> tuple[Array, Array]:
        flat = states.reshape(-1, states.shape[-1]).astype(jnp.float32) * chosen
        mean = flat.sum(0) / count
        return mean, (flat - mean) * chosen

    first_mean, centred_first = centred(first)
    second_mean, centred_second = centred(second)
    products = (
        centred_first.T @ centred_first,
        centred_second.T @ centred_second,
        centred_first.T @ centred_second,
    )
    return Moments(chosen.sum(), first_mean, second_mean, *products)


def merge(first: Moments, second: Moments) -> Moments:
    """The moments of both batches together, in float64 (Chan et al. 1979)."""
    before, batch = (
        jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), part) for part in (first, second)
    )
    count = before.count + batch.count
    if not count:
        return before
    share, weight = batch.count / count, before.count * batch.count / count
    first_shift = batch.first_mean - before.first_mean
    second_shift = batch.second_mean - before.second_mean
    return Moments(
        count,
        before.first_mean + first_shift * share,
        before.second_mean + second_shift * share,
        before.first + batch.first + weight * np.outer(first_shift, first_shift),
        before.second + batch.second + weight * np.outer(second_shift, second_shift),
        before.cross + batch.cross + weight * np.outer(first_shift, second_shift),
    )


def linear_cka(total: Moments) -> float:
    """Linear centred kernel alignment, 0 to 1 (Kornblith et al. 2019, equation 5).

    Invariant to rotation and scale, so that models of different widths compare; 0 for a model whose
    states do not vary.
    """
    norms = np.linalg.norm(total.first) * np.linalg.norm(total.second)
    return float(np.linalg.norm(total.cross) ** 2 / norms) if norms else 0.0
