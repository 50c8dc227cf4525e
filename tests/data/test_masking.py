import dataclasses

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from distil_jax.data.masking import Masking, frequency_weights, mask_rows
from distil_jax.losses import IGNORE

SPECIAL = (0, 3, 4, 5, 50)
MASKING = Masking(
    vocabulary=97, special=SPECIAL, mask_token=5, percent=15, mask_percent=80, random_percent=10
)
LENGTH = 64
compiled = jax.jit(mask_rows, static_argnums=0)


def mask(masking: Masking, key: jax.Array, *arrays):
    return compiled(masking, key, *map(jnp.asarray, arrays))


def rows(count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    tokens = random.integers(0, MASKING.vocabulary, (count, LENGTH), dtype=np.int32)
    lengths = random.integers(0, LENGTH + 1, (count, 1))
    return tokens, (np.arange(LENGTH)[None] < lengths).astype(np.int32)


def masked(count: int, *, seed: int = 0, epoch: int = 0, masking: Masking = MASKING):
    tokens, segments = rows(count)
    new, labels = mask(
        masking, jax.random.key(seed), tokens, segments,
        jnp.full(count, epoch, jnp.int32), jnp.arange(count, dtype=jnp.int32),
    )  # fmt: skip
    return tokens, segments, np.asarray(new), np.asarray(labels)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(0, 1000))
def test_exactly_fifteen_percent_of_ordinary_tokens(seed: int, epoch: int) -> None:
    tokens, segments, new, labels = masked(8, seed=seed, epoch=epoch)
    ordinary = (segments > 0) & ~np.isin(tokens, SPECIAL)
    chosen = labels != IGNORE
    assert not (chosen & ~ordinary).any()
    assert (chosen.sum(1) == [-(-15 * int(n) // 100) for n in ordinary.sum(1)]).all()
    assert (labels[chosen] == tokens[chosen]).all()
    assert (new[~chosen] == tokens[~chosen]).all()
    changed = chosen & (new != tokens) & (new != MASKING.mask_token)
    assert not np.isin(new[changed], SPECIAL).any()


def test_eighty_ten_ten() -> None:
    tokens, _, new, labels = masked(4000)
    chosen = labels != IGNORE
    masked_share = (new[chosen] == MASKING.mask_token).mean()
    kept_share = (new[chosen] == tokens[chosen]).mean()
    assert masked_share == pytest.approx(0.80, abs=0.01)
    assert kept_share == pytest.approx(0.10 + 0.10 / 92, abs=0.01)


def test_random_tokens_cover_every_ordinary_token_and_no_other() -> None:
    masking = Masking(97, SPECIAL, 5, percent=100, mask_percent=0, random_percent=100)
    _, _, new, labels = masked(2000, masking=masking)
    assert set(new[labels != IGNORE]) == set(range(97)) - set(SPECIAL)


def test_a_row_depends_on_seed_epoch_and_row_only() -> None:
    tokens, segments, new, labels = masked(8)
    for row in (0, 3, 7):
        alone, alone_labels = mask(
            MASKING, jax.random.key(0), tokens[row : row + 1], segments[row : row + 1],
            jnp.zeros(1, jnp.int32), jnp.array([row], jnp.int32),
        )  # fmt: skip
        assert (np.asarray(alone[0]) == new[row]).all()
        assert (np.asarray(alone_labels[0]) == labels[row]).all()
    assert (masked(8, epoch=1)[3] != labels).any()
    assert (masked(8, seed=1)[3] != labels).any()


def test_frequency_weights_prefer_rare_tokens() -> None:
    counts = np.ones(97, np.int64)
    counts[60:] = 10_000
    weights = frequency_weights(counts, 0.7)
    masking = Masking(97, SPECIAL, 5, 15, 80, 10, weights=weights)
    tokens, segments, _, labels = masked(4000, masking=masking)
    chosen = labels[labels != IGNORE]
    ordinary = tokens[(segments > 0) & ~np.isin(tokens, SPECIAL)]
    assert (chosen < 60).mean() > 0.9 > 0.7 > (ordinary < 60).mean()


def test_uniform_draw_chooses_each_place_equally_often() -> None:
    tokens = np.full((6000, 20), 9, np.int32)
    _, labels = mask(
        MASKING, jax.random.key(3), tokens, np.ones_like(tokens),
        jnp.zeros(6000, jnp.int32), jnp.arange(6000, dtype=jnp.int32),
    )  # fmt: skip
    share = (np.asarray(labels) != IGNORE).mean(0)
    assert share == pytest.approx(np.full(20, 0.15), abs=0.02)


def test_a_large_power_still_masks_frequent_tokens() -> None:
    """count ** -8 of a million is nothing in float32."""
    weights = frequency_weights(np.full(97, 1_000_000), 8.0)
    masking = dataclasses.replace(MASKING, weights=weights)
    _, _, _, labels = masked(20, masking=masking)
    plain = masked(20)[3]
    assert ((labels != IGNORE).sum(axis=1) == (plain != IGNORE).sum(axis=1)).all()
    assert (labels != IGNORE).any()
