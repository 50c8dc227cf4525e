"""What all seeds of an evaluation share: compiled programs, batches, and the teacher's outputs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.configuration.schema import Loss, Optimizer
from distil_jax.evaluation.batch_plan import packed_rows
from distil_jax.evaluation.batched_forward import BatchedForward, stacked
from distil_jax.evaluation.fine_tuning_objectives import objective_of
from distil_jax.evaluation.fine_tuning_plan import FineTuningPlan
from distil_jax.evaluation.pieces import PieceShape, pack_batch
from distil_jax.evaluation.teacher import FineTunedTeacher
from distil_jax.models.types import Params
from distil_jax.tasks.kind import Outputs, Predictor
from distil_jax.tasks.network import Network
from distil_jax.tasks.task_objectives import LABELS, SOFT_TARGET, task_objectives
from distil_jax.training import optimizer
from distil_jax.training.loss_weights import LossWeights, WeightsByStep
from distil_jax.training.progress import Display
from distil_jax.training.projections import with_projections, without_projections
from distil_jax.training.quantised import first_quantised_step
from distil_jax.training.step import Constants, State, StepSpec, initial_state, train_step
from distil_jax.training.stopping import Sigterm
from distil_jax.training.targets import LiveTeacher, NoTargets

BETAS = (0.9, 0.999)
EPSILON = 1e-8
CHUNK = 512  # of objectives of the logits, of which fine-tuning has none


@dataclass(frozen=True)
class FineTuner:
    """A plan with its compiled programs.

    Attributes:
      soft_targets: a teacher's outputs for the training set.
      sigterm: deferred while a seed is trained, to save it.
    """

    plan: FineTuningPlan
    spec: StepSpec
    step: Callable[..., tuple[State, dict[str, jax.Array]]]
    forward: BatchedForward
    soft_targets: Outputs | None
    display: Display
    sigterm: Sigterm

    def start(self, params: Params, seed: int = 0) -> State:
        """The state before the first step, with the projections of objectives that have some."""
        spec = self.spec
        own = with_projections(
            params, spec.objectives, spec.student.config, spec.targets.config, jax.random.key(seed)
        )
        return initial_state(spec.optimizer, own)

    def constants(self, seed: int, learning_rate: float) -> Constants:
        """What the step reads besides its batch, on all devices."""
        plan = self.plan
        teacher = plan.teacher.model.params if plan.teacher and plan.settings.objectives else {}
        return plan.devices.replicate(
            Constants(teacher, np.uint32(seed), np.float32(learning_rate))
        )

    def predictor(self, params: Params) -> Predictor:
        """The model with these parameters, its values on the labels' own scale."""
        predict = self.forward(without_projections(params))
        mean, deviation = self.plan.data.scale
        if (mean, deviation) == (0.0, 1.0):
            return predict
        return lambda encoded: [row * deviation + mean for row in predict(encoded)]


def fine_tuner(
    plan: FineTuningPlan,
    soft_targets: Outputs | None,
    display: Display,
    sigterm: Sigterm,
) -> FineTuner:
    """Build what all seeds share; programs are compiled when first called."""
    spec = _spec(plan, soft_targets is not None)
    return FineTuner(
        plan,
        spec,
        plan.devices.map(partial(train_step, spec), donate=True),
        BatchedForward(plan.network, plan.devices, plan.model.config.pad_token),
        soft_targets,
        display,
        sigterm,
    )


def _spec(plan: FineTuningPlan, with_soft_targets: bool) -> StepSpec:
    settings = plan.settings
    alpha = settings.alpha if with_soft_targets else 0.0
    weights = {LABELS: (1 - alpha) * settings.task_weight}
    if with_soft_targets:
        weights[SOFT_TARGET] = alpha * settings.task_weight
    weights |= settings.objectives
    total_steps = max(plan.epochs * (plan.batch_plan(0).batches if plan.shape else 0), 1)
    config = _optimizer_config(plan)
    return StepSpec(
        student=plan.network,
        targets=_targets(plan),
        objectives=(
            *task_objectives(plan.kind, soft_targets=with_soft_targets),
            *(objective_of(settings, name) for name in settings.objectives),
        ),
        loss=_loss(weights, settings.temperature),
        weights=_constant(weights, settings.temperature),
        masking=None,
        freeze="none",
        clip=settings.clip,
        optimizer=optimizer.make(config, total_steps),
        schedule=optimizer.schedule(config, total_steps),
        seed=0,
        micro_batches=plan.micro_batches,
        matmul_dtype="float32",
        dropout_bits="place",
        quantised_from=first_quantised_step(settings.quantize_from, total_steps),
    )


def _targets(plan: FineTuningPlan) -> LiveTeacher | NoTargets:
    """The teacher's hidden states where an objective asks for them; its outputs are computed."""
    teacher = plan.teacher
    if not isinstance(teacher, FineTunedTeacher) or not plan.settings.objectives:
        return NoTargets()
    network = plan.network
    return LiveTeacher(
        Network(
            teacher.kind,
            teacher.model.config,
            len(teacher.order),
            teacher.window,
            dtype=network.dtype,
            scan=network.scan,
        )
    )


def _loss(weights: Mapping[str, float], temperature: float) -> Loss:
    """The config's section that the step reads; nothing is scheduled."""
    return Loss(
        weights=weights,
        temperature=temperature,
        schedules=dict.fromkeys((*weights, "temperature"), ""),
        positions="all",
        chunk=CHUNK,
        options={},
    )


def _constant(weights: Mapping[str, float], temperature: float) -> WeightsByStep:
    def at(_: Any) -> LossWeights:
        return LossWeights(
            {name: jnp.float32(weight) for name, weight in weights.items()},
            jnp.float32(temperature),
        )

    return at


def _optimizer_config(plan: FineTuningPlan) -> Optimizer:
    settings = plan.settings
    return Optimizer(
        name=settings.optimizer,
        learning_rate=1.0,
        schedule=settings.schedule,
        warmup=settings.warmup,
        decay=settings.decay,
        beta1=BETAS[0],
        beta2=BETAS[1],
        epsilon=EPSILON,
        weight_decay=settings.weight_decay,
        clip=settings.clip,
    )


def batches(
    tuner: FineTuner, seed: int, first_step: int, padding: list[int]
) -> Iterator[dict[str, np.ndarray]]:
    """The batches after the first `first_step`, epoch after epoch, as arrays.

    `padding` counts on: the tokens of the sequences, and the tokens that are computed.
    """
    plan = tuner.plan
    assert plan.shape is not None
    assert plan.data.training is not None
    sequences = plan.data.training.sequences
    batch_plan = plan.batch_plan(seed)
    epoch, first = divmod(first_step, batch_plan.batches)
    while True:
        for batch in packed_rows(batch_plan, plan.shape, epoch, first=first):
            rows = max(plan.shape.rows, *(len(shard) for shard in batch))
            shape = PieceShape(rows, plan.shape.length, plan.shape.slots)
            padding[1] += len(batch) * rows * shape.length
            pieces = [
                piece_arrays(plan, tuner.soft_targets, [sequences(row) for row in shard], shape)
                for shard in batch
            ]
            padding[0] += sum(int(piece["lengths"].sum()) for piece in pieces)
            yield stacked(pieces)
        epoch, first = epoch + 1, 0


def piece_arrays(
    plan: FineTuningPlan, soft_targets: Outputs | None, shard: list[list[int]], shape: PieceShape
) -> dict[str, np.ndarray]:
    """One piece with its targets: those of unused slots are 0."""
    assert plan.data.training is not None
    training = plan.data.training
    arrays, numbers = pack_batch(training.encoded, shard, shape, pad=plan.model.config.pad_token)
    for name, values in training.targets.items():
        of_slots = np.zeros((shape.slots, *values.shape[1:]), values.dtype)
        of_slots[: len(numbers)] = values[numbers]
        arrays[name] = of_slots
    if soft_targets is not None:
        window = (plan.data.length,) if plan.kind.per_token else ()
        soft = np.zeros((shape.slots, *window, plan.data.outputs), np.float32)
        for slot, number in enumerate(numbers):
            soft[slot, : len(soft_targets[number])] = soft_targets[number]
        arrays["soft"] = soft
    return arrays
