"""The objectives of a micro-batch: what they need of the models, their sums, and the loss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float

from distil_jax import losses
from distil_jax.data.masking import gather_rows, masked_positions
from distil_jax.losses import WeightedSum
from distil_jax.losses.fused_vocabulary import Decoder, Targets, Term, fused_vocabulary_losses
from distil_jax.losses.vocabulary_bucket import Bucketed
from distil_jax.models import EncoderConfig
from distil_jax.models.intermediates import Request
from distil_jax.objectives.objective import Inputs, Objective, Outputs


@dataclass(frozen=True)
class Requests:
    """What the models are asked for; `teacher` is None where no objective needs one."""

    student: Request
    teacher: Request | None


def requests_of(
    objectives: Sequence[Objective], student: EncoderConfig, teacher: EncoderConfig | None
) -> Requests:
    """The union of what the objectives need of two models of these shapes."""
    asked = [objective.requests(student, teacher) for objective in objectives]
    needs_teacher = any(objective.needs_teacher for objective in objectives)
    of_student, of_teacher = Request(), Request()
    for one, other in asked:
        of_student, of_teacher = of_student | one, of_teacher | other
    return Requests(of_student, of_teacher if needs_teacher else None)


def losses_of(
    objectives: Sequence[Objective], inputs: Inputs, scales: Mapping[str, Array]
) -> tuple[Float[Array, ""], dict[str, WeightedSum]]:
    """The sum of scale x loss over the objectives, and each one's own sum.

    `scales` are weight / count over the whole global batch, by name.
    """
    of_logits = [objective for objective in objectives if objective.vocabulary is not None]
    loss = jnp.zeros((), jnp.float32)
    sums: dict[str, WeightedSum] = {}
    if of_logits:
        loss, sums = _vocabulary_losses(of_logits, inputs, scales)
    for objective in objectives:
        if objective.compute is not None:
            sums[objective.name] = own = objective.compute(inputs)
            loss = loss + scales[objective.name] * own.total
    return loss, sums


def _vocabulary_losses(
    objectives: Sequence[Objective], inputs: Inputs, scales: Mapping[str, Array]
) -> tuple[Float[Array, ""], dict[str, WeightedSum]]:
    """Those of the logits, in one pass over the vocabulary."""
    compared = any(objective.needs_teacher for objective in objectives)
    labels, mask = inputs.batch["labels"], inputs.batch["segments"] > 0
    positions = None
    some = inputs.max_masked < labels.shape[-1]
    if some and (inputs.loss.positions == "masked" or not compared):
        # Only what is masked reaches the head: a static number of places of each row.
        positions = masked_positions(labels, inputs.max_masked)
        labels = gather_rows(labels, positions)
        mask = labels != losses.IGNORE

    def decoder(side: Outputs | None) -> Decoder:
        assert side is not None
        assert side.masked_lm is not None
        hidden = side.intermediates.last
        if positions is not None:
            hidden = gather_rows(hidden, positions)
        head = side.masked_lm
        return Decoder(head.transform(hidden), head.table, head.bias)

    teacher_head = None if inputs.teacher is None else inputs.teacher.masked_lm
    rest = None if teacher_head is None else teacher_head.rest

    def fused(one: Objective) -> Term:
        assert one.vocabulary is not None
        if rest is None or not one.needs_teacher:
            return one.vocabulary.fused
        return Bucketed(one.vocabulary.fused, rest)

    # That of the labels first, as in version 0.1: sums of floats depend on their order.
    ordered = sorted(objectives, key=lambda one: one.needs_teacher)
    return fused_vocabulary_losses(
        decoder(inputs.student),
        Targets(decoder(inputs.teacher) if compared else None, labels, mask),
        {one.name: fused(one) for one in ordered},
        scales,
        temperature=inputs.temperature,
        chunk=inputs.loss.chunk,
        matmul_dtype=inputs.matmul_dtype,
    )
