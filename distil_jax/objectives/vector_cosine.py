"""Directions of the sentence vectors: those of the teacher (Reimers and Gurevych 2020).

Where the widths differ a matrix that is trained with the student projects its vectors.
"""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Int

from distil_jax import losses
from distil_jax.configuration.schema import Loss
from distil_jax.losses import WeightedSum
from distil_jax.models.types import Batch
from distil_jax.objectives.objective import Inputs, Objective
from distil_jax.objectives.vector_groups import segments_of_rows, used_segments

NAME, MATRIX = "vector_cosine", "vectors"


def _count(batch: Batch, _: Loss) -> Int[Array, ""]:
    return jnp.sum(segments_of_rows(batch))


def _compute(inputs: Inputs) -> WeightedSum:
    assert inputs.teacher is not None
    student, teacher = inputs.student.vectors, inputs.teacher.vectors
    assert student is not None
    assert teacher is not None
    matrices = inputs.projections.get(NAME, {})
    if MATRIX in matrices:
        student = jnp.matmul(student, matrices[MATRIX]["kernel"], precision="highest")
    return losses.vector_cosine(student, teacher, used_segments(inputs.batch, student.shape[1]))


def _projections(student: int, teacher: int) -> Mapping[str, tuple[int, int]]:
    return {} if student == teacher else {MATRIX: (student, teacher)}


OBJECTIVE = Objective(
    name=NAME,
    count=_count,
    compute=_compute,
    floor=lambda teacher: 0.0,
    vector_projections=_projections,
)
