"""Which sentences are near each other: the teacher's softmax over the others of a group of rows."""

import jax.numpy as jnp
from jaxtyping import Array, Int

from distil_jax import losses
from distil_jax.configuration.schema import Loss
from distil_jax.losses import WeightedSum
from distil_jax.models.types import Batch
from distil_jax.objectives.objective import Inputs, Objective
from distil_jax.objectives.vector_groups import (
    grouped,
    grouped_mask,
    over_widths,
    segments_of_groups,
)

NAME = "similarity_kl"


def _count(batch: Batch, loss: Loss) -> Int[Array, ""]:
    segments = segments_of_groups(batch, loss, NAME)
    return jnp.sum(jnp.where(segments > 1, segments, 0))


def _compute(inputs: Inputs) -> WeightedSum:
    assert inputs.teacher is not None
    student, teacher = inputs.student.vectors, inputs.teacher.vectors
    assert student is not None
    assert teacher is not None
    mask = grouped_mask(inputs, NAME)
    of_teacher = grouped(teacher, inputs.loss, NAME)
    temperature = float(inputs.loss.option(NAME, "temperature"))
    return over_widths(
        inputs.loss,
        NAME,
        grouped(student, inputs.loss, NAME),
        lambda vectors: losses.similarity_kl(vectors, of_teacher, mask, temperature=temperature),
    )


OBJECTIVE = Objective(name=NAME, count=_count, compute=_compute, floor=lambda teacher: 0.0)
