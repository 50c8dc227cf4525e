"""Several labels of a text, or of a pair of texts: each one there or not."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax.losses
import scipy.special
from jaxtyping import Array, Bool, Float

from distil_jax.errors import UserError
from distil_jax.losses import WeightedSum
from distil_jax.pretrained import Pretrained
from distil_jax.tasks import classes, label_sets, texts
from distil_jax.tasks.classification import CLASSIFICATION, HEAD
from distil_jax.tasks.examples import Examples
from distil_jax.tasks.files import Record
from distil_jax.tasks.kind import DataRequest, Labels, Outputs, Prediction, TaskData, UserText
from distil_jax.tasks.named import NamedTask
from distil_jax.tasks.sources import Source
from distil_jax.tasks.task_scores import Metrics, label_sets_scores

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PROBLEM = "multi_label_classification"
THRESHOLD = 0.5
"""Of a folder that stores none."""
THRESHOLDS = np.round(np.arange(0.01, 1.0, 0.01), 2)


def data(task: NamedTask, request: DataRequest, tokenizer: "PreTrainedTokenizerFast") -> TaskData:
    """The task's tables, encoded; raises `UserError` for a label that is unknown.

    Where there is a training split, the threshold is chosen on the validation split; a model that
    is scored as it is brings its own.
    """
    shape = _layout(request)
    request = replace(request, label="")
    tables = texts.read_tables(
        replace(task, label="label"), request, partial(_records, shape), partial(_named, shape)
    )
    in_order = request.classes or classes.names_in_data(tables.training)
    labels = shape.names or in_order or _labels(tables.training, request.known)
    threshold = THRESHOLD if request.threshold is None else request.threshold
    meaning = texts.Meaning(
        targets=partial(flags, labels=labels, ordered=bool(in_order)),
        predictions=partial(predictions, labels, threshold),
        metrics=partial(_metrics, labels, threshold),
        submitted=str,
    )
    targets = None
    if tables.training is not None:
        targets = meaning.targets(tables.training)
        _check_varied(targets, tables.training.origin)
    classes.mention_order(tables.every, labels, fixed=True)
    encoded = texts.task_data(
        task, tables, tokenizer, meaning, length=request.length, labels=labels, targets=targets
    )
    if not request.training:
        return encoded
    ids = {name: table.ids for name, table in {**tables.validation, **tables.tests}.items()}
    return replace(encoded, calibrated=partial(_calibrated, encoded, ids))


def _layout(request: DataRequest) -> label_sets.Layout:
    """Where the labels stand: from the first record of the training or the validation split."""
    split = "train" if request.training else "validation"
    rows = request.source.records(split)
    if rows is None and request.classes:
        split = "validation"
        rows = request.source.records(split)
    first = next(iter(rows), None) if rows is not None else None
    if first is None:
        return label_sets.Layout("labels", ())  # what is missing is said when the split is read
    origin = request.source.describe(split)
    return label_sets.layout(first, origin, request.columns, request.label)


def _records(
    shape: label_sets.Layout, rows: Iterable[Record], origin: str, labelled: bool
) -> Iterable[Record]:
    return label_sets.records(rows, origin, shape)


def _named(shape: label_sets.Layout, source: Source, split: str) -> Mapping[str, Sequence[str]]:
    """What numbers stand for in the column that `_records` makes."""
    return {"label": source.names_in_lists(split).get(shape.column, ())}


def _labels(training: Examples | None, known: Labels) -> Labels:
    """Names of the labels: the training table's, or those of a model scored as it is."""
    return known if training is None else classes.sorted_names(_sets(training), training.origin)


def _sets(table: Examples) -> Iterable[str]:
    return (name for row in table.labels or () for name in row or ())


def flags(table: Examples, labels: Labels, *, ordered: bool = False) -> np.ndarray:
    """int8 [examples, labels]; raises `UserError` for a label that is unknown.

    A number may stand for a name as in `classes.number_of`.
    """
    find = classes.number_of(table, labels, ordered=ordered)
    found = np.zeros((len(table), len(labels)), np.int8)
    for row, names in enumerate(table.labels or ()):
        for name in names:
            number = find(name)
            if number is None:
                raise UserError(
                    f"{table.origin} row {table.numbers[row]} has the unknown label {name!r}; "
                    f"the labels are {', '.join(labels)}"
                )
            found[row, number] = 1
    return found


def _check_varied(targets: np.ndarray, origin: str) -> None:
    if (targets == targets[0]).all():
        raise UserError(f"{origin} has the same labels in all rows; there is nothing to learn")


def _calibrated(encoded: TaskData, ids: Mapping[str, Sequence[str]], outputs: Outputs) -> TaskData:
    """The same with the threshold that suits these outputs of the main validation split."""
    threshold = best_threshold(np.stack(outputs), encoded.validation[0].answers)
    fitted: dict[str, Any] = {}
    for part in ("validation", "tests"):
        fitted[part] = tuple(
            replace(
                split,
                predictions=partial(predictions, encoded.labels, threshold, ids[split.name]),
                metrics=None
                if split.answers is None
                else partial(_metrics, encoded.labels, threshold, split.answers),
            )
            for split in getattr(encoded, part)
        )
    return replace(encoded, threshold=threshold, **fitted)


def best_threshold(logits: Float[np.ndarray, "examples labels"], answers: np.ndarray) -> float:
    """The threshold of best micro F1, of several the nearest to a half."""
    shares = scipy.special.expit(logits.astype(np.float64))
    right = answers.astype(bool)
    scores = []
    for threshold in THRESHOLDS:
        chosen = shares >= threshold
        total = chosen.sum() + right.sum()
        scores.append(2 * (chosen & right).sum() / total if total else 0.0)
    best = THRESHOLDS[np.isclose(scores, max(scores), rtol=0, atol=1e-12)]
    return float(best[np.argmin(np.abs(best - THRESHOLD))])


def objective(
    logits: Float[Array, "slots labels"],
    piece: Mapping[str, Array],
    used: Bool[Array, " slots"],
    *,
    temperature: float,
) -> dict[str, WeightedSum]:
    """Binary cross-entropy, a mean over the labels, as transformers'; to the teacher's shares too.

    Those are both at the temperature, and the loss is multiplied by its square (Hinton et al.
    2015, section 2, for the two classes of each label).
    """
    labels = piece["labels"].astype(jnp.float32)
    terms = {"labels": WeightedSum.of(_entropy(logits, labels), used)}
    if "soft" in piece:
        shares = jax.nn.sigmoid(piece["soft"] / temperature)
        softened = _entropy(logits / temperature, shares) * temperature**2
        terms["soft_target"] = WeightedSum.of(softened, used)
    return terms


def _entropy(
    logits: Float[Array, "slots labels"], shares: Float[Array, "slots labels"]
) -> Float[Array, " slots"]:
    return optax.losses.sigmoid_binary_cross_entropy(logits, shares).mean(-1)


def predictions(
    labels: Labels, threshold: float, ids: Sequence[str], outputs: Outputs
) -> list[Prediction]:
    """A record for each example: the labels from the threshold on, with the shares of all."""
    records = []
    for name, row in zip(ids, outputs, strict=True):
        shares = scipy.special.expit(row.astype(np.float64))
        chosen = [label for label, share in zip(labels, shares, strict=True) if share >= threshold]
        scores = {label: float(share) for label, share in zip(labels, shares, strict=True)}
        records.append({"id": name, "label": chosen, "scores": scores})
    return records


def _metrics(
    labels: Labels, threshold: float, answers: np.ndarray, records: Sequence[Prediction]
) -> Metrics:
    found = np.asarray([[label in record["label"] for label in labels] for record in records])
    return label_sets_scores(found, answers.astype(bool)) | {"threshold": threshold}


def check_several_labels(model: Pretrained, folder: str) -> None:
    """Refuse a classifier that gives a text one label, or values."""
    if model.head == HEAD and model.problem_type not in ("", PROBLEM):
        raise UserError(
            f"{folder} gives each text one label or a value (problem_type is "
            f"{model.problem_type} in its config.json); here a text has several labels"
        )


def _label(rows: Sequence[Record], text: UserText, first: int) -> list[Record]:
    stored = text.model.threshold
    threshold = THRESHOLD if stored is None else stored
    chosen = partial(predictions, text.model.labels, threshold)
    return texts.label_rows(rows, text, first, chosen, empty=[])


MULTILABEL = replace(
    CLASSIFICATION,
    name="multilabel",
    problem_type=PROBLEM,
    data=data,
    objective=objective,
    serves=lambda head, labels, problem_type: head == HEAD and problem_type == PROBLEM,
    check_model=check_several_labels,
    label=_label,
)
