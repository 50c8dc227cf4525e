"""Weights of the losses and the temperature, by optimizer step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from distil_jax.configuration.schema import Loss
from distil_jax.training.schedules import schedule

TERMS = ("soft_target", "masked_lm", "cosine", "logit_mse")


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LossWeights:
    """What the means of one step are multiplied with, and the soft target's temperature."""

    soft_target: Any
    masked_lm: Any
    cosine: Any
    logit_mse: Any
    temperature: Any


WeightsByStep = Callable[[Array], LossWeights]


def by_step(loss: Loss, total_steps: int) -> WeightsByStep:
    """Each weight and the temperature as an optax schedule over the steps of the run."""
    schedules = {
        name: schedule(loss.weights.get(name, loss.temperature), loss.schedule(name), total_steps)
        for name in (*TERMS, "temperature")
    }
    return lambda step: LossWeights(
        **{name: jnp.asarray(at(step), jnp.float32) for name, at in schedules.items()}
    )


def weighted(weights: LossWeights, means: Any) -> Float[Array, ""]:
    """The sum of the means of the terms under their weights."""
    terms = [getattr(weights, name) * getattr(means, name).value() for name in TERMS]
    return jnp.sum(jnp.stack(terms))
