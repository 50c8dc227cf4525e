import jax.numpy as jnp
import numpy as np

from distil_jax.data.next_tokens import NextTokens, next_tokens
from distil_jax.losses import IGNORE


def test_a_label_is_the_next_token_of_the_same_segment():
    tokens = jnp.asarray([[5, 6, 7, 8, 9, 0], [1, 2, 3, 4, 5, 6]], jnp.int32)
    segments = jnp.asarray([[1, 1, 1, 2, 2, 0], [1, 1, 1, 1, 1, 1]], jnp.int32)
    expected = [[6, 7, IGNORE, 9, IGNORE, IGNORE], [2, 3, 4, 5, 6, IGNORE]]
    np.testing.assert_array_equal(next_tokens(tokens, segments), expected)


def test_nothing_is_masked_whatever_the_seed_and_every_place_may_have_a_label():
    tokens = jnp.arange(8, dtype=jnp.int32)[None]
    segments = jnp.ones_like(tokens)
    for seed in (0, 1):
        same, labels = NextTokens().labelled(seed, tokens, segments, jnp.zeros(1), jnp.zeros(1))
        np.testing.assert_array_equal(same, tokens)
        np.testing.assert_array_equal(labels[0, :-1], tokens[0, 1:])
    assert NextTokens().max_masked(8) == 8
