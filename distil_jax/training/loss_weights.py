"""Weights of the objectives and the temperature, by optimizer step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from distil_jax.configuration.schema import Loss
from distil_jax.losses import WeightedSum
from distil_jax.training.schedules import schedule


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LossWeights:
    """What the means of one step are multiplied with, by objective, and the temperature."""

    terms: Mapping[str, Any]
    temperature: Any


WeightsByStep = Callable[[Array], LossWeights]


def by_step(loss: Loss, total_steps: int) -> WeightsByStep:
    """Each active weight and the temperature as an optax schedule over the steps of the run."""
    schedules = {
        name: schedule(loss.weight(name), loss.schedule(name), total_steps) for name in loss.active
    }
    temperature = schedule(loss.temperature, loss.schedule("temperature"), total_steps)
    return lambda step: LossWeights(
        {name: jnp.asarray(at(step), jnp.float32) for name, at in schedules.items()},
        jnp.asarray(temperature(step), jnp.float32),
    )


def normalize_by_global_count(
    weights: LossWeights, counts: Mapping[str, Array]
) -> dict[str, Array]:
    """The weights divided by the global counts: what one term's loss is multiplied with."""
    return {
        name: weights.terms[name] / jnp.maximum(count, 1).astype(jnp.float32)
        for name, count in counts.items()
    }


def weighted(weights: LossWeights, sums: Mapping[str, WeightedSum]) -> Float[Array, ""]:
    """The sum of the means of the objectives under their weights."""
    return jnp.sum(jnp.stack([weights.terms[name] * sums[name].value() for name in weights.terms]))
