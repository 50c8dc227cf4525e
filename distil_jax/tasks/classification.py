"""Classification of a text, or of a pair of texts: one class of several."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np
import scipy.special
from jaxtyping import Array, Bool, DTypeLike, Float

from distil_jax import losses
from distil_jax.errors import UserError
from distil_jax.losses import WeightedSum
from distil_jax.models import EncoderConfig, SequenceClassification
from distil_jax.models.heads import ClassificationHead
from distil_jax.models.types import Params
from distil_jax.pretrained import Head, Pretrained
from distil_jax.tasks import classes, examples, graph_parts, texts
from distil_jax.tasks.examples import Examples
from distil_jax.tasks.files import Record
from distil_jax.tasks.kind import (
    DataRequest,
    ExampleKind,
    Labels,
    Outputs,
    Prediction,
    TaskData,
    UserText,
)
from distil_jax.tasks.label_losses import entropy
from distil_jax.tasks.named import NamedTask
from distil_jax.tasks.task_scores import SCORES, Metrics

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

HEAD: Head = "classification"


def data(task: NamedTask, request: DataRequest, tokenizer: "PreTrainedTokenizerFast") -> TaskData:
    """The task's tables, encoded; raises `UserError` for a label that is unknown."""
    tables = texts.read_tables(task, request)
    named = task.labels or request.classes or classes.names_in_data(tables.training)
    labels = named or _labels(tables.training, request)
    tables = tables.of_classes(labels)
    ordered = bool(named) or tables.training is None
    meaning = texts.Meaning(
        targets=partial(classes.class_numbers, names=labels, ordered=ordered),
        predictions=partial(predictions, labels),
        metrics=partial(_metrics, task.score, labels),
        submitted=partial(_submitted, labels, task.submit_names),
    )
    targets = None
    if tables.training is not None:
        targets = meaning.targets(tables.training)
        examples.check_varied(targets, labels, tables.training.origin)
    classes.mention_order(tables.every, labels, fixed=bool(task.labels))
    return texts.task_data(
        task, tables, tokenizer, meaning, length=request.length, labels=labels, targets=targets
    )


def _labels(training: Examples | None, request: DataRequest) -> Labels:
    """Class names: the training table's, or the model's as it is."""
    return request.known if training is None else classes.class_names(training)


def objective(
    logits: Float[Array, "slots labels"],
    piece: Mapping[str, Array],
    used: Bool[Array, " slots"],
    *,
    temperature: float,
) -> dict[str, WeightedSum]:
    """Cross-entropy, and KL of the distributions at a temperature times its square, in nats."""
    labels = entropy(logits, jnp.where(used, piece["labels"], 0))
    terms = {"labels": WeightedSum.of(labels, used)}
    if "soft" in piece:
        terms["soft_target"] = losses.soft_target(
            logits, piece["soft"], used, temperature=temperature
        )
    return terms


def predictions(labels: Labels, ids: Sequence[str], outputs: Outputs) -> list[Prediction]:
    """A record for each example: the likeliest class, with the probabilities of all."""
    records = []
    for name, row in zip(ids, outputs, strict=True):
        shares = scipy.special.softmax(row.astype(np.float64))
        scores = {label: float(share) for label, share in zip(labels, shares, strict=True)}
        records.append({"id": name, "label": labels[int(np.argmax(row))], "scores": scores})
    return records


def _metrics(
    score: str, labels: Labels, answers: np.ndarray, records: Sequence[Prediction]
) -> Metrics:
    number = {label: index for index, label in enumerate(labels)}
    predicted = np.asarray([number[record["label"]] for record in records])
    return SCORES[score].metrics(predicted, answers)


def _submitted(labels: Labels, names: bool, label: str) -> str:
    return label if names else str(labels.index(label))


def check_one_label(model: Pretrained, folder: str) -> None:
    """Refuse a classifier that gives one text several labels, or several values."""
    several = model.problem_type == "multi_label_classification" or (
        model.problem_type == "regression" and len(model.labels) > 1
    )
    if model.head == HEAD and several:
        raise UserError(
            f"{folder} gives each text several labels or values (problem_type is "
            f"{model.problem_type} in its config.json); here a text has one of them, and several "
            "with --task=multilabel"
        )


def label_order(model_labels: Sequence[str], wanted: Sequence[str]) -> tuple[int, ...] | None:
    """Where each wanted class stands among a model's, None if they are others.

    Hugging Face's LABEL_0, LABEL_1, ... are the classes in their order.
    """
    ours, theirs = ([name.casefold() for name in names] for names in (model_labels, wanted))
    unnamed = ours == [f"label_{number}" for number in range(len(ours))]
    if unnamed and len(ours) == len(theirs):
        return tuple(range(len(ours)))
    if not _same_names(model_labels, wanted) or len(set(ours)) < len(ours):
        return None
    return tuple(ours.index(name) for name in theirs)


def _same_names(first: Sequence[str], second: Sequence[str]) -> bool:
    return sorted(map(str.casefold, first)) == sorted(map(str.casefold, second))


def _own_head(model: Pretrained, labels: Labels, as_it_is: bool) -> Params | None:
    order = label_order(model.labels, labels) if model.head == HEAD else None
    if order is None or not (as_it_is or _same_names(model.labels, labels)):
        return None
    head = model.params["head"]
    classifier = {name: leaf[..., list(order)] for name, leaf in head["classifier"].items()}
    return {**head, "classifier": classifier}


def _label(rows: Sequence[Record], text: UserText, first: int) -> list[Record]:
    return texts.label_rows(rows, text, first, partial(predictions, text.model.labels))


def _head(config: EncoderConfig, outputs: int, dtype: DTypeLike) -> ClassificationHead:
    return ClassificationHead(config, outputs, dtype)


def _graph_head(
    graph: Any, config: EncoderConfig, head: Params, hidden: str, _: Callable[[str, str], str]
) -> None:
    value = graph_parts.pooled(graph, config, hidden)
    if config.head.transform_everywhere:
        value = graph_parts.transform(graph, config, head, value)
    elif config.head.classifier_dense:
        dense = graph.dense(value, head["dense"], "head/dense")
        value = graph.activation(dense, config.head.classifier_activation, "head/pooled")
    graph.dense(value, head["classifier"], "logits")


CLASSIFICATION = ExampleKind(
    name="classification",
    head=HEAD,
    model=SequenceClassification,
    per_token=False,
    export_outputs=("logits",),
    export_axes=lambda config, labels: ["batch", labels],
    graph_head=_graph_head,
    head_module=_head,
    from_pooler=True,
    discrete=True,
    outputs=len,
    data=data,
    objective=objective,
    serves=lambda head, labels, problem_type: head == HEAD and len(labels) != 1,
    problem_type="single_label_classification",
    check_model=check_one_label,
    own_head=_own_head,
    class_order=label_order,
    columns=examples.check_columns,
    label=_label,
)
