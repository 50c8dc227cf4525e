"""Which teacher layer feeds which student layer, in words."""

import math
from collections.abc import Sequence

from distil_jax.configuration.schema import Loss
from distil_jax.models import EncoderConfig
from distil_jax.objectives import active


def layer_maps(loss: Loss, student: EncoderConfig, teacher: EncoderConfig) -> dict[str, str]:
    """What each active objective that names layers compares, as in "12 -> 6"; 0: embeddings."""
    found = {one.name: one.layers(student, teacher) for one in active(loss)}
    return {name: text for name, text in found.items() if text}


def layer_facts(
    loss: Loss, student: EncoderConfig, teacher: EncoderConfig, initial: Sequence[int]
) -> dict[str, str]:
    """Those maps, after the teacher layers (from 0) that the student's first weights are of."""
    weights = ", ".join(f"{layer + 1} -> {number}" for number, layer in enumerate(initial, 1))
    first = {"first weights": weights} if weights else {}
    return first | layer_maps(loss, student, teacher)


def layer_lines(loss: Loss, student: EncoderConfig, teacher: EncoderConfig) -> list[str]:
    """Those maps for the start of a run, and the matrices that are trained besides the student."""
    lines = [
        f"{name}: teacher layer -> student layer {text}"
        for name, text in layer_maps(loss, student, teacher).items()
    ]
    matrices = [
        shape for one in active(loss) for shape in one.projections(student, teacher).values()
    ]
    if matrices:
        numbers = sum(map(math.prod, matrices))
        many = "matrix" if len(matrices) == 1 else "matrices"
        lines.append(
            f"projections: {len(matrices)} {many}, {numbers:,} parameters that are trained and "
            "saved in checkpoints, and no part of the exported student"
        )
    return lines
