"""Validation: the losses, accuracy and agreement with the teacher, weighted by their counts."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from distil_jax import losses, metrics
from distil_jax.configuration.objective_table import OBJECTIVES, language_loss
from distil_jax.data.masking import gather_rows, masked_positions
from distil_jax.losses import WeightedSum
from distil_jax.losses.chunks import even_chunk
from distil_jax.losses.fused_vocabulary import Targets, logit_chunk
from distil_jax.losses.vocabulary_teacher import Decoder, VocabularyTeacher
from distil_jax.models.types import Params
from distil_jax.objectives import Inputs, Objective, Outputs, measured, vocabulary_teacher
from distil_jax.training.parallel import Devices
from distil_jax.training.projections import projections_of, without_projections
from distil_jax.training.step import Batch, Constants, StepSpec, Sum, mask_batch
from distil_jax.training.targets import requests_to, shape_for

VALIDATION_SEED = 1_000_003
"""Validation masks are drawn with this seed in epoch 0: the same at every step of every run."""

Scores = dict[str, WeightedSum]
"""Sums of a batch, by the objectives' names, with `accuracy` and `agreement` of masked tokens."""

ModelParams = Params | tuple[Params, ...]
"""Of one model, or of several that are scored as one."""
Validate = Callable[[ModelParams], dict[str, float]]


def validator(
    spec: StepSpec,
    devices: Devices,
    constants: Constants,
    batches: Callable[[], Iterable[Mapping[str, np.ndarray]]],
    *,
    micro_rows: int,
) -> Validate:
    """A function from a student's parameters to its validation figures over all `batches`.

    They are loss (weighted as at the end of the run, at every step alike), every objective that is
    active or standard, perplexity, accuracy of the masked tokens (`predictions` of them), and
    agreement with the teacher: the share of masked tokens for which both have the same top
    prediction. `micro_rows` are computed at one time.

    What cannot be compared is left out: all of it without a teacher, the cosine where
    its hidden size is another, soft targets and agreement where its vocabulary is. Compiled once.
    """
    plan = _Plan.of(spec, micro_rows)

    def body(
        params: ModelParams,
        constants: Constants,
        batch: Batch,
        *,
        sum_over_devices: Sum,
        device: Array,
    ) -> Scores:
        return sum_over_devices(score_batch(plan, params, constants, batch))

    compiled = devices.map(body)

    def validate(params: ModelParams) -> dict[str, float]:
        total = None
        for batch in batches():
            scores = compiled(params, constants, devices.split(batch))
            total = scores if total is None else jax.tree.map(jnp.add, total, scores)
        assert total is not None, "the validation split has rows: it was checked when it was opened"
        return figures(spec, jax.device_get(total))

    return validate


@dataclass(frozen=True)
class _Plan:
    """What of the measured objectives can be computed for these two models.

    Attributes:
      of_logits: objectives of the logits; with `compared` the teacher's are formed, too.
      others: objectives of hidden states.
    """

    spec: StepSpec
    micro_rows: int
    of_logits: tuple[Objective, ...]
    others: tuple[Objective, ...]
    compared: bool

    @classmethod
    def of(cls, spec: StepSpec, micro_rows: int) -> "_Plan":
        possible = [
            one
            for one in measured(spec.loss)
            if one.suits(spec.student.config)
            and (
                not one.needs_teacher
                or one.comparable(spec.student.config, shape_for(spec.targets, one))
            )
            and (spec.masking is not None or spec.loss.uses(one.name))
        ]
        of_logits = tuple(one for one in possible if one.vocabulary is not None)
        others = tuple(one for one in possible if one.compute is not None)
        compared = any(one.needs_teacher for one in of_logits)
        return cls(spec, micro_rows, of_logits, others, compared)

    def without_teachers_logits(self) -> "_Plan":
        """What is left to compare with a teacher that has no head over the vocabulary."""
        of_logits = tuple(one for one in self.of_logits if not one.needs_teacher)
        return replace(self, of_logits=of_logits, compared=False)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        return (*self.of_logits, *self.others)


def figures(spec: StepSpec, scores: Mapping[str, WeightedSum]) -> dict[str, float]:
    """The values of summed scores that were fetched to the host."""
    values = {name: _value(found) for name, found in scores.items()}
    terms = {name: values[name] for name in OBJECTIVES if name in values}
    loss = sum(spec.loss.at_last(name) * value for name, value in terms.items())
    found: dict[str, float] = {"loss": loss}
    language = language_loss(terms)
    if language:
        found |= {
            language: terms.pop(language),
            "perplexity": math.exp(min(values[language], 700.0)),
            "accuracy": values["accuracy"],
            "predictions": int(scores["accuracy"].count),
        }
    agreement = {"agreement": values["agreement"]} if "agreement" in values else {}
    return found | terms | agreement


def _value(mean: WeightedSum) -> float:
    return float(mean.total) / max(int(mean.count), 1)


def score_batch(plan: _Plan, params: ModelParams, constants: Constants, batch: Batch) -> Scores:
    """The sums of one batch, computed micro-batch by micro-batch, logits chunk by chunk."""
    spec = plan.spec
    masked = batch
    if spec.masking is not None:
        masked = mask_batch(spec.masking, VALIDATION_SEED, batch)
    rows = masked["tokens"].shape[0]
    size = math.gcd(rows, plan.micro_rows)
    split = {k: v.reshape(rows // size, size, *v.shape[1:]) for k, v in masked.items()}

    def one(part: Batch) -> Scores:
        return _score(plan, params, constants, part)

    return jax.tree.map(lambda leaf: leaf.sum(0), jax.lax.map(one, split))


def _score(plan: _Plan, params: ModelParams, constants: Constants, masked: Batch) -> Scores:
    spec = plan.spec
    requests = requests_to(spec.targets, plan.objectives, spec.student.config)
    student = spec.student(without_projections(params), masked, requests.student, None)
    teacher = None
    if requests.teacher is not None:
        teacher = spec.targets(constants.targets, masked, requests.teacher)
    if isinstance(teacher, Outputs) and teacher.masked_lm is None and teacher.stored is None:
        plan = plan.without_teachers_logits()
    length = masked["tokens"].shape[-1]
    max_masked = 0 if spec.masking is None else spec.masking.max_masked(length)
    inputs = Inputs(
        student,
        teacher,
        masked,
        spec.loss,
        spec.loss.temperature,
        max_masked,
        projections=projections_of(params),
        shapes=(spec.student.config, spec.targets.config),
    )
    found = {
        one.name: one.compute(inputs.for_objective(one.name))
        for one in plan.others
        if one.compute is not None
    }
    return _of_logits(plan, inputs) | found if plan.of_logits else found


def _of_logits(plan: _Plan, inputs: Inputs) -> Scores:
    """The sums that need logits, of all tokens or of the labelled ones."""
    labels, ordinary = inputs.batch["labels"], inputs.batch["segments"] > 0
    positions = None
    some = inputs.max_masked < labels.shape[-1]
    if some and (not plan.compared or plan.spec.loss.positions == "masked"):
        positions = masked_positions(labels, inputs.max_masked)
        labels, ordinary = (gather_rows(array, positions) for array in (labels, ordinary))
    student = vocabulary_teacher(inputs.student, positions)  # of several teachers, the average
    teacher = vocabulary_teacher(inputs.teacher, positions) if plan.compared else None

    def score(part: tuple[Any, ...]) -> Scores:
        labels, ordinary, of_student, of_teacher = part
        own = None if teacher is None else teacher.with_tokens(of_teacher)
        logits = student.with_tokens(of_student).logits(_logits, 1.0)
        return _of_chunk(plan, logits, own, labels, ordinary)

    of_teacher = None if teacher is None else teacher.by_token()
    columns = (labels, ordinary, student.by_token(), of_teacher)
    return _chunked(plan.spec.loss.chunk, score, columns)


def _of_chunk(
    plan: _Plan,
    student: Array,
    teacher: VocabularyTeacher | None,
    labels: Array,
    ordinary: Array,
) -> Scores:
    spec = plan.spec
    labelled = labels != losses.IGNORE
    selected = labelled if spec.loss.positions == "masked" else ordinary
    targets = Targets(teacher, labels, selected)
    seen = logit_chunk(student, targets, spec.loss.temperature, _logits)
    scores = {one.name: one.sum_of(seen) for one in plan.of_logits}
    scores["accuracy"] = _counted(metrics.accuracy(student, labels, labelled))
    if teacher is not None:
        best = teacher.best(_logits, spec.loss.temperature)
        scores["agreement"] = _counted(metrics.accuracy(student, best, labelled))
    return scores


def _chunked(
    chunk: int, score: Callable[[tuple[Any, ...]], Scores], columns: tuple[Any, ...]
) -> Scores:
    tokens = columns[0].shape[0] * columns[0].shape[1]
    chunk = even_chunk(tokens, chunk)

    def split(column: Array, fill: int = 0) -> Array:
        flat = column.reshape(tokens, *column.shape[2:])
        width = ((0, -tokens % chunk),) + ((0, 0),) * (flat.ndim - 1)
        return jnp.pad(flat, width, constant_values=fill).reshape(-1, chunk, *flat.shape[1:])

    labels, *others = columns
    parts = (split(labels, losses.IGNORE), *jax.tree.map(split, others))
    scores = jax.lax.map(score, parts)
    return jax.tree.map(lambda leaf: leaf.sum(0), scores)


def _logits(side: Decoder) -> Array:
    table = side.table.T.astype(side.hidden.dtype)
    return jnp.matmul(side.hidden, table, preferred_element_type=jnp.float32) + side.bias


def _counted(counted: tuple[Any, Any]) -> WeightedSum:
    return WeightedSum(counted[0].astype(jnp.float32), counted[1].astype(jnp.int32))
