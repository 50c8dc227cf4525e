"""vocabulary_bucket: a student with a part of the vocabulary, the rest as one token."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.losses import IGNORE, soft_target
from distil_jax.losses.fused_vocabulary import Decoder, Targets, fused_vocabulary_losses
from distil_jax.losses.vocabulary import soft_target_term
from distil_jax.losses.vocabulary_bucket import Bucketed, bucketed

TOKENS, WHOLE, SIZE, REST = 9, 23, 8, 3
DRAW = np.random.default_rng(0)
TEACHER = DRAW.normal(0, 2, (TOKENS, WHOLE))


def softmax(logits):
    shares = np.exp(logits - logits.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_the_rest_has_the_sum_of_the_others_shares(temperature):
    """Merged first, then softened: at temperature 1 a student that learnt it has these shares."""
    found = bucketed(jnp.asarray(TEACHER), SIZE, REST)
    shares = softmax(TEACHER)
    merged = shares[:, :SIZE].copy()
    merged[:, REST] += shares[:, SIZE:].sum(-1)
    softened = merged ** (1 / temperature)
    expected = softened / softened.sum(-1, keepdims=True)
    np.testing.assert_allclose(softmax(np.asarray(found) / temperature), expected, atol=1e-6)


def test_with_the_whole_vocabulary_nothing_changes():
    found = bucketed(jnp.asarray(TEACHER), WHOLE, REST)
    np.testing.assert_allclose(found, TEACHER, rtol=1e-5, atol=1e-5)


def test_a_teacher_whose_rest_the_student_has_as_one_token_is_met_exactly():
    """Nought, and a gradient of nought, where the student's logits are the bucketed ones."""
    temperature = 2.0
    teacher = Decoder(
        jnp.asarray(TEACHER, jnp.float32), jnp.eye(WHOLE), jnp.zeros(WHOLE, jnp.float32)
    )
    logits = bucketed(jnp.asarray(TEACHER), SIZE, REST)
    labels, mask = jnp.full(TOKENS, IGNORE), jnp.ones(TOKENS)

    def loss(hidden):
        student = Decoder(hidden, jnp.eye(SIZE), jnp.zeros(SIZE))
        found, _ = fused_vocabulary_losses(
            student,
            Targets(teacher, labels, mask),
            {"soft_target": Bucketed(soft_target_term, REST)},
            {"soft_target": 1.0},
            temperature=temperature,
            chunk=4,
        )
        return found

    student = jnp.asarray(logits, jnp.float32)
    assert abs(float(loss(student))) < 1e-4
    assert float(jnp.abs(jax.grad(loss)(student)).max()) < 1e-5
    other = student + jnp.asarray(DRAW.normal(size=student.shape), jnp.float32)
    expected = soft_target(other, logits, mask, temperature=temperature)
    assert float(loss(other)) == pytest.approx(float(expected.total), rel=1e-5)
