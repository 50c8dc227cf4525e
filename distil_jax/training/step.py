"""One optimizer step: mask, targets, the student's objectives and their gradient, update.

Pure and device-agnostic: `parallel` maps it over devices and passes the sum in.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from distil_jax.configuration.schema import Loss
from distil_jax.data.masking import Masking
from distil_jax.data.next_tokens import NextTokens
from distil_jax.kernels.place import Place, row_names
from distil_jax.losses import WeightedSum
from distil_jax.models.dropout import Rng
from distil_jax.models.types import Batch, Params
from distil_jax.objectives import Inputs, Objective, Requests, losses_of
from distil_jax.training.forward import Model
from distil_jax.training.freezing import stop_frozen_gradients
from distil_jax.training.loss_weights import WeightsByStep, normalize_by_global_count, weighted
from distil_jax.training.projections import projections_of, without_projections
from distil_jax.training.quantised import QuantisedStudent
from distil_jax.training.targets import TargetSource, requests_to

Sum = Callable[[Any], Any]
Scales = dict[str, Array]
Sums = dict[str, WeightedSum]


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
class Constants:
    """What the step reads besides its batch, the same on every device and at every step.

    Attributes:
      targets: the target source's arrays, such as a teacher's parameters.
      seed: in place of the spec's own, so that several seeds share a compiled program.
      learning_rate: what the optimizer's updates are multiplied with, for the same reason.
    """

    targets: Any = None
    seed: Any = None
    learning_rate: Any = None


@dataclass(frozen=True)
class StepSpec:
    """What is compiled into the step of a run.

    Attributes:
      objectives: the active ones; `loss` has their options, `weights` their weights by step.
      masking: how tokens are masked and labelled; None: the batch is taken as it is.
      freeze: the parameters that stay as they are, a key of `freezing.FROZEN`.
      clip: the bound on the gradient's norm that `optimizer` applies; 0: none.
      micro_batches: into how many parts a device's rows are divided, computed one after another.
      matmul_dtype: of the vocabulary matmuls' operands.
      dropout_bits: place, or threefry: earlier versions' bits, of a device's micro-batch.
      quantised_from: after so many steps the student is computed as in int8; None: never.
    """

    student: Model
    targets: TargetSource
    objectives: tuple[Objective, ...]
    loss: Loss
    weights: WeightsByStep
    masking: Masking | NextTokens | None
    freeze: str
    clip: float
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule
    seed: int
    micro_batches: int
    matmul_dtype: str
    dropout_bits: str = "place"
    quantised_from: int | None = None

    @property
    def requests(self) -> Requests:
        """What the objectives need of student and teacher."""
        return requests_to(self.targets, self.objectives, self.student.config)


def initial_state(optimizer: optax.GradientTransformation, params: Params) -> State:
    """The state of parameters that no step has changed."""
    # Two arrays: a donated buffer can be given away only once.
    step, clipped = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
    # Gradients are float32 whatever the parameters are, and so is what the optimizer keeps of them.
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, jnp.float32), params)
    return State(step, params, optimizer.init(zeros), clipped)


def train_step(
    spec: StepSpec,
    state: State,
    constants: Constants,
    batch: Batch,
    *,
    sum_over_devices: Sum,
    device: Int[Array, ""],
) -> tuple[State, dict[str, Array]]:
    """The state after one more batch, and what to log of it.

    Args:
      batch: this device's rows: tokens, segments [rows, length], and whatever else the model,
        the targets and the objectives read; with masking also epoch and row [rows].
      sum_over_devices: adds the leaves of a tree over all devices.
      device: this device's number; only dropout looks at it, for the place of unnamed rows.
    """
    seed = spec.seed if constants.seed is None else constants.seed
    ready = batch if spec.masking is None else mask_batch(spec.masking, spec.seed, batch)
    weights = spec.weights(state.step)
    scales = normalize_by_global_count(weights, sum_over_devices(loss_counts(spec, ready)))
    dropout = _dropout(spec, seed, state.step, device, batch)
    inputs = (state.params, constants, ready, scales, weights.temperature, dropout)
    gradient, sums = sum_over_devices(_accumulated_at(spec, state.step, *inputs))
    norm = optax.tree.norm(gradient)
    clipped = state.clipped + ((norm > spec.clip) if spec.clip else jnp.zeros((), jnp.int32))
    updates, optimizer_state = spec.optimizer.update(gradient, state.optimizer_state, state.params)
    rate = jnp.asarray(spec.schedule(state.step), jnp.float32)
    if constants.learning_rate is not None:
        rate = rate * constants.learning_rate
        updates = jax.tree.map(lambda update: update * constants.learning_rate, updates)
    params = optax.apply_updates(state.params, updates)
    return State(state.step + 1, params, optimizer_state, clipped), {
        "loss": weighted(weights, sums),
        **{name: found.value() for name, found in sums.items()},
        **_scheduled(spec.loss, weights),
        "learning_rate": rate,
        "gradient_norm": norm,
        "clipped_share": clipped / (state.step + 1),
        "tokens": sum_over_devices(jnp.sum(batch["segments"] > 0)),
    }


def mask_batch(masking: Masking | NextTokens, seed: int, batch: Batch) -> dict[str, Array]:
    """The batch with tokens masked and their `labels`; the same on any device, host or restart."""
    others = dict(batch)
    epoch, row = others.pop("epoch"), others.pop("row")
    tokens, labels = masking.labelled(seed, batch["tokens"], batch["segments"], epoch, row)
    return others | {"tokens": tokens, "labels": labels}


def loss_counts(spec: StepSpec, batch: Batch) -> Scales:
    """How many terms each objective averages over: known from the data, before a forward pass."""
    return {one.name: one.count(batch, spec.loss) for one in spec.objectives}


def _accumulated_at(spec: StepSpec, step: Array, *inputs: Any) -> tuple[Params, Sums]:
    """`accumulate`, by a student in int8 from its step on; both are compiled, one is computed."""
    first = spec.quantised_from
    if first is None:
        return accumulate(spec, *inputs)
    quantised = partial(accumulate, replace(spec, student=QuantisedStudent(spec.student)))
    if first == 0:
        return quantised(*inputs)
    return jax.lax.cond(step >= first, quantised, partial(accumulate, spec), *inputs)


def accumulate(
    spec: StepSpec,
    params: Params,
    constants: Constants,
    batch: Batch,
    scales: Scales,
    temperature: Array,
    dropout: Rng,
) -> tuple[Params, Sums]:
    """The gradient and the sums of all micro-batches of this device.

    `scales` are divided by the counts of the whole global batch (`normalize_by_global_count`), so
    the sum equals the gradient of the undivided batch although the token counts of micro-batches
    differ.
    """

    def one(part: Batch, number: Array) -> tuple[Params, Sums]:
        rng = _of_part(dropout, number, spec.micro_batches)
        gradient, sums = jax.grad(micro_batch_loss, argnums=1, has_aux=True)(
            spec, params, constants, part, scales, temperature, rng
        )
        return jax.tree.map(lambda g: g.astype(jnp.float32), gradient), sums

    parts = spec.micro_batches
    if parts == 1:
        return one(batch, jnp.zeros((), jnp.int32))

    def add(carry: tuple, xs: tuple) -> tuple[tuple, None]:
        return jax.tree.map(jnp.add, carry, one(*xs)), None

    split = {name: rows.reshape(parts, -1, *rows.shape[1:]) for name, rows in batch.items()}
    nothing = (
        jax.tree.map(lambda p: jnp.zeros(p.shape, jnp.float32), params),
        {objective.name: WeightedSum.zero() for objective in spec.objectives},
    )
    return jax.lax.scan(add, nothing, (split, jnp.arange(parts)))[0]


def micro_batch_loss(
    spec: StepSpec,
    params: Params,
    constants: Constants,
    batch: Batch,
    scales: Scales,
    temperature: Array,
    dropout: Rng,
) -> tuple[Float[Array, ""], Sums]:
    """This micro-batch's share of the weighted loss of the whole global batch, and its sums."""
    requests = spec.requests
    params = stop_frozen_gradients(spec.freeze, params)
    model, own = without_projections(params), projections_of(params)
    student = spec.student(model, batch, requests.student, dropout)
    teacher = None
    if requests.teacher is not None:
        teacher = spec.targets(constants.targets, batch, requests.teacher)
    max_masked = 0 if spec.masking is None else spec.masking.max_masked(batch["tokens"].shape[-1])
    inputs = Inputs(
        student,
        teacher,
        batch,
        spec.loss,
        temperature,
        max_masked,
        spec.matmul_dtype,
        own,
        (spec.student.config, spec.targets.config),
    )
    return losses_of(spec.objectives, inputs, scales)


def _scheduled(loss: Loss, weights: Any) -> dict[str, Array]:
    """The weights that follow a schedule, and the temperature if it does."""
    found = {
        f"{name}_weight": weight for name, weight in weights.terms.items() if loss.schedule(name)
    }
    return found | ({"temperature": weights.temperature} if loss.schedule("temperature") else {})


def _dropout(spec: StepSpec, seed: Any, step: Array, device: Array, batch: Batch) -> Rng:
    """What this device's rows draw their dropout from at a step."""
    if spec.dropout_bits == "threefry":
        key = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), 0xD120)
        return jax.random.fold_in(jax.random.fold_in(key, step), device)
    count = len(batch["tokens"])
    row = batch.get("row", device * count + jnp.arange(count))
    # Rows come once an epoch, and a batch may straddle two.
    return Place.of(row_names(row, batch.get("epoch", 0)), seed, step)


def _of_part(dropout: Rng, number: Array, parts: int) -> Rng:
    """What micro-batch `number` draws from."""
    if isinstance(dropout, Place):
        return replace(dropout, row=dropout.row.reshape(parts, -1)[number])
    return jax.random.fold_in(dropout, number)
