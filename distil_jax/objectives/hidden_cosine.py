"""Directions of mapped layers' hidden states, across widths.

1 - cos(H_s W, H_t) for each pair of the layer map (DistilBERT, section 3, takes the last pair, of
one width), summed over the pairs, mean over the tokens. W is trained where the widths differ.
"""

from collections.abc import Mapping
from typing import Any

from distil_jax import losses
from distil_jax.configuration.objective_options import LAST_HIDDEN, defaults
from distil_jax.losses import WeightedSum
from distil_jax.objectives.layer_pairs import LayerPairs, compared
from distil_jax.objectives.objective import Inputs, Objective

NAME = "hidden_cosine"


def _compute(pairs: LayerPairs, inputs: Inputs) -> WeightedSum:
    mask = inputs.batch["segments"]
    return compared(losses.cosine(*states, mask) for states in pairs.states(inputs))


def make(options: Mapping[str, Any]) -> Objective:
    """The objective under these options."""
    pairs = LayerPairs.of(NAME, options)
    return pairs.objective(options, make, _compute)


OBJECTIVE = make(defaults(LAST_HIDDEN))
