"""Hidden states of mapped layers (Jiao et al. 2020, TinyBERT, equations 8 and 9).

MSE(H_s W, H_t) for each pair of the layer map: the mean over the width of the squared distance,
summed over the pairs, mean over the tokens. W is trained where the widths differ. With 0:0 among
the pairs the embeddings are compared, too.
"""

from collections.abc import Mapping
from typing import Any

from distil_jax import losses
from distil_jax.configuration.objective_options import HIDDEN, defaults
from distil_jax.losses import WeightedSum
from distil_jax.objectives.layer_pairs import LayerPairs, compared
from distil_jax.objectives.objective import Inputs, Objective

NAME = "hidden_mse"


def _compute(pairs: LayerPairs, inputs: Inputs) -> WeightedSum:
    mask = inputs.batch["segments"]
    return compared(losses.hidden_mse(*states, mask) for states in pairs.states(inputs))


def make(options: Mapping[str, Any]) -> Objective:
    """The objective under these options."""
    pairs = LayerPairs.of(NAME, options)
    return pairs.objective(options, make, _compute)


OBJECTIVE = make(defaults(HIDDEN))
