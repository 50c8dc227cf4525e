"""Cosine and CKA, against their definitions in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import metrics

RANDOM = np.random.default_rng(0)


def direct_cka(first: np.ndarray, second: np.ndarray) -> float:
    """From Gram matrices of tokens, as the paper's equation 3 has it."""

    def centred_gram(states):
        gram = states @ states.T
        centre = np.eye(len(gram)) - 1 / len(gram)
        return centre @ gram @ centre

    one, other = centred_gram(first), centred_gram(second)
    return (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())


def test_cka_of_two_widths_in_batches_is_that_of_all_tokens():
    first = RANDOM.normal(size=(30, 6)) + 100.0  # far from the origin: centring must not cancel
    second = first[:, :4] @ RANDOM.normal(size=(4, 9)) + 0.3 * RANDOM.normal(size=(30, 9))
    mask = np.ones((3, 10), np.int32)
    mask[2, 5:] = 0
    parts = [
        metrics.moments(jnp.asarray(a), jnp.asarray(b), jnp.asarray(m))
        for a, b, m in zip(first.reshape(3, 10, 6), second.reshape(3, 10, 9), mask, strict=True)
    ]
    total = metrics.merge(metrics.merge(parts[0], parts[1]), parts[2])
    kept = mask.reshape(-1) > 0
    assert float(total.count) == 25
    found = metrics.linear_cka(total)
    assert found == pytest.approx(direct_cka(first[kept], second[kept]), abs=1e-4)


def test_cka_ignores_rotation_and_scale():
    states = RANDOM.normal(size=(20, 5))
    rotation, _ = np.linalg.qr(RANDOM.normal(size=(5, 5)))
    mask = jnp.ones(20)
    turned = metrics.moments(jnp.asarray(states), jnp.asarray(3 * states @ rotation), mask)
    assert metrics.linear_cka(turned) == pytest.approx(1.0, abs=1e-5)


def test_cosine_of_masked_tokens():
    first = jnp.asarray([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [5.0, 5.0]])
    second = jnp.asarray([[0.0, 2.0], [2.0, 2.0], [1.0, 1.0], [-1.0, -1.0]])
    total, count = metrics.cosine_similarity(first, second, jnp.asarray([1, 1, 1, 0]))
    assert float(total) == pytest.approx(1.0)
    assert int(count) == 3
