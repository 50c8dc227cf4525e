"""A task's labels, and a fine-tuned teacher's outputs, as objectives of the engine."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array, Int

from distil_jax.configuration.schema import Loss
from distil_jax.losses import WeightedSum
from distil_jax.models.types import Batch
from distil_jax.objectives import Inputs, Objective
from distil_jax.tasks.kind import ExampleKind

LABELS, SOFT_TARGET = "labels", "soft_target"
LABELLED = "labelled"
"""In a batch, 0 for the sequences that only a teacher judges; missing where all have labels."""
TITLES = {LABELS: "labels", SOFT_TARGET: "teacher's outputs"}


def task_objectives(kind: ExampleKind, *, soft_targets: bool) -> tuple[Objective, ...]:
    """What this kind minimises; `soft_targets`: the batch has a teacher's outputs, too."""
    names = (LABELS, SOFT_TARGET) if soft_targets else (LABELS,)
    return tuple(
        Objective(name, count=_count(kind, name), compute=_compute(kind, name), needs_teacher=False)
        for name in names
    )


def _count(kind: ExampleKind, name: str) -> Callable[[Batch, Loss], Int[Array, ""]]:
    return lambda batch, _: kind.counted(_seen(batch, name), name)


def _seen(batch: Batch, name: str) -> Batch:
    """The batch as an objective sees it: the labels' without the sequences that have none."""
    if name != LABELS or LABELLED not in batch:
        return batch
    return {**batch, "lengths": jnp.where(batch[LABELLED] > 0, batch["lengths"], 0)}


def _compute(kind: ExampleKind, name: str) -> Callable[[Inputs], WeightedSum]:
    def compute(inputs: Inputs) -> WeightedSum:
        used = _seen(inputs.batch, name)["lengths"] > 0
        temperature = inputs.loss.temperature
        outputs = inputs.student.task
        return kind.objective(outputs, inputs.batch, used, temperature=temperature)[name]

    return compute
