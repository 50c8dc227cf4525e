"""The objectives of a micro-batch: what they need of the models, their sums, and the loss."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from distil_jax import losses
from distil_jax.data.masking import gather_rows, masked_positions
from distil_jax.losses import WeightedSum
from distil_jax.losses.fused_vocabulary import Decoder, Targets, fused_vocabulary_losses
from distil_jax.losses.vocabulary_bucket import BucketedDecoder
from distil_jax.losses.vocabulary_teacher import Mixture, VocabularyTeacher
from distil_jax.models import EncoderConfig
from distil_jax.models.intermediates import Request
from distil_jax.objectives.objective import Inputs, Objective, Outputs, SeveralOutputs

Positions = Int[Array, "rows most"] | None
"""Some of each row's; None: all."""


@dataclass(frozen=True)
class Requests:
    """What the models are asked for; `teacher` is None where no objective needs one.

    Of several teachers it is a tuple, a request of each.
    """

    student: Request
    teacher: Any


def requests_of(
    objectives: Sequence[Objective],
    student: EncoderConfig,
    teacher: EncoderConfig | None,
    shapes: Mapping[str, EncoderConfig | None] | None = None,
) -> Requests:
    """The union of what the objectives need of two models of these shapes.

    `shapes` has the teacher's of each objective by name, where they are not the same.
    """
    shapes = dict.fromkeys((one.name for one in objectives), teacher) if shapes is None else shapes
    asked = [objective.requests(student, shapes[objective.name]) for objective in objectives]
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
            own = objective.compute(inputs.for_objective(objective.name))
            sums[objective.name] = own
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
    # That of the labels first, as in version 0.1: sums of floats depend on their order.
    ordered = sorted(objectives, key=lambda one: one.needs_teacher)
    return fused_vocabulary_losses(
        decoder(inputs.student, positions),
        Targets(vocabulary_teacher(inputs.teacher, positions) if compared else None, labels, mask),
        {one.name: one.vocabulary.fused for one in ordered if one.vocabulary is not None},
        scales,
        temperature=inputs.temperature,
        chunk=inputs.loss.chunk,
        matmul_dtype=inputs.matmul_dtype,
    )


def decoder(side: Outputs, positions: Positions) -> Decoder:
    """A model's decoder at all positions, or at some of each row."""
    assert side.masked_lm is not None
    hidden, head = side.intermediates.last, side.masked_lm
    if positions is not None:
        hidden = gather_rows(hidden, positions)
    return Decoder(head.transform(hidden), head.table, head.bias, head.known)


def vocabulary_teacher(
    teacher: Any, positions: Int[Array, "rows most"] | None
) -> VocabularyTeacher:
    """What the logits are compared with, of one teacher, several, or a store."""
    if isinstance(teacher, SeveralOutputs):
        members = tuple(decoder(member, positions) for member in teacher.members)
        return Mixture(members, jnp.asarray(teacher.weights, jnp.float32))
    stored = teacher.stored
    if stored is None:
        own, head = decoder(teacher, positions), teacher.masked_lm
        return own if head.rest is None else BucketedDecoder(own, head.kept, head.rest)
    if positions is None or stored.masked:
        assert (positions is not None) == stored.masked, "refused when the run was set up"
        return stored.tokens
    arrays = jax.tree.map(lambda each: gather_rows(each, positions), stored.tokens.by_token())
    return stored.tokens.with_tokens(arrays)
