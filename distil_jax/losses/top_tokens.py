"""A distribution as its likeliest tokens, with all others as one bucket."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

LEAST = -60.0
"""The lowest logarithm of a bucket's share: a share of 0 counts as e^-60."""


class TopTokens(NamedTuple):
    """Token ids [..., count] with the logarithms of their shares, and of the rest's [...].

    `rest` is None where the ids are all that there are.
    """

    ids: Int[Array, "*tokens count"]
    shares: Float[Array, "*tokens count"]
    rest: Float[Array, "*tokens"] | None

    def logs(self) -> Float[Array, "*tokens entries"]:
        """The logarithms of all buckets, the rest last."""
        return self.shares if self.rest is None else _joined(self.shares, self.rest)


def top_tokens(logs: Float[Array, "*tokens vocabulary"], count: int) -> TopTokens:
    """The `count` likeliest tokens of log-probabilities, the likeliest first."""
    shares, ids = jax.lax.top_k(logs, count)
    return TopTokens(ids, shares, _rest(logs, ids))


def in_buckets(
    logs: Float[Array, "*tokens vocabulary"], ids: Int[Array, "*tokens count"]
) -> Float[Array, "*tokens entries"]:
    """Log-probabilities of these tokens and of all others together, which come last."""
    shares = jnp.take_along_axis(logs, ids, axis=-1)
    rest = _rest(logs, ids)
    return shares if rest is None else _joined(shares, rest)


def _rest(
    logs: Float[Array, "*tokens vocabulary"], ids: Int[Array, "*tokens count"]
) -> Float[Array, "*tokens"] | None:
    """Summed over the others, not 1 less the sum: what is left may be far smaller than 1."""
    if ids.shape[-1] == logs.shape[-1]:
        return None
    others: Bool[Array, "*tokens vocabulary"] = jnp.put_along_axis(
        jnp.ones(logs.shape, bool), ids, False, axis=-1, inplace=False
    )
    return jnp.maximum(jax.nn.logsumexp(logs, axis=-1, where=others), LEAST)


def _joined(shares: Array, rest: Array) -> Array:
    return jnp.concatenate([shares, rest[..., None]], axis=-1)
