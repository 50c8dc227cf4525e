"""AdamW with warm-up, decay and clipping, as optax transformations."""

from functools import partial

import jax
import optax

from distil_jax.configuration.schema import Optimizer
from distil_jax.training.freezing import is_frozen


def schedule(config: Optimizer, total_steps: int) -> optax.Schedule:
    """Learning rate by optimizer step: linear warm-up from 0, then linear or cosine decay to 0."""
    warmup_steps = round(config.warmup * total_steps)
    decay_steps = max(total_steps - warmup_steps, 1)
    decay = {
        "linear": optax.linear_schedule(config.learning_rate, 0.0, decay_steps),
        "cosine": optax.cosine_decay_schedule(config.learning_rate, decay_steps),
    }[config.schedule]
    if warmup_steps == 0:
        return decay
    warmup = optax.linear_schedule(0.0, config.learning_rate, warmup_steps)
    # The first step is step 0: shifted by one so that it is not spent at a rate of exactly 0.
    return optax.join_schedules([lambda step: warmup(step + 1), decay], [warmup_steps])


def decays(params: optax.Params, *, freeze: str = "none") -> optax.Params:
    """True for the arrays that weight decay applies to: matrices and embedding tables in use."""

    def matrix(path: tuple, _: jax.Array) -> bool:
        return path[-1].key not in ("bias", "scale") and not is_frozen(freeze, path)

    return jax.tree_util.tree_map_with_path(matrix, params)


def make(
    config: Optimizer, total_steps: int, *, freeze: str = "none"
) -> optax.GradientTransformation:
    """Clipping by the global norm, then AdamW (Loshchilov and Hutter 2019).

    What is frozen has a gradient of 0 (`freezing.hold`) and does not decay: it stays bit for bit.
    """
    adamw = optax.adamw(
        schedule(config, total_steps),
        b1=config.beta1,
        b2=config.beta2,
        eps=config.epsilon,
        weight_decay=config.weight_decay,
        mask=partial(decays, freeze=freeze),
    )
    if config.clip == 0:
        return adamw
    return optax.chain(optax.clip_by_global_norm(config.clip), adamw)
