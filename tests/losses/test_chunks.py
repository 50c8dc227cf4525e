"""chunks: how many tokens' logits exist at one time."""

import pytest

from distil_jax.losses.chunks import even_chunk, most_tokens


@pytest.mark.parametrize(
    ("asked", "vocabulary", "platform", "expected"),
    [
        (0, 30_522, "cpu", 512),
        (0, 30_522, "gpu", 4_096),
        (0, 30_522, "tpu", 8_192),
        (0, 250_002, "gpu", 512),
        (0, 10**7, "tpu", 128),
        (100, 30_522, "tpu", 100),
    ],
)
def test_what_is_asked_or_suits_the_platform(
    asked: int, vocabulary: int, platform: str, expected: int
) -> None:
    assert most_tokens(asked, vocabulary, platform) == expected


@pytest.mark.parametrize(
    ("tokens", "most", "expected"),
    [
        (1_024, 512, 512),
        (300, 512, 300),
        # Three chunks of 6,912 in place of two of 8,192 and one of as many, half empty.
        (20_480, 8_192, 6_912),
        (100, 32, 32),
        (1, 512, 1),
    ],
)
def test_chunks_are_filled_alike(tokens: int, most: int, expected: int) -> None:
    each = even_chunk(tokens, most)
    assert each == expected
    assert -(-tokens // each) == -(-tokens // most)
