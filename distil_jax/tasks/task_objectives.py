"""A task's labels, and a fine-tuned teacher's outputs, as objectives of the engine."""

from collections.abc import Callable

from jaxtyping import Array, Int

from distil_jax.configuration.schema import Loss
from distil_jax.losses import WeightedSum
from distil_jax.models.types import Batch
from distil_jax.objectives import Inputs, Objective
from distil_jax.tasks.kind import ExampleKind

LABELS, SOFT_TARGET = "labels", "soft_target"
TITLES = {LABELS: "labels", SOFT_TARGET: "teacher's outputs"}


def task_objectives(kind: ExampleKind, *, soft_targets: bool) -> tuple[Objective, ...]:
    """What this kind minimises; `soft_targets`: the batch has a teacher's outputs, too."""
    names = (LABELS, SOFT_TARGET) if soft_targets else (LABELS,)
    return tuple(
        Objective(name, count=_count(kind, name), compute=_compute(kind, name), needs_teacher=False)
        for name in names
    )


def _count(kind: ExampleKind, name: str) -> Callable[[Batch, Loss], Int[Array, ""]]:
    return lambda batch, _: kind.counted(batch, name)


def _compute(kind: ExampleKind, name: str) -> Callable[[Inputs], WeightedSum]:
    def compute(inputs: Inputs) -> WeightedSum:
        used = inputs.batch["lengths"] > 0
        temperature = inputs.loss.temperature
        outputs = inputs.student.task
        return kind.objective(outputs, inputs.batch, used, temperature=temperature)[name]

    return compute
