"""Divergence and cross-entropy, against scipy."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from distil_jax import metrics

STUDENT, TEACHER = np.random.default_rng(0).normal(size=(2, 4, 7)).astype(np.float32)
MASK = np.array([1, 0, 2, 1])


def test_kl_divergence():
    total, count = metrics.kl_divergence(
        jnp.asarray(STUDENT), jnp.asarray(TEACHER), jnp.asarray(MASK)
    )
    own, other = scipy.special.softmax(STUDENT, -1), scipy.special.softmax(TEACHER, -1)
    expected = sum(scipy.stats.entropy(other[i], own[i]) for i in (0, 2, 3))
    assert float(total) == pytest.approx(expected, rel=1e-5)
    assert int(count) == 3


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_a_token_that_both_rule_out_has_no_share(kind):
    ruled_out = [kind(np.insert(x, 3, -np.inf, axis=-1)) for x in (STUDENT, TEACHER)]
    expected, _ = metrics.kl_divergence(kind(STUDENT), kind(TEACHER), kind(MASK))
    found, _ = metrics.kl_divergence(*ruled_out, kind(MASK))
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_cross_entropy_looks_at_no_label_outside_the_mask():
    labels = np.array([3, -100, 0, 6])
    total, count = metrics.cross_entropy(
        jnp.asarray(STUDENT), jnp.asarray(labels), jnp.asarray(MASK)
    )
    logs = scipy.special.log_softmax(STUDENT, -1)
    assert float(total) == pytest.approx(-(logs[0, 3] + logs[2, 0] + logs[3, 6]), rel=1e-5)
    assert int(count) == 3
