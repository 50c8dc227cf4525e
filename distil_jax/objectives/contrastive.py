"""Pairs of texts that belong together, against the others of a group of rows; no teacher.

Segments 2k - 1 and 2k of a row are a pair, as rows prepared of pairs have them.
"""

import jax.numpy as jnp
from jaxtyping import Array, Int

from distil_jax import losses
from distil_jax.configuration.schema import Loss
from distil_jax.losses import WeightedSum
from distil_jax.models.types import Batch
from distil_jax.objectives.objective import Inputs, Objective
from distil_jax.objectives.vector_groups import grouped, over_widths, segments_of_rows

NAME = "contrastive"


def _count(batch: Batch, _: Loss) -> Int[Array, ""]:
    return jnp.sum(segments_of_rows(batch) // 2)


def _compute(inputs: Inputs) -> WeightedSum:
    vectors = inputs.student.vectors
    assert vectors is not None
    rows, segments, width = vectors.shape
    places = segments // 2
    pairs = vectors[:, : 2 * places].reshape(rows, places, 2 * width)
    used = jnp.arange(1, places + 1)[None] <= segments_of_rows(inputs.batch)[:, None] // 2
    together = grouped(pairs, inputs.loss, NAME)
    mask = used.reshape(together.shape[:2])
    temperature = float(inputs.loss.option(NAME, "temperature"))

    def compute(sides: Array) -> WeightedSum:
        return losses.contrastive(sides[..., 0, :], sides[..., 1, :], mask, temperature=temperature)

    sides = together.reshape(*together.shape[:2], 2, width)
    return over_widths(inputs.loss, NAME, sides, compute)


OBJECTIVE = Objective(name=NAME, count=_count, compute=_compute, needs_teacher=False)
