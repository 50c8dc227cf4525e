"""Regression of a value on a text, or on a pair of texts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from distil_jax.losses import WeightedSum
from distil_jax.models.types import Params
from distil_jax.pretrained import Head, Pretrained
from distil_jax.pretrained.config_file import RAW_SCORE
from distil_jax.tasks import examples, texts
from distil_jax.tasks.classification import CLASSIFICATION, HEAD
from distil_jax.tasks.files import Record
from distil_jax.tasks.kind import DataRequest, Labels, Outputs, Prediction, TaskData, UserText
from distil_jax.tasks.named import NamedTask
from distil_jax.tasks.task_scores import SCORES, Metrics

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

VALUE = "value"
"""The name of a regression's only output; transformers calls it LABEL_0."""
STSB_RANGE = (0.0, 5.0)


def data(task: NamedTask, request: DataRequest, tokenizer: "PreTrainedTokenizerFast") -> TaskData:
    """The task's tables, encoded, the targets standardised unless the task says otherwise."""
    # Of classes -1 would be no label; the name of a model's only value is none.
    tables = texts.read_tables(task, replace(request, known=()))
    meaning = texts.Meaning(examples.values, predictions, partial(_metrics, task.score), _submitted)
    targets, scale = None, (0.0, 1.0)
    if tables.training is not None:
        targets = examples.values(tables.training)
        examples.check_varied(targets, (), tables.training.origin)
        if task.standardise:
            mean = float(targets.mean()) if request.head_bias else 0.0
            scale = (mean, float(np.sqrt(np.square(targets - mean).mean())))
            targets = ((targets - scale[0]) / scale[1]).astype(np.float32)
    encoded = texts.task_data(
        task, tables, tokenizer, meaning, length=request.length, labels=(VALUE,), targets=targets
    )
    return replace(encoded, scale=scale)


def objective(
    outputs: Float[Array, "slots 1"],
    piece: Mapping[str, Array],
    used: Bool[Array, " slots"],
    *,
    temperature: float,
) -> dict[str, WeightedSum]:
    """Squared errors to the label and to the teacher's value; there is nothing to soften."""
    value = outputs[:, 0]
    terms = {"labels": WeightedSum.of(jnp.square(value - piece["labels"]), used)}
    if "soft" in piece:
        error = jnp.square(value - piece["soft"][:, 0])
        terms["soft_target"] = WeightedSum.of(error, used)
    return terms


def predictions(ids: Sequence[str], outputs: Outputs) -> list[Prediction]:
    """A record for each example: its value."""
    return [
        {"id": name, "label": float(row[0]), "scores": {VALUE: float(row[0])}}
        for name, row in zip(ids, outputs, strict=True)
    ]


def _metrics(score: str, answers: np.ndarray, records: Sequence[Prediction]) -> Metrics:
    return SCORES[score].metrics(np.asarray([record["label"] for record in records]), answers)


def _submitted(value: float) -> str:
    least, most = STSB_RANGE
    return f"{min(max(value, least), most):.3f}"


def _own_head(model: Pretrained, labels: Labels, as_it_is: bool) -> Params | None:
    return model.params["head"] if model.head == HEAD and len(model.labels) == 1 else None


def _class_order(model_labels: Labels, labels: Labels) -> tuple[int, ...] | None:
    return (0,) if len(model_labels) == 1 else None


def _label(rows: Sequence[Record], text: UserText, first: int) -> list[Record]:
    return texts.label_rows(rows, text, first, predictions)


def _serves(head: Head | None, labels: Labels, problem_type: str) -> bool:
    """A raw score is a reranker's, and reads two texts."""
    return head == HEAD and len(labels) == 1 and labels != (RAW_SCORE,)


REGRESSION = replace(
    CLASSIFICATION,
    name="regression",
    discrete=False,
    data=data,
    objective=objective,
    serves=_serves,
    problem_type="regression",
    own_head=_own_head,
    class_order=_class_order,
    label=_label,
)
