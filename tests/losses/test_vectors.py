"""Losses of sentence vectors beside plain numpy; groups add up; a zero vector has a gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax import losses

DRAW = np.random.default_rng(0)
STUDENT = DRAW.normal(size=(3, 5, 4)).astype(np.float32)
TEACHER = DRAW.normal(size=(3, 5, 7)).astype(np.float32)
MASK = np.asarray([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [1, 0, 0, 0, 0]], bool)


def of(loss, *arrays, **options):
    """A loss of host arrays."""
    return loss(*map(jnp.asarray, arrays), **options)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_vector_cosine_is_one_minus_the_cosine_of_each_pair():
    other = DRAW.normal(size=STUDENT.shape).astype(np.float32)
    found = of(losses.vector_cosine, STUDENT, other, MASK)
    expected = (1 - (unit(STUDENT) * unit(other)).sum(-1))[MASK]
    assert int(found.count) == MASK.sum()
    np.testing.assert_allclose(found.total, expected.sum(), rtol=1e-5)
    # For vectors of length 1 the squared distance is twice that.
    squares = ((unit(STUDENT) - unit(other)) ** 2).sum(-1)[MASK]
    np.testing.assert_allclose(2 * found.total, squares.sum(), rtol=1e-5)


def test_the_cosine_of_a_pair_is_its_score():
    other = DRAW.normal(size=STUDENT.shape).astype(np.float32)
    scores = DRAW.uniform(size=MASK.shape).astype(np.float32)
    found = of(losses.pair_mse, STUDENT, other, scores, MASK)
    expected = (((unit(STUDENT) * unit(other)).sum(-1) - scores) ** 2)[MASK]
    assert int(found.count) == MASK.sum()
    np.testing.assert_allclose(found.total, expected.sum(), rtol=1e-5)


def test_similarities_are_compared_over_different_vectors_of_a_group():
    found = of(losses.similarity_mse, STUDENT, TEACHER, MASK)
    expected = []
    for student, teacher, mask in zip(STUDENT, TEACHER, MASK, strict=True):
        one, other = unit(student[mask]), unit(teacher[mask])
        distance = (one @ one.T - other @ other.T) ** 2
        expected += list(distance[~np.eye(len(one), dtype=bool)])
    assert int(found.count) == len(expected) == 4 * 3 + 2 * 1
    np.testing.assert_allclose(found.total, sum(expected), rtol=1e-5)


def test_the_divergence_of_neighbours_leaves_out_the_vector_itself():
    found = of(losses.similarity_kl, STUDENT, TEACHER, MASK, temperature=0.5)
    total, count = 0.0, 0
    for student, teacher, mask in zip(STUDENT, TEACHER, MASK, strict=True):
        one, other = unit(student[mask]), unit(teacher[mask])
        for row in range(len(one)):
            others = [n for n in range(len(one)) if n != row]
            if others:
                p, q = (
                    np.exp((v[row] @ v[others].T) / 0.5)
                    / np.exp((v[row] @ v[others].T) / 0.5).sum()
                    for v in (other, one)
                )
                total, count = total + (p * np.log(p / q)).sum(), count + 1
    assert int(found.count) == count == 6
    np.testing.assert_allclose(found.total, total, rtol=1e-4)


def test_contrastive_finds_each_partner_among_its_groups():
    second = DRAW.normal(size=STUDENT.shape).astype(np.float32)
    found = of(losses.contrastive, STUDENT, second, MASK, temperature=0.1)
    total = 0.0
    for first, other, mask in zip(STUDENT, second, MASK, strict=True):
        logits = unit(first[mask]) @ unit(other[mask]).T / 0.1
        for scores in (logits, logits.T):
            log_sum = np.log(np.exp(scores).sum(axis=1))
            total += (log_sum - np.diagonal(scores)).sum() / 2
    assert int(found.count) == MASK.sum()
    np.testing.assert_allclose(found.total, total, rtol=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        lambda one, other, mask: of(losses.similarity_mse, one, other, mask),
        lambda one, other, mask: of(losses.similarity_kl, one, other, mask, temperature=0.2),
        lambda one, other, mask: of(losses.contrastive, one, other, mask, temperature=0.2),
    ],
)
def test_what_is_masked_out_and_zero_vectors_do_no_harm(loss):
    student = np.array(STUDENT)
    student[0, 0] = 0.0
    gradient = jax.grad(lambda vectors: loss(vectors, STUDENT, MASK).total)(jnp.asarray(student))
    assert np.isfinite(gradient).all()
    assert not np.asarray(gradient)[~MASK].any()
    student[~MASK] = 1e3
    one, other = (loss(vectors, STUDENT, MASK) for vectors in (student, np.array(STUDENT)))
    assert int(one.count) == int(other.count)
    same = np.where(MASK[..., None], STUDENT, 1e3).astype(np.float32)
    np.testing.assert_allclose(
        loss(same, STUDENT, MASK).total, loss(STUDENT, STUDENT, MASK).total, atol=1e-4
    )


def test_a_mask_of_numbers_counts_as_where_it_is_not_0():
    """1 & 2 is 0: a mask of segment numbers would leave out pairs."""
    numbers = MASK * np.asarray([1, 2, 3, 4, 5])
    for loss, options in (
        (losses.similarity_mse, {}),
        (losses.similarity_kl, {"temperature": 0.5}),
        (losses.contrastive, {"temperature": 0.5}),
    ):
        other = STUDENT[::-1] if loss is losses.contrastive else TEACHER
        found, expected = (of(loss, STUDENT, other, mask, **options) for mask in (numbers, MASK))
        assert int(found.count) == int(expected.count)
        assert float(found.total) == float(expected.total)
