"""The bits are as random as the tests of a generator ask, along every axis of their place."""

from collections.abc import Iterator
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.kernels import place
from distil_jax.kernels.place import Place, kept

AXES = ("step", "layer", "site", "row", "head", "query", "key")
SHAPE = (2, 2, 3, 4, 6, 192, 192)  # 10.6 million words
RATE = 0.1
LAGS = (1, 2, 3, 4, 8, 16, 64)


def words(seed: int = 0) -> np.ndarray:
    """A word for every place of `SHAPE`."""

    def one(step: int, layer: int, site: int) -> jax.Array:
        rows = jnp.arange(SHAPE[3], dtype=jnp.uint32)
        return Place.of(rows, seed, step).at(layer).at(site).words(SHAPE[3:])

    step, layer, site = np.indices(SHAPE[:3]).reshape(3, -1)
    return np.asarray(jax.jit(jax.vmap(one))(step, layer, site)).reshape(SHAPE)


def one_multiplication(
    low: jax.Array, high: jax.Array, query: jax.Array, key: jax.Array
) -> jax.Array:
    """A hash that is too weak: its bytes are even, its neighbours are not independent."""
    along = query.astype(jnp.uint32) * jnp.uint32(place.STRIDE)
    x = low + along + key.astype(jnp.uint32) * jnp.uint32(place.KEY_STRIDE)
    x = (x ^ (x >> 16)) * jnp.uint32(place.FIRST)
    return x ^ (x >> 15)


def chi_squares(drawn: np.ndarray) -> Iterator[float]:
    """How even each byte is, in standard deviations."""
    for shift in (0, 8, 16, 24):
        counts = np.bincount(((drawn >> shift) & 255).astype(np.uint8).ravel(), minlength=256)
        expected = drawn.size / 256
        yield (((counts - expected) ** 2 / expected).sum() - 255) / np.sqrt(2 * 255)


def correlations(dropped: np.ndarray) -> Iterator[tuple[float, str, int]]:
    """Of what is dropped at places that differ along one axis, in standard deviations."""
    for axis, name in enumerate(AXES):
        for lag in (lag for lag in LAGS if lag < dropped.shape[axis]):
            moved = np.moveaxis(dropped, axis, 0)
            both = np.count_nonzero(moved[lag:] & moved[:-lag])
            pairs = moved[lag:].size
            spread = np.sqrt(pairs * RATE**2 * (1 - RATE**2))
            yield abs(both - pairs * RATE**2) / spread, name, lag


def squares(dropped: np.ndarray) -> float:
    """How even the 16 patterns of two queries and two keys are, in standard deviations."""
    corners = [dropped[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
    pattern = sum(corner.astype(np.uint8) << bit for bit, corner in enumerate(corners))
    counts = np.bincount(pattern.ravel(), minlength=16)
    on = np.array([number.bit_count() for number in range(16)])
    expected = RATE**on * (1 - RATE) ** (4 - on) * pattern.size
    return (((counts - expected) ** 2 / expected).sum() - 15) / np.sqrt(30)


def failures(drawn: np.ndarray) -> list[str]:
    dropped = ~np.asarray(kept(jnp.asarray(drawn), RATE))
    rate = (dropped.sum() - RATE * dropped.size) / np.sqrt(dropped.size * RATE * (1 - RATE))
    found = [] if abs(rate) < 4 else ["rate"]
    found += [] if max(map(abs, chi_squares(drawn))) < 4 else ["bytes"]
    found += [f"{name} + {lag}" for z, name, lag in correlations(dropped) if z > 4.5]
    return found + ([] if abs(squares(dropped)) < 4 else ["squares"])


def test_ten_million_words_pass() -> None:
    drawn = words()
    assert drawn.size > 1e7
    assert failures(drawn) == []


def test_a_hash_of_one_multiplication_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "row_words", one_multiplication)
    found = failures(words())
    assert "squares" in found
    assert any("query" in name or "key" in name for name in found)


def test_a_bit_of_the_seed_changes_half_of_the_words_bits() -> None:
    seeds = jnp.asarray([1 << bit for bit in range(32)], jnp.uint32)

    @jax.jit
    @jax.vmap
    def drawn(seed: jax.Array) -> jax.Array:
        return Place.of(jnp.zeros(1, jnp.uint32), seed, 5).words((1, 64, 64))

    for one, other in pairwise(np.asarray(drawn(seeds))):
        assert np.unpackbits((one ^ other).view(np.uint8)).mean() == pytest.approx(0.5, abs=0.01)


def test_the_largest_seed_is_the_same_as_a_number_and_in_an_array() -> None:
    rows = jnp.arange(3, dtype=jnp.uint32)
    found, traced = (Place.of(rows, seed, 1) for seed in (2**32 - 1, jnp.uint32(2**32 - 1)))
    np.testing.assert_array_equal(found.states(), traced.states())


def test_two_words_name_a_map() -> None:
    """Of a large batch's maps, of which two share one 32-bit word, no two share both."""
    layers = Place.of(jnp.arange(2**16, dtype=jnp.uint32), 0, 0).layers(8)
    low, high = (np.asarray(x).ravel() for x in jax.vmap(Place.states)(layers))
    assert len(np.unique(low)) < low.size
    assert len(np.unique(low.astype(np.uint64) << np.uint64(32) | high)) == low.size


def test_any_part_of_an_array_draws_what_the_whole_does() -> None:
    whole = Place.of(jnp.arange(6, dtype=jnp.uint32), 3, 7)
    drawn = whole.words((6, 2, 8, 8))
    part = Place.of(jnp.arange(2, 5, dtype=jnp.uint32), 3, 7)
    np.testing.assert_array_equal(part.words((3, 2, 8, 8)), drawn[2:5])
    blocks = whole.in_blocks(jnp.arange(0, 8, 4), jnp.arange(0, 8, 4)).words((12, 2, 4, 4))
    np.testing.assert_array_equal(blocks[1::2], drawn[:, :, 4:, 4:])


def test_a_row_has_another_name_in_the_next_epoch() -> None:
    names = place.row_names(jnp.arange(1000), jnp.arange(1000) // 500)
    again = place.row_names(jnp.arange(1000), 1)
    assert not np.intersect1d(names[:500], again).size
