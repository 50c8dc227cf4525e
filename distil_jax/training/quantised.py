"""Quantisation-aware training: the student computed as its int8 export will be."""

import dataclasses
import math
from dataclasses import dataclass

from distil_jax.models import EncoderConfig
from distil_jax.models.dropout import Rng
from distil_jax.models.fake_quantisation import quantised_inputs, quantised_params, rounded_inputs
from distil_jax.models.intermediates import Request
from distil_jax.models.types import Batch, Hidden, Params
from distil_jax.objectives import Outputs
from distil_jax.training.forward import Model


@dataclass(frozen=True)
class QuantisedStudent:
    """A model whose weights, and what they multiply, are rounded in its forward pass."""

    model: Model

    @property
    def config(self) -> EncoderConfig:
        return self.model.config

    @property
    def scan(self) -> bool:
        return self.model.scan

    def __call__(self, params: Params, batch: Batch, request: Request, rng: Rng | None) -> Outputs:
        """As the model's own; of a head over the vocabulary the features are rounded, too."""
        with quantised_inputs():
            outputs = self.model(quantised_params(params), batch, request, rng)
        head = outputs.masked_lm
        if head is None:
            return outputs

        def transform(hidden: Hidden) -> Hidden:
            with quantised_inputs():
                return rounded_inputs(head.transform(hidden))

        return dataclasses.replace(
            outputs, masked_lm=dataclasses.replace(head, transform=transform)
        )


def first_quantised_step(share: float, total_steps: int) -> int | None:
    """After how many steps the rounding begins, from a share of all; None for all of them."""
    return math.ceil(share * total_steps) if share < 1 else None
