"""Which teacher layer feeds which student layer, in words."""

import math
from collections.abc import Iterator, Sequence

from distil_jax.models import EncoderConfig
from distil_jax.objectives import Objective
from distil_jax.training.step import StepSpec
from distil_jax.training.targets import shape_for


def layer_maps(spec: StepSpec) -> dict[str, str]:
    """What each active objective that names layers compares, as in "12 -> 6"; 0: embeddings."""
    student = spec.student.config
    found = {one.name: one.layers(student, teacher) for one, teacher in _compared(spec)}
    return {name: text for name, text in found.items() if text}


def layer_facts(spec: StepSpec, initial: Sequence[int]) -> dict[str, str]:
    """Those maps, after the teacher layers (from 0) that the student's first weights are of."""
    weights = ", ".join(f"{layer + 1} -> {number}" for number, layer in enumerate(initial, 1))
    first = {"first weights": weights} if weights else {}
    return first | layer_maps(spec)


def layer_lines(spec: StepSpec) -> list[str]:
    """Those maps for the start of a run, and the matrices that are trained besides the student."""
    lines = [
        f"{name}: teacher layer -> student layer {text}" for name, text in layer_maps(spec).items()
    ]
    matrices = [
        shape
        for one, teacher in _compared(spec)
        for shape in one.projections(spec.student.config, teacher).values()
    ]
    if matrices:
        numbers = sum(map(math.prod, matrices))
        many = "matrix" if len(matrices) == 1 else "matrices"
        lines.append(
            f"projections: {len(matrices)} {many}, {numbers:,} parameters that are trained and "
            "saved in checkpoints, and no part of the exported student"
        )
    return lines


def _compared(spec: StepSpec) -> Iterator[tuple[Objective, EncoderConfig]]:
    """The active objectives, each with the shape of the teacher that it compares with."""
    for one in spec.objectives:
        teacher = shape_for(spec.targets, one)
        if teacher is not None:
            yield one, teacher
