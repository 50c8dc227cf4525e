"""The vectors of a batch's segments in groups that are compared with each other.

A group is a fixed number of rows, an option, and not whatever a device computes at a time: so the
loss is the same for any number of devices and micro-batches.
"""

from collections.abc import Callable, Mapping

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from distil_jax.configuration.schema import Loss
from distil_jax.configuration.vector_options import parse_widths
from distil_jax.losses import WeightedSum
from distil_jax.models.types import Batch
from distil_jax.objectives.objective import Inputs

Grouped = Float[Array, "groups vectors *width"]


def used_segments(batch: Batch, count: int) -> Bool[Array, "rows segments"]:
    """Which of `count` places of each row are those of a segment."""
    return jnp.arange(1, count + 1)[None] <= segments_of_rows(batch)[:, None]


def segments_of_rows(batch: Batch) -> Int[Array, " rows"]:
    """How many segments each row has."""
    return jnp.max(batch["segments"], axis=1)


def segments_of_groups(batch: Batch, loss: Loss, name: str) -> Int[Array, " groups"]:
    """How many segments each group of rows has."""
    return segments_of_rows(batch).reshape(-1, _rows(loss, name)).sum(axis=1)


def grouped(vectors: Float[Array, "rows segments width"], loss: Loss, name: str) -> Grouped:
    """The vectors of each group's rows behind each other."""
    rows, segments, width = vectors.shape
    size = _rows(loss, name)
    return vectors.reshape(rows // size, size * segments, width)


def grouped_mask(inputs: Inputs, name: str) -> Bool[Array, "groups vectors"]:
    """Which places of `grouped` vectors hold one."""
    assert inputs.student.vectors is not None
    rows, count, _ = inputs.student.vectors.shape
    size = _rows(inputs.loss, name)
    return used_segments(inputs.batch, count).reshape(rows // size, size * count)


def over_widths(
    loss: Loss, name: str, vectors: Grouped, compute: Callable[[Grouped], WeightedSum]
) -> WeightedSum:
    """The weighted mean of a loss over the vectors' first numbers (Kusupati et al. 2022).

    The whole vectors weigh 1; further widths and their weights are an option.
    """
    widths: Mapping[int, float] = parse_widths(str(loss.option(name, "widths")))
    weights = {vectors.shape[-1]: 1.0, **widths}
    found = {width: compute(vectors[..., :width]) for width in weights}
    total = sum(weights[width] * one.total for width, one in found.items())
    count = next(iter(found.values())).count
    return WeightedSum(total / sum(weights.values()), count)


def _rows(loss: Loss, name: str) -> int:
    return int(loss.option(name, "rows"))
