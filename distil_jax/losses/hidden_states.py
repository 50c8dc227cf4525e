"""Distances of hidden states of the same width."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from distil_jax.losses.cosine import EPSILON
from distil_jax.losses.counted import counted
from distil_jax.losses.shapes import check_equal
from distil_jax.losses.weighted_sum import WeightedSum


def hidden_mse(
    student: Float[Array, "*tokens width"],
    teacher: Float[Array, "*tokens width"],
    mask: Shaped[Array, "*tokens"],
) -> WeightedSum:
    """Squared distance, the mean over the width, of each token where `mask` is not 0.

    Jiao et al. 2020 (TinyBERT), equations 8 and 9, with the student's states projected already.
    Computed in float32.
    """
    check_equal({"student": student, "teacher": teacher})
    student, teacher = counted(student, mask), counted(teacher, mask)
    difference = student.astype(jnp.float32) - teacher.astype(jnp.float32)
    return WeightedSum.of(jnp.mean(difference**2, axis=-1), mask)


def normalized_mse(
    student: Float[Array, "*tokens width"],
    teacher: Float[Array, "*tokens width"],
    mask: Shaped[Array, "*tokens"],
) -> WeightedSum:
    """`|s / |s| - t / |t||^2` where `mask` is not 0 (Sun et al. 2019, patient distillation, eq. 7).

    Twice 1 - cosine. Computed in float32; a zero vector is left as it is, with a finite gradient.
    """
    check_equal({"student": student, "teacher": teacher})
    difference = _unit(counted(student, mask)) - _unit(counted(teacher, mask))
    return WeightedSum.of(jnp.sum(difference**2, axis=-1), mask)


def _unit(states: Float[Array, "*tokens width"]) -> Float[Array, "*tokens width"]:
    states = states.astype(jnp.float32)
    squares = jnp.sum(states**2, axis=-1, keepdims=True)
    return states / jnp.sqrt(jnp.maximum(squares, EPSILON))
