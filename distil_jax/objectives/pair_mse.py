"""A cross-encoder's scores of pairs, by the cosine of two vectors (Thakur et al. 2021).

Segments 2k - 1 and 2k of a row are a pair, as rows prepared of pairs have them.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int

from distil_jax import losses
from distil_jax.configuration.schema import Loss
from distil_jax.losses import WeightedSum
from distil_jax.models.types import Batch
from distil_jax.objectives.objective import Inputs, Objective
from distil_jax.objectives.vector_groups import segments_of_rows

NAME = "pair_mse"


def _count(batch: Batch, _: Loss) -> Int[Array, ""]:
    return jnp.sum(segments_of_rows(batch) // 2)


def _compute(inputs: Inputs) -> WeightedSum:
    assert inputs.teacher is not None
    vectors, scores = inputs.student.vectors, inputs.teacher.pair_scores
    assert vectors is not None
    assert scores is not None
    if inputs.loss.option(NAME, "scores") == "sigmoid":
        scores = jax.nn.sigmoid(scores)
    rows, segments, width = vectors.shape
    places = segments // 2
    pairs = vectors[:, : 2 * places].reshape(rows, places, 2, width)
    used = jnp.arange(1, places + 1)[None] <= segments_of_rows(inputs.batch)[:, None] // 2
    return losses.pair_mse(pairs[:, :, 0], pairs[:, :, 1], scores, used)


OBJECTIVE = Objective(name=NAME, count=_count, compute=_compute, floor=lambda teacher: 0.0)
