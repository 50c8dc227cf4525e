"""Losses of labels and of a teacher, against their formulas in NumPy."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from distil_jax.tasks import classification, question_answering, regression

RANDOM = np.random.default_rng(0)
USED = np.array([True, True, False])


def log_softmax(logits):
    return scipy.special.log_softmax(logits, axis=-1)


def kl(teacher, student, temperature):
    target, own = log_softmax(teacher / temperature), log_softmax(student / temperature)
    return (np.exp(target) * (target - own)).sum(-1) * temperature**2


def test_classification():
    logits, soft = RANDOM.normal(size=(2, 3, 4)).astype(np.float32)
    labels = np.array([2, 0, 0])
    piece = {"labels": jnp.asarray(labels), "soft": jnp.asarray(soft)}
    terms = classification.objective(jnp.asarray(logits), piece, jnp.asarray(USED), temperature=2.0)
    assert float(terms["labels"].value()) == pytest.approx(
        -log_softmax(logits)[[0, 1], [2, 0]].mean(), rel=1e-5
    )
    assert float(terms["soft_target"].value()) == pytest.approx(
        kl(soft, logits, 2.0)[:2].mean(), rel=1e-4
    )
    assert {int(term.count) for term in terms.values()} == {2}


def test_regression_has_nothing_to_soften():
    outputs, soft = np.array([[1.0], [2.0], [9.0]]), np.array([[2.0], [2.0], [0.0]])
    piece = {"labels": jnp.asarray([0.0, 4.0, 0.0]), "soft": jnp.asarray(soft)}
    terms = regression.objective(jnp.asarray(outputs), piece, jnp.asarray(USED), temperature=2.0)
    assert float(terms["labels"].value()) == pytest.approx((1 + 4) / 2)
    assert float(terms["soft_target"].value()) == pytest.approx((1 + 0) / 2)


def test_spans_see_their_own_tokens_alone():
    lengths = np.array([5, 3, 0])
    logits, soft = RANDOM.normal(size=(2, 3, 5, 2)).astype(np.float32)
    masked = np.where(
        np.arange(5)[None, :, None] < np.maximum(lengths, 1)[:, None, None], logits, -1e9
    )
    piece = {
        "start": jnp.asarray([1, 0, 0]),
        "end": jnp.asarray([4, 2, 0]),
        "lengths": jnp.asarray(lengths),
        "soft": jnp.asarray(soft),
    }
    terms = question_answering.objective(
        jnp.asarray(masked, jnp.float32), piece, jnp.asarray(USED), temperature=3.0
    )
    entropy, divergence = [], []
    for number, (start, end) in enumerate([(1, 4), (0, 2)]):
        own, other = logits[number, : lengths[number]], soft[number, : lengths[number]]
        for column, place in enumerate((start, end)):
            entropy.append(-log_softmax(own[:, column])[place])
            divergence.append(kl(other[:, column], own[:, column], 3.0))
    assert float(terms["labels"].value()) == pytest.approx(np.mean(entropy), rel=1e-5)
    assert float(terms["soft_target"].value()) == pytest.approx(np.mean(divergence), rel=1e-4)


def test_a_teacher_that_agrees_costs_nothing():
    logits = jnp.asarray(RANDOM.normal(size=(3, 4)), jnp.float32)
    piece = {"labels": jnp.asarray([0, 1, 2]), "soft": logits}
    terms = classification.objective(logits, piece, jnp.asarray(USED), temperature=2.0)
    assert float(terms["soft_target"].value()) == pytest.approx(0.0, abs=1e-6)
