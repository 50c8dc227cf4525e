import jax.numpy as jnp

from distil_jax.metrics import accuracy, agreement

STUDENT = jnp.array([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
TEACHER = jnp.array([[0.0, 5.0, 1.0], [0.0, 0.1, 0.0], [0.0, 0.0, 1.0]])


def test_accuracy_counts_only_the_mask() -> None:
    correct, count = accuracy(STUDENT, jnp.array([1, 1, 0]), jnp.array([1, 1, 0]))
    assert (int(correct), int(count)) == (1, 2)


def test_agreement_compares_top_predictions() -> None:
    alike, count = agreement(STUDENT, TEACHER, jnp.ones(3, bool))
    assert (int(alike), int(count)) == (2, 3)
