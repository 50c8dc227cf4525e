"""One optimizer step: mask, teacher, the student's three losses and their gradient, update.

Pure and blind to devices: `parallel` maps it over them and hands in the sum.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from distil_jax import losses
from distil_jax.configuration.schema import Loss
from distil_jax.data.masking import Masking, mask_rows
from distil_jax.losses import WeightedSum
from distil_jax.models import MaskedLM, output_table
from distil_jax.models.types import Params
from distil_jax.training.freezing import stop_frozen_gradients
from distil_jax.training.weights import LossWeights, WeightsByStep, weighted

Batch = Mapping[str, Array]
Sum = Callable[[Any], Any]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """All that an optimizer step changes: parameters, moments, and two counts.

    Attributes:
      step: steps done.
      clipped: of those, the ones whose gradient was longer than the bound.
    """

    step: Any
    params: Any
    optimizer_state: Any
    clipped: Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Means:
    """The losses, not divided yet."""

    soft_target: WeightedSum
    masked_lm: WeightedSum
    cosine: WeightedSum
    logit_mse: WeightedSum


@dataclass(frozen=True)
class StepSpec:
    """What stays the same for all steps of a run. Without a teacher it is pretraining.

    Attributes:
      weights: of the losses, and the temperature, by step.
      freeze: the parameters that stay as they are, a key of `freezing.FROZEN`.
      clip: the bound on the gradient's norm that `optimizer` applies; 0: none.
      micro_rows: rows computed at one time; the rows of a device are a multiple of it.
      product_dtype: of the vocabulary products' operands.
    """

    student: MaskedLM
    teacher: MaskedLM | None
    loss: Loss
    weights: WeightsByStep
    freeze: str
    masking: Masking
    clip: float
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule
    seed: int
    micro_rows: int
    product_dtype: str


def start(run: StepSpec, params: Params) -> State:
    """The state before the first step."""
    return initial(run.optimizer, params)


def initial(optimizer: optax.GradientTransformation, params: Params) -> State:
    """The state of parameters that no step has changed."""
    # Two arrays: a donated buffer can be given away only once.
    step, clipped = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
    # Gradients are float32 whatever the parameters are, and so is what the optimizer keeps of them.
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, jnp.float32), params)
    return State(step, params, optimizer.init(zeros), clipped)


def train_step(
    run: StepSpec,
    state: State,
    teacher_params: Params,
    batch: Batch,
    *,
    sum_over_devices: Sum,
    device: Int[Array, ""],
) -> tuple[State, dict[str, Array]]:
    """The state after one more batch, and what to log of it.

    Args:
      batch: tokens, segments [rows, length], epoch, row [rows]; this device's rows.
      sum_over_devices: adds the leaves of a tree over all devices.
      device: this device's number; only dropout looks at it.
    """
    masked = mask_batch(run.masking, run.seed, batch)
    weights = run.weights(state.step)
    scales = normalize_by_global_count(weights, sum_over_devices(loss_counts(run.loss, masked)))
    dropout = jax.random.fold_in(jax.random.fold_in(_dropout_key(run.seed), state.step), device)
    gradient, means = sum_over_devices(
        accumulate(run, state.params, teacher_params, masked, scales, dropout)
    )
    norm = optax.tree.norm(gradient)
    clipped = state.clipped + ((norm > run.clip) if run.clip else jnp.zeros((), jnp.int32))
    updates, optimizer_state = run.optimizer.update(gradient, state.optimizer_state, state.params)
    new = State(
        state.step + 1, optax.apply_updates(state.params, updates), optimizer_state, clipped
    )
    return new, {
        "loss": weighted(weights, means),
        **_terms(run.loss, weights, means),
        "learning_rate": jnp.asarray(run.schedule(state.step), jnp.float32),
        "gradient_norm": norm,
        "clipped_share": clipped / (state.step + 1),
        "tokens": sum_over_devices(jnp.sum(batch["segments"] > 0)),
    }


def mask_batch(masking: Masking, seed: int, batch: Batch) -> dict[str, Array]:
    """The batch with tokens masked and their `labels`; the same on any device, host or restart."""
    key = jax.random.key(seed, impl="threefry2x32")
    tokens, labels = mask_rows(
        masking, key, batch["tokens"], batch["segments"], batch["epoch"], batch["row"]
    )
    return {"tokens": tokens, "segments": batch["segments"], "labels": labels}


def loss_counts(loss: Loss, masked: Batch) -> dict[str, Array]:
    """How many tokens each loss averages over: known from the data, before any forward pass."""
    ordinary = jnp.sum(masked["segments"] > 0, dtype=jnp.int32)
    labelled = jnp.sum(masked["labels"] != losses.IGNORE, dtype=jnp.int32)
    soft = labelled if loss.positions == "masked" else ordinary
    return {"soft_target": soft, "masked_lm": labelled, "cosine": ordinary, "logit_mse": soft}


def normalize_by_global_count(weights: LossWeights, counts: Mapping[str, Array]) -> LossWeights:
    """The weights divided by the global counts: what one token's loss is multiplied with."""
    scales = {
        name: getattr(weights, name) / jnp.maximum(count, 1).astype(jnp.float32)
        for name, count in counts.items()
    }
    return LossWeights(**scales, temperature=weights.temperature)


def accumulate(
    run: StepSpec,
    params: Params,
    teacher_params: Params,
    masked: Batch,
    scales: LossWeights,
    dropout: Array,
) -> tuple[Params, Means]:
    """The gradient and the means of all micro-batches of this device.

    `scales` are divided by the counts of the whole global batch (`normalize_by_global_count`), so
    the sum equals the gradient of the undivided batch although the token counts of micro-batches
    differ.
    """
    rows = masked["tokens"].shape[0]
    parts = rows // run.micro_rows

    def one(params: Params, part: Batch, number: Array) -> tuple[Params, Means]:
        key = jax.random.fold_in(dropout, number)
        gradient, means = jax.grad(distillation_loss, argnums=1, has_aux=True)(
            run, params, teacher_params, part, scales, key
        )
        return jax.tree.map(lambda g: g.astype(jnp.float32), gradient), means

    if parts == 1:
        return one(params, masked, jnp.zeros((), jnp.int32))

    def add(carry: tuple, xs: tuple) -> tuple[tuple, None]:
        return jax.tree.map(jnp.add, carry, one(params, *xs)), None

    split = {k: v.reshape(parts, run.micro_rows, *v.shape[1:]) for k, v in masked.items()}
    zero = WeightedSum(jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32))
    nothing = (
        jax.tree.map(lambda p: jnp.zeros(p.shape, jnp.float32), params),
        Means(zero, zero, zero, zero),
    )
    return jax.lax.scan(add, nothing, (split, jnp.arange(parts)))[0]


def distillation_loss(
    run: StepSpec,
    params: Params,
    teacher_params: Params,
    masked: Batch,
    scales: LossWeights,
    dropout: Array,
) -> tuple[Float[Array, ""], Means]:
    """This micro-batch's share of the weighted loss of the whole global batch, and its means."""
    params = stop_frozen_gradients(run.freeze, params)
    hidden = run.student.apply(
        {"params": params}, masked, train=True, rngs={"dropout": dropout}, method="encode"
    )
    teacher_hidden = None
    if run.teacher is not None:
        teacher_hidden = run.teacher.apply({"params": teacher_params}, masked, method="encode")
    loss, vocabulary = _vocabulary_losses(
        run, params, teacher_params, hidden, teacher_hidden, masked, scales
    )
    cosine = WeightedSum(jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32))
    if teacher_hidden is not None and run.loss.uses("cosine"):
        cosine = losses.cosine(hidden, teacher_hidden, masked["segments"])
        loss = loss + scales.cosine * cosine.total
    return loss, Means(vocabulary.soft_target, vocabulary.masked_lm, cosine, vocabulary.logit_mse)


def masked_positions(
    masking: Masking, labels: Int[Array, "rows length"]
) -> Int[Array, "rows most"]:
    """Where each row's labelled tokens are, a static number of places, others filling it up."""
    unlabelled = labels == losses.IGNORE
    return jnp.argsort(unlabelled, axis=-1, stable=True)[:, : masking.most(labels.shape[-1])]


def gather_rows(array: Array, places: Int[Array, "rows most"]) -> Array:
    """array[row, places[row]] for every row."""
    return jax.vmap(lambda row, place: row[place])(array, places)


def _vocabulary_losses(
    run: StepSpec,
    params: Params,
    teacher_params: Params,
    hidden: Array,
    teacher_hidden: Array | None,
    masked: Batch,
    scales: LossWeights,
) -> tuple[Array, losses.VocabularyMeans]:
    labels = masked["labels"]
    mask = masked["segments"] > 0
    with_mse = run.loss.uses("logit_mse")
    if not (run.loss.uses("soft_target") or with_mse):
        teacher_hidden = None
    if run.loss.positions == "masked" or teacher_hidden is None:
        # Only what is masked reaches the head: a static number of places of each row.
        places = masked_positions(run.masking, labels)
        hidden, labels = gather_rows(hidden, places), gather_rows(labels, places)
        mask = labels != losses.IGNORE
        if teacher_hidden is not None:
            teacher_hidden = gather_rows(teacher_hidden, places)
    features = run.student.apply({"params": params}, hidden, method="transform")
    teacher: tuple[Array | None, Array | None, Array | None] = (None, None, None)
    if run.teacher is not None and teacher_hidden is not None:
        transformed = run.teacher.apply(
            {"params": teacher_params}, teacher_hidden, method="transform"
        )
        teacher = (transformed, *output_table(teacher_params))
    table, bias = output_table(params)
    return losses.vocabulary_losses(
        features,
        table,
        bias,
        teacher[0],
        teacher[1],
        teacher[2],
        labels,
        mask,
        soft_scale=scales.soft_target,
        mlm_scale=scales.masked_lm,
        mse_scale=scales.logit_mse if with_mse else None,
        temperature=scales.temperature,
        chunk=run.loss.chunk,
        product_dtype=run.product_dtype,
    )


def _terms(loss: Loss, weights: LossWeights, means: Means) -> dict[str, Array]:
    """The values of the terms, the optional one where it is used, and whatever is scheduled."""
    names = ["soft_target", "masked_lm", "cosine"]
    names += ["logit_mse"] if loss.uses("logit_mse") else []
    scheduled = [name for name, text in loss.schedules.items() if text]
    return {name: getattr(means, name).value() for name in names} | {
        name if name == "temperature" else f"{name}_weight": getattr(weights, name)
        for name in scheduled
    }


def _dropout_key(seed: int) -> Array:
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), 0xD120)
