"""Directions of the last hidden states (DistilBERT, section 3)."""

from distil_jax import losses
from distil_jax.losses import WeightedSum
from distil_jax.objectives.objective import Inputs, Objective, all_tokens


def _compute(inputs: Inputs) -> WeightedSum:
    assert inputs.teacher is not None
    student, teacher = inputs.student.intermediates.last, inputs.teacher.intermediates.last
    return losses.cosine(student, teacher, inputs.batch["segments"])


OBJECTIVE = Objective(
    name="cosine",
    count=all_tokens,
    compute=_compute,
    same=("hidden_size",),
    standard=True,
    floor=lambda teacher: 0.0,
)
