"""The optimizer of a config: clipping, a direction, weight decay, and the schedule's rate."""

from functools import partial
from typing import Any

import jax
import optax

from distil_jax.configuration.optimizer_table import OPTIMIZERS, SCHEDULES
from distil_jax.configuration.schema import Optimizer
from distil_jax.models.stacking import stack, unstack
from distil_jax.training.freezing import is_frozen


def schedule(config: Optimizer, total_steps: int) -> optax.Schedule:
    """Learning rate by optimizer step: linear warm-up from 0, then as `config.schedule` says."""
    warmup_steps = round(config.warmup * total_steps)
    steps = max(total_steps - warmup_steps, 1)
    decay_steps = min(round(config.decay * total_steps), steps)
    after = SCHEDULES[config.schedule](config.learning_rate, steps, decay_steps)
    if warmup_steps == 0:
        return after
    warmup = optax.linear_schedule(0.0, config.learning_rate, warmup_steps)
    # The first step is step 0: shifted by one so that it is not spent at a rate of exactly 0.
    return optax.join_schedules([lambda step: warmup(step + 1), after], [warmup_steps])


def decays(params: optax.Params, *, freeze: str = "none") -> optax.Params:
    """True for the arrays that weight decay applies to: matrices and embedding tables in use."""

    def matrix(path: tuple, _: jax.Array) -> bool:
        return path[-1].key not in ("bias", "scale") and not is_frozen(freeze, path)

    return jax.tree_util.tree_map_with_path(matrix, params)


def make(
    config: Optimizer, total_steps: int, *, freeze: str = "none"
) -> optax.GradientTransformation:
    """Clipping by the global norm, then the optimizer that `config.name` says.

    What is frozen has a gradient of 0 (`stop_frozen_gradients`) and does not decay: it stays bit
    for bit. The update is proportional to the learning rate.
    """
    entry = OPTIMIZERS[config.name]
    direction = entry.direction(config.beta1, config.beta2, config.epsilon)
    optimizer = optax.chain(
        by_layer(direction) if entry.by_layer else direction,
        optax.add_decayed_weights(config.weight_decay, partial(decays, freeze=freeze)),
        optax.scale_by_learning_rate(schedule(config, total_steps)),
    )
    if config.clip == 0:
        return optimizer
    return optax.chain(optax.clip_by_global_norm(config.clip), optimizer)


def by_layer(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same for stacked layers as for each by itself; its state is stacked where they are."""

    def init(params: optax.Params) -> Any:
        return _laid_out_as(params, inner.init(unstack(params)))

    def update(updates: optax.Updates, state: Any, params: Any = None) -> tuple[Any, Any]:
        gradients = unstack(updates)
        # Gradients for parameters: of those only shapes are looked at, and the type is float32.
        changed, after = inner.update(gradients, unstack(state), gradients)
        return _laid_out_as(updates, changed), _laid_out_as(updates, after)

    return optax.GradientTransformation(init, update)


def _laid_out_as(tree: Any, other: Any) -> Any:
    unstacked: Any = jax.tree.structure(unstack(tree))
    stacked = unstacked != jax.tree.structure(tree)
    return stack(other) if stacked else other
