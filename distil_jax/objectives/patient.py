"""The first tokens' states of mapped layers (Sun et al. 2019, patient distillation, equation 7).

|h_s / |h_s| - h_t / |h_t||^2 of the first token of every sequence, packed ones included, summed
over the pairs of layers, mean over the sequences. Across widths h_s is projected by a trained
matrix first.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from distil_jax import losses
from distil_jax.configuration.objective_options import PATIENT, defaults
from distil_jax.configuration.schema import Loss
from distil_jax.losses import WeightedSum
from distil_jax.models.types import Batch
from distil_jax.objectives.layer_pairs import LayerPairs, compared
from distil_jax.objectives.objective import Inputs, Objective

NAME = "patient"


def first_tokens(segments: Int[Array, "rows length"]) -> Bool[Array, "rows length"]:
    """Where a sequence begins: a segment other than the one before, and not padding."""
    before = jnp.pad(segments[:, :-1], ((0, 0), (1, 0)))
    return (segments > 0) & (segments != before)


def _count(batch: Batch, _: Loss) -> Int[Array, ""]:
    return jnp.sum(first_tokens(jnp.asarray(batch["segments"])), dtype=jnp.int32)


def _compute(pairs: LayerPairs, inputs: Inputs) -> WeightedSum:
    mask = first_tokens(inputs.batch["segments"])
    return compared(losses.normalized_mse(*states, mask) for states in pairs.states(inputs))


def make(options: Mapping[str, Any]) -> Objective:
    """The objective under these options."""
    pairs = LayerPairs.of(NAME, options)
    return pairs.objective(options, make, _compute, count=_count)


OBJECTIVE = make(defaults(PATIENT))
