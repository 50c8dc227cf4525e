"""What all seeds of an evaluation share: compiled programs, batches, and the teacher's outputs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.configuration.schema import Optimizer
from distil_jax.evaluation.batch_plan import packed_rows
from distil_jax.evaluation.batched_forward import BatchedForward, stacked
from distil_jax.evaluation.fine_tune_step import FineTuning, fine_tune_step
from distil_jax.evaluation.fine_tuning_plan import FineTuningPlan
from distil_jax.evaluation.pieces import PieceShape, pack_batch
from distil_jax.models.types import Params
from distil_jax.tasks.kind import Outputs, Predictor
from distil_jax.training import optimizer
from distil_jax.training.step import State

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class FineTuner:
    """A plan with its compiled programs.

    Attributes:
      soft_targets: a teacher's outputs for the training set.
    """

    plan: FineTuningPlan
    step: Callable[..., tuple[State, dict[str, jax.Array]]]
    start: Callable[[Params], State]
    forward: BatchedForward
    soft_targets: Outputs | None
    say: Callable[[str], None]
    stopping: Callable[[], bool]

    def predictor(self, params: Params) -> Predictor:
        """The model with these parameters, its values on the labels' own scale."""
        predict = self.forward(params)
        mean, deviation = self.plan.data.scale
        if (mean, deviation) == (0.0, 1.0):
            return predict
        return lambda encoded: [row * deviation + mean for row in predict(encoded)]


def fine_tuner(
    plan: FineTuningPlan,
    soft_targets: Outputs | None,
    say: Callable[[str], None],
    stopping: Callable[[], bool],
) -> FineTuner:
    """Build what all seeds share; programs are compiled when first called."""
    total_steps = plan.epochs * (plan.batch_plan(0).batches if plan.shape else 0)
    update = optimizer.make(_optimizer_config(plan), max(total_steps, 1))
    spec = FineTuning(
        network=plan.network,
        optimizer=update,
        alpha=plan.settings.alpha if soft_targets is not None else 0.0,
        temperature=plan.settings.temperature,
        micro_batches=plan.micro_batches,
    )

    def start(params: Params) -> State:
        step, clipped = jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32)
        return State(step, params, update.init(params), clipped)

    return FineTuner(
        plan,
        plan.devices.map(partial(fine_tune_step, spec), donate=True),
        start,
        BatchedForward(plan.network, plan.devices, plan.model.config.pad_token),
        soft_targets,
        say,
        stopping,
    )


def _optimizer_config(plan: FineTuningPlan) -> Optimizer:
    settings = plan.settings
    return Optimizer(
        learning_rate=1.0,
        schedule=settings.schedule,
        warmup=settings.warmup,
        beta1=BETAS[0],
        beta2=BETAS[1],
        epsilon=EPSILON,
        weight_decay=settings.weight_decay,
        clip=settings.clip,
    )


def batches(
    tuner: FineTuner, seed: int, epoch: int, first: int, padding: list[int]
) -> Iterator[dict[str, np.ndarray]]:
    """The batches of an epoch from the `first` on, as arrays.

    `padding` counts on: the tokens of the sequences, and the tokens that are computed.
    """
    plan = tuner.plan
    assert plan.shape is not None
    for batch in packed_rows(plan.batch_plan(seed), plan.shape, epoch, first=first):
        rows = max(plan.shape.rows, *(len(shard) for shard in batch))
        shape = PieceShape(rows, plan.shape.length, plan.shape.slots)
        padding[1] += len(batch) * rows * shape.length
        pieces = [piece_arrays(plan, tuner.soft_targets, shard, shape) for shard in batch]
        padding[0] += sum(int(piece["lengths"].sum()) for piece in pieces)
        yield stacked(pieces)


def piece_arrays(
    plan: FineTuningPlan, soft_targets: Outputs | None, shard: list[list[int]], shape: PieceShape
) -> dict[str, np.ndarray]:
    """One piece with its targets: those of unused slots are 0."""
    assert plan.data.training is not None
    training = plan.data.training
    arrays, numbers = pack_batch(training.encoded, shard, shape, pad=plan.model.config.pad_token)
    for name, values in training.targets.items():
        of_slots = np.zeros(shape.slots, values.dtype)
        of_slots[: len(numbers)] = values[numbers]
        arrays[name] = of_slots
    if soft_targets is not None:
        window = (plan.data.length,) if plan.kind.per_token else ()
        soft = np.zeros((shape.slots, *window, plan.data.outputs), np.float32)
        for slot, number in enumerate(numbers):
            soft[slot, : len(soft_targets[number])] = soft_targets[number]
        arrays["soft"] = soft
    return arrays
