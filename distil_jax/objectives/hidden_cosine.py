"""Directions of mapped layers' hidden states, across widths.

1 - cos(H_s W, H_t) for each pair of the layer map (DistilBERT, section 3, takes the last pair, of
one width), summed over the pairs, mean over the tokens. W is trained where the widths differ.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from distil_jax import losses
from distil_jax.configuration.objective_options import LAST_HIDDEN, defaults
from distil_jax.losses import WeightedSum
from distil_jax.objectives.layer_pairs import LayerPairs, compared
from distil_jax.objectives.objective import Inputs, Objective, all_tokens

NAME = "hidden_cosine"


def _compute(pairs: LayerPairs, inputs: Inputs) -> WeightedSum:
    mask = inputs.batch["segments"]
    return compared(losses.cosine(*states, mask) for states in pairs.states(inputs))


def make(options: Mapping[str, Any]) -> Objective:
    """The objective under these options."""
    pairs = LayerPairs.of(NAME, options)
    return Objective(
        name=NAME,
        count=all_tokens,
        compute=partial(_compute, pairs),
        requests=pairs.requests,
        floor=lambda teacher: 0.0,
        flops=pairs.flops,
        configure=make,
        teacher=options["teacher"],
        projections=pairs.projections,
        check=pairs.check,
        layers=pairs.describe,
    )


OBJECTIVE = make(defaults(LAST_HIDDEN))
