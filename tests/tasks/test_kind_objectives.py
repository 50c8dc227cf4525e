"""Losses of labels and of a teacher, against their formulas in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from distil_jax.losses import IGNORE
from distil_jax.tasks import classification, question_answering, regression
from distil_jax.tasks.table import EXAMPLE_KINDS

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


LENGTHS = np.asarray([5, 3, 4, 0, 0], np.int32)
WINDOW = np.arange(5)[None] < np.maximum(LENGTHS, 1)[:, None]
TOKENS = {"labels": np.where(WINDOW, np.arange(5) % 3, IGNORE)}
TARGETS = {
    "classification": (3, {"labels": np.asarray([2, 0, 1, 0, 0])}),
    "regression": (1, {"labels": np.asarray([2.0, 0.5, -1.0, 0.0, 0.0], np.float32)}),
    "multilabel": (3, {"labels": RANDOM.integers(0, 2, (5, 3)).astype(np.int8)}),
    "tokens": (3, TOKENS),
    "question_answering": (2, {"start": np.zeros(5, int), "end": np.asarray([4, 2, 3, 0, 0])}),
}
RANKED = (1, {"labels": np.asarray([2, 0, 1, 0, 0], np.float32), "groups": np.zeros(5, int)})


@pytest.mark.parametrize("name", EXAMPLE_KINDS)
def test_gradients_are_finite_and_unused_slots_have_none(name):
    kind = EXAMPLE_KINDS[name]
    width, targets = TARGETS.get(name, RANKED)
    shape = (5, 5, width) if kind.per_token else (5, width)
    outputs, soft = 5 * RANDOM.normal(size=(2, *shape)).astype(np.float32)
    if kind.per_token:
        outputs = np.where(WINDOW[:, :, None], outputs, -1e9).astype(np.float32)
    piece = {**targets, "lengths": LENGTHS, "soft": soft}
    if name.startswith("rerank"):
        piece["scores"] = soft[:, 0]
    piece = {part: jnp.asarray(value) for part, value in piece.items()}

    def loss(outputs, term):
        return kind.objective(outputs, piece, piece["lengths"] > 0, temperature=2.0)[term].total

    for term in ("labels", "soft_target"):
        gradient = np.asarray(jax.grad(loss)(jnp.asarray(outputs), term))
        assert np.isfinite(gradient).all(), term
        assert np.abs(gradient[:3]).max() > 0, term
        assert not gradient[3:].any(), term
