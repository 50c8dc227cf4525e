"""Dropout: of an explicit place or key."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from distil_jax.kernels.place import Place, kept

Rng = Place | Key[Array, ""]
"""Where bits are drawn: a place, the same on any number of devices; or a key, for an array."""


def dropout(x: Float[Array, "*shape"], rng: Rng | None, *, rate: float) -> Float[Array, "*shape"]:
    """Zero a share `rate` of the entries and scale up the others; without `rng`, no change.

    A place needs [batch, ..., queries, keys]; its rate is exact, and the backward pass draws the
    bits again instead of keeping them.
    """
    if rng is None or rate == 0.0:
        return x
    return _by_place(x, rng, rate) if isinstance(rng, Place) else _by_key(x, rng, rate)


def sites(rng: Rng | None, count: int) -> list:
    """What each of several sites draws from."""
    if rng is None:
        return [None] * count
    if isinstance(rng, Place):
        return [rng.at(number) for number in range(count)]
    return list(jax.random.split(rng, count))


def table_dropout(
    table: Float[Array, "rows size"], rng: Rng | None, *, rate: float
) -> Float[Array, "rows size"]:
    """Dropout of a table that all rows of a batch share, beside what the site `rng` drops."""
    if isinstance(rng, Place):
        return dropout(table[None], rng.at(1).without_rows(), rate=rate)[0]
    return dropout(table, None if rng is None else jax.random.fold_in(rng, 1), rate=rate)


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def _by_place(x: Array, place: Place, rate: float) -> Array:
    return jnp.where(kept(place.words(x.shape), rate), x * (1 / (1 - rate)), 0).astype(x.dtype)


def _forward(x: Array, place: Place, rate: float) -> tuple[Array, Place]:
    return _by_place(x, place, rate), place


def _backward(rate: float, place: Place, gradient: Array) -> tuple[Array, None]:
    return _by_place(gradient, place, rate), None


_by_place.defvjp(_forward, _backward)


def _by_key(x: Array, rng: Key[Array, ""], rate: float) -> Array:
    """What earlier versions drew, in runs that they began.

    One random byte decides each entry where the rate is within 2 % of a multiple of 1/256 (0.1
    becomes 26/256), two bytes elsewhere: a whole word for each made an encoder's forward and
    backward pass 10 to 12 % slower on a CPU. The scale is that of the rounded rate, so the
    expectation is exact.
    """
    byte = abs(round(rate * 256) / (rate * 256) - 1) < 0.02
    kind, choices = (jnp.uint8, 256) if byte else (jnp.uint16, 65536)
    dropped = round(rate * choices)
    words = -(-x.size * jnp.dtype(kind).itemsize // 4)
    drawn = jax.lax.bitcast_convert_type(jax.random.bits(rng, (words,), jnp.uint32), kind)
    stays = drawn.reshape(-1)[: x.size].reshape(x.shape) >= dropped
    return jnp.where(stays, x * (choices / (choices - dropped)), 0).astype(x.dtype)
