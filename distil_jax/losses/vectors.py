"""Losses of sentence vectors: likenesses within a group, and pairs that belong together.

A group is a set of vectors that are compared with each other, so that sums over groups are exact
however many are computed at a time. In float32; a place of a group holds a vector where `mask` is
not 0.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

from distil_jax.losses.counted import counted
from distil_jax.losses.shapes import check_equal
from distil_jax.losses.weighted_sum import WeightedSum

LEAST_SQUARE = 1e-16
FAR = -1e9
"""In place of a similarity that does not count: exactly 0 after a softmax."""


def vector_cosine(
    student: Float[Array, "*vectors width"],
    teacher: Float[Array, "*vectors width"],
    mask: Shaped[Array, "*vectors"],
) -> WeightedSum:
    """1 - cos of a student's vector and its teacher's.

    For vectors of length 1 the squared distance is twice that.
    """
    check_equal({"student": student, "teacher": teacher})
    return WeightedSum.of(1.0 - _cosines(student, teacher, mask), mask)


def similarity_mse(
    student: Float[Array, "groups vectors width"],
    teacher: Float[Array, "groups vectors teacher_width"],
    mask: Shaped[Array, "groups vectors"],
) -> WeightedSum:
    """Squared difference of the cosines of every two vectors of a group (Tung and Mori 2019).

    The widths may differ. Ordered pairs of different vectors count.
    """
    _check_groups(student, teacher, mask)
    ours, theirs = (similarities(counted(each, mask)) for each in (student, teacher))
    return WeightedSum.of(jnp.square(ours - theirs), _pairs(mask))


def similarity_kl(
    student: Float[Array, "groups vectors width"],
    teacher: Float[Array, "groups vectors teacher_width"],
    mask: Shaped[Array, "groups vectors"],
    *,
    temperature: float,
) -> WeightedSum:
    """KL(teacher || student) of each vector's softmax over the others of its group, in nats.

    The logits are cosines over the temperature. Vectors without another in their group do not
    count (Fang et al. 2021, where the others are those of the batch).
    """
    _check_groups(student, teacher, mask)
    pairs = _pairs(mask)
    logits = [
        jnp.where(pairs, similarities(counted(vectors, mask)) / temperature, FAR)
        for vectors in (student, teacher)
    ]
    of_student, of_teacher = (jax.nn.log_softmax(each, axis=-1) for each in logits)
    terms = jnp.where(pairs, jnp.exp(of_teacher) * (of_teacher - of_student), 0.0)
    return WeightedSum.of(terms.sum(axis=-1), pairs.any(axis=-1))


def contrastive(
    first: Float[Array, "groups pairs width"],
    second: Float[Array, "groups pairs width"],
    mask: Shaped[Array, "groups pairs"],
    *,
    temperature: float,
) -> WeightedSum:
    """Cross-entropy of finding each text's partner in its group, both ways, in nats (InfoNCE).

    The others' partners are the negatives; logits are cosines over the temperature (van den Oord
    et al. 2018; Reimers and Gurevych's MultipleNegativesRankingLoss, symmetric).
    """
    check_equal({"first": first, "second": second})
    _check_groups(first, second, mask)
    units = [_unit(counted(vectors, mask)) for vectors in (first, second)]
    logits = jnp.einsum("gaw,gbw->gab", *units, precision="highest")
    both = _both(mask)
    logits = jnp.where(both, logits / temperature, FAR)
    found = [
        -jnp.diagonal(jax.nn.log_softmax(logits, axis=axis), axis1=1, axis2=2) for axis in (1, 2)
    ]
    return WeightedSum.of((found[0] + found[1]) / 2, mask)


def pair_mse(
    first: Float[Array, "*pairs width"],
    second: Float[Array, "*pairs width"],
    scores: Float[Array, "*pairs"],
    mask: Shaped[Array, "*pairs"],
) -> WeightedSum:
    """Squared difference of the cosine of two vectors and a score of their texts."""
    check_equal({"first": first, "second": second})
    check_equal({"the pairs": first.shape[:-1], "scores": scores})
    expected = counted(scores[..., None], mask)[..., 0].astype(jnp.float32)
    return WeightedSum.of(jnp.square(_cosines(first, second, mask) - expected), mask)


def similarities(
    vectors: Float[Array, "groups vectors width"],
) -> Float[Array, "groups vectors vectors"]:
    """The cosine of every two vectors of a group."""
    unit = _unit(vectors)
    return jnp.einsum("gaw,gbw->gab", unit, unit, precision="highest")


def _cosines(first: Array, second: Array, mask: Array) -> Float[Array, "*vectors"]:
    return jnp.sum(_unit(counted(first, mask)) * _unit(counted(second, mask)), axis=-1)


def _check_groups(one: Array, other: Array, mask: Array) -> None:
    groups = {"groups": one.shape[:-1], "groups of the other": other.shape[:-1], "mask": mask}
    check_equal(groups)


def _unit(vectors: Float[Array, "*vectors width"]) -> Float[Array, "*vectors width"]:
    wide = vectors.astype(jnp.float32)
    squares = jnp.sum(jnp.square(wide), axis=-1, keepdims=True)
    return wide / jnp.sqrt(jnp.maximum(squares, LEAST_SQUARE))


def _pairs(mask: Shaped[Array, "groups vectors"]) -> Bool[Array, "groups vectors vectors"]:
    different = ~jnp.eye(mask.shape[-1], dtype=bool)[None]
    return _both(mask) & different


def _both(mask: Shaped[Array, "groups vectors"]) -> Bool[Array, "groups vectors vectors"]:
    there = mask.astype(bool)
    return there[:, :, None] & there[:, None, :]
