"""One optimizer step of fine-tuning: pure and device-agnostic, as in `training.step`."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from distil_jax.losses import WeightedSum
from distil_jax.models.types import Params
from distil_jax.tasks.network import Network
from distil_jax.training.step import State, Sum


@dataclass(frozen=True)
class FineTuning:
    """What stays the same for all steps of a seed.

    Attributes:
      optimizer: at a learning rate of 1.
      alpha: weight of the teacher's outputs; the labels have the rest. 0 without a teacher.
      micro_batches: pieces of a device that are computed one after the other.
    """

    network: Network
    optimizer: optax.GradientTransformation
    alpha: float
    temperature: float
    micro_batches: int


def fine_tune_step(
    spec: FineTuning,
    state: State,
    controls: Mapping[str, Array],
    batch: Mapping[str, Array],
    *,
    sum_over_devices: Sum,
    device: Int[Array, ""],
) -> tuple[State, dict[str, Array]]:
    """The state after one more batch, and its loss and gradient norm.

    Args:
      controls: `seed` of dropout and `learning_rate`; traced, so that all seeds and learning rates
        share one compiled program (AdamW's update is proportional to the rate).
      batch: the arrays of `pieces.pack_batch` for this device's pieces, one behind the other, with
        the slots' labels and soft targets.
    """
    count = sum_over_devices(jnp.sum(batch["lengths"] > 0, dtype=jnp.int32))
    key = jax.random.key(controls["seed"], impl="threefry2x32")
    key = jax.random.fold_in(jax.random.fold_in(key, state.step), device)
    gradient, loss = sum_over_devices(_accumulate(spec, state.params, batch, count, key))
    updates, optimizer_state = spec.optimizer.update(gradient, state.optimizer_state, state.params)
    updates = jax.tree.map(lambda update: update * controls["learning_rate"], updates)
    new = State(
        state.step + 1, optax.apply_updates(state.params, updates), optimizer_state, state.clipped
    )
    return new, {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}


def _accumulate(
    spec: FineTuning, params: Params, batch: Mapping[str, Array], count: Array, key: Array
) -> tuple[Params, Array]:
    """The sum over this device's pieces of their shares of the batch's gradient and loss."""

    def gradient_and_loss(piece: Mapping[str, Array], key: Array) -> tuple[Params, Array]:
        loss, gradient = jax.value_and_grad(piece_loss, argnums=1)(spec, params, piece, count, key)
        return gradient, loss

    parts = spec.micro_batches
    if parts == 1:
        return gradient_and_loss(batch, key)

    def add(carry: tuple, xs: tuple) -> tuple[tuple, None]:
        return jax.tree.map(jnp.add, carry, gradient_and_loss(*xs)), None

    split = {name: rows.reshape(parts, -1, *rows.shape[1:]) for name, rows in batch.items()}
    zero = (jax.tree.map(jnp.zeros_like, params), jnp.zeros((), jnp.float32))
    return jax.lax.scan(add, zero, (split, jax.random.split(key, parts)))[0]


def piece_loss(
    spec: FineTuning, params: Params, piece: Mapping[str, Array], count: Array, key: Array
) -> Float[Array, ""]:
    """This piece's share of the weighted loss of the whole batch of `count` sequences."""
    outputs = spec.network.forward(params, piece, key)
    used = piece["lengths"] > 0
    terms = spec.network.kind.objective(outputs, piece, used, temperature=spec.temperature)
    loss = _share(terms["labels"], count) * (1 - spec.alpha)
    return (
        loss + _share(terms["soft_target"], count) * spec.alpha if "soft_target" in terms else loss
    )


def _share(loss: WeightedSum, count: Array) -> Array:
    return loss.total / jnp.maximum(count, 1)
