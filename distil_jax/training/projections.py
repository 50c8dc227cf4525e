"""Trained parameters of the objectives themselves: beside the student's, and no part of it.

They stand in the parameters under `KEY`, by objective and name, and so are in the state, the
optimizer, its clipping and decay, and checkpoints as everything else. Without an objective that has
some, nothing of this is there.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
from jaxtyping import Array, Key

from distil_jax.models import EncoderConfig
from distil_jax.models.types import Params
from distil_jax.objectives import Objective

KEY = "objectives"
STREAM = 0x9807


def with_projections(
    params: Params,
    objectives: Sequence[Objective],
    student: EncoderConfig,
    teacher: EncoderConfig | None,
    key: Key[Array, ""],
    teachers: Mapping[str, EncoderConfig | None] | None = None,
) -> Params:
    """The student's parameters and first projections of these objectives, drawn from `key`.

    `teachers` are the shapes that they compare with, by objective, where those differ.

    Normal with variance 1 / rows: a projected state is as long as the student's own.
    """
    compared = dict.fromkeys((one.name for one in objectives), teacher) | dict(teachers or {})
    shapes = {one.name: one.projections(student, compared[one.name]) for one in objectives}
    shapes = {name: found for name, found in shapes.items() if found}
    if not shapes:
        return params
    drawn, key = {}, jax.random.fold_in(key, STREAM)
    for name, found in shapes.items():
        key, *keys = jax.random.split(key, len(found) + 1)
        drawn[name] = {
            matrix: {"kernel": jax.random.normal(own, shape) * shape[0] ** -0.5}
            for own, (matrix, shape) in zip(keys, found.items(), strict=True)
        }
    return {**params, KEY: drawn}


def without_projections(params: Any) -> Any:
    """The student alone."""
    if isinstance(params, tuple):  # several teachers, scored as one model
        return params
    return {name: part for name, part in params.items() if name != KEY}


def projections_of(params: Any) -> Mapping[str, Any]:
    """What is not the student's, by objective; empty without any."""
    return {} if isinstance(params, tuple) else params.get(KEY, {})


def count(params: Params) -> int:
    """How many numbers the projections have."""
    return sum(leaf.size for leaf in jax.tree.leaves(projections_of(params)))
