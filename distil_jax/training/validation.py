"""Held-out text: the losses, accuracy and agreement with the teacher, weighted by their counts."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from distil_jax import losses, metrics
from distil_jax.losses import WeightedSum
from distil_jax.models import output_table
from distil_jax.models.types import Params
from distil_jax.training.parallel import Devices
from distil_jax.training.step import (
    Batch,
    Means,
    StepSpec,
    Sum,
    gather_rows,
    mask_batch,
    masked_positions,
)
from distil_jax.training.weights import TERMS

VALIDATION_SEED = 1_000_003
"""Held-out masks are drawn with this seed in epoch 0: the same at every step of every run."""


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Scores:
    """What a batch of held-out rows adds to.

    Agreement counts masked tokens for which student and teacher have the same top prediction.
    """

    losses: Means
    accuracy: WeightedSum
    agreement: WeightedSum


Validate = Callable[[Params], dict[str, float]]


def validator(
    run: StepSpec,
    devices: Devices,
    teacher_params: Params,
    batches: Callable[[], Iterable[Mapping[str, np.ndarray]]],
) -> Validate:
    """A function from a student's parameters to its held-out figures over all `batches`.

    They are loss (weighted as at the end of the run, at every step alike), soft_target, masked_lm,
    cosine in nats, perplexity, accuracy of the masked tokens (`predictions` of them), and agreement
    with the teacher. What cannot be compared is left out: all of it without a teacher, the cosine
    where its width is another, soft targets and agreement where its vocabulary is. Compiled once.
    """

    def body(
        params: Params,
        teacher_params: Params,
        batch: Batch,
        *,
        sum_over_devices: Sum,
        device: Array,
    ) -> Scores:
        return sum_over_devices(score_batch(run, params, teacher_params, batch))

    compiled = devices.map(body)

    def validate(params: Params) -> dict[str, float]:
        total = None
        for batch in batches():
            scores = compiled(params, teacher_params, devices.split(batch))
            total = scores if total is None else jax.tree.map(jnp.add, total, scores)
        assert total is not None, "the validation split has rows: it was checked when it was opened"
        return figures(run, jax.device_get(total))

    return validate


def figures(run: StepSpec, scores: Scores) -> dict[str, float]:
    """The values of summed scores that were fetched to the host."""
    means = scores.losses
    terms = {name: _value(getattr(means, name)) for name in TERMS}
    values = {
        "loss": sum(run.loss.at_last(name) * value for name, value in terms.items()),
        "masked_lm": terms["masked_lm"],
        "perplexity": math.exp(min(terms["masked_lm"], 700.0)),
        "accuracy": _value(scores.accuracy),
        "predictions": int(scores.accuracy.count),
    }
    if _same_vocabulary(run):
        values |= {
            "soft_target": terms["soft_target"],
            "agreement": _value(scores.agreement),
        }
        if run.loss.uses("logit_mse"):
            values["logit_mse"] = terms["logit_mse"]
    if _same_width(run):
        values["cosine"] = terms["cosine"]
    return values


def _same_vocabulary(run: StepSpec) -> bool:
    if run.teacher is None:
        return False
    return run.teacher.config.vocabulary == run.student.config.vocabulary


def _same_width(run: StepSpec) -> bool:
    return (
        run.teacher is not None and run.teacher.config.hidden_size == run.student.config.hidden_size
    )


def _value(mean: WeightedSum) -> float:
    return float(mean.total) / max(int(mean.count), 1)


def score_batch(run: StepSpec, params: Params, teacher_params: Params, batch: Batch) -> Scores:
    """The sums of one batch, computed micro-batch by micro-batch, logits chunk by chunk."""
    masked = mask_batch(run.masking, VALIDATION_SEED, batch)
    rows = masked["tokens"].shape[0]
    size = math.gcd(rows, run.micro_rows)
    split = {k: v.reshape(rows // size, size, *v.shape[1:]) for k, v in masked.items()}

    def one(part: Batch) -> Scores:
        return _score(run, params, teacher_params, part)

    return jax.tree.map(lambda leaf: leaf.sum(0), jax.lax.map(one, split))


def _score(run: StepSpec, params: Params, teacher_params: Params, masked: Batch) -> Scores:
    hidden = run.student.apply({"params": params}, masked, method="encode")
    student = {"params": params}
    ordinary = masked["segments"] > 0
    cosine, teacher_hidden = _nothing(), None
    if run.teacher is not None and (_same_vocabulary(run) or _same_width(run)):
        teacher_hidden = run.teacher.apply({"params": teacher_params}, masked, method="encode")
        if _same_width(run):
            cosine = losses.cosine(hidden, teacher_hidden, ordinary)
    if run.teacher is None or teacher_hidden is None or not _same_vocabulary(run):
        places = masked_positions(run.masking, masked["labels"])
        features = run.student.apply(student, gather_rows(hidden, places), method="transform")
        labels = gather_rows(masked["labels"], places)
        scores = _chunked(run, lambda part: _pretraining(params, *part), (features, labels))
        return dataclasses.replace(scores, losses=dataclasses.replace(scores.losses, cosine=cosine))
    columns = (
        run.student.apply(student, hidden, method="transform"),
        run.teacher.apply({"params": teacher_params}, teacher_hidden, method="transform"),
        masked["labels"],
        ordinary,
    )
    scores = _chunked(run, lambda part: _distillation(run, params, teacher_params, *part), columns)
    return Scores(
        dataclasses.replace(scores.losses, cosine=cosine),
        scores.accuracy,
        scores.agreement,
    )


def _chunked(run: StepSpec, score: Callable[..., Scores], columns: tuple[Array, ...]) -> Scores:
    tokens = columns[0].shape[0] * columns[0].shape[1]
    chunk = min(run.loss.chunk, tokens)

    def split(column: Array) -> Array:
        flat = column.reshape(tokens, *column.shape[2:])
        fill = losses.IGNORE if jnp.issubdtype(flat.dtype, jnp.signedinteger) else 0
        width = ((0, -tokens % chunk),) + ((0, 0),) * (flat.ndim - 1)
        return jnp.pad(flat, width, constant_values=fill).reshape(-1, chunk, *flat.shape[1:])

    scores = jax.lax.map(score, tuple(split(column) for column in columns))
    return jax.tree.map(lambda leaf: leaf.sum(0), scores)


def _logits(params: Params, features: Array) -> Array:
    table, bias = output_table(params)
    product = jnp.matmul(
        features, table.T.astype(features.dtype), preferred_element_type=jnp.float32
    )
    return product + bias


def _pretraining(params: Params, features: Array, labels: Int[Array, " chunk"]) -> Scores:
    logits = _logits(params, features)
    return Scores(
        Means(_nothing(), losses.masked_lm(logits, labels), _nothing(), _nothing()),
        _mean(metrics.accuracy(logits, labels, labels != losses.IGNORE)),
        _nothing(),
    )


def _distillation(
    run: StepSpec,
    params: Params,
    teacher_params: Params,
    features: Array,
    teacher_features: Array,
    labels: Int[Array, " chunk"],
    ordinary: Array,
) -> Scores:
    logits = _logits(params, features)
    teacher_logits = _logits(teacher_params, teacher_features)
    labelled = labels != losses.IGNORE
    selected = labelled if run.loss.positions == "masked" else ordinary
    soft = losses.soft_target(logits, teacher_logits, selected, temperature=run.loss.temperature)
    mse = _nothing()
    if run.loss.uses("logit_mse"):
        mse = losses.logit_mse(logits, teacher_logits, selected)
    return Scores(
        Means(soft, losses.masked_lm(logits, labels), _nothing(), mse),
        _mean(metrics.accuracy(logits, labels, labelled)),
        _mean(metrics.agreement(logits, teacher_logits, labelled)),
    )


def _mean(counted: tuple[Array, Array]) -> WeightedSum:
    return WeightedSum(counted[0].astype(jnp.float32), counted[1].astype(jnp.int32))


def _nothing() -> WeightedSum:
    return WeightedSum(jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32))
