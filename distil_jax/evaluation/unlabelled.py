"""Texts without labels in a training set: only the teacher says what they are."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from distil_jax.errors import UserError
from distil_jax.evaluation.settings import Settings
from distil_jax.tasks import examples, files
from distil_jax.tasks.encoding import Encoded
from distil_jax.tasks.kind import TaskData, TrainingSet
from distil_jax.tasks.named import NamedTask
from distil_jax.tasks.task_objectives import LABELLED
from distil_jax.tasks.texts import encode_table

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def with_unlabelled(
    data: TaskData, settings: Settings, task: NamedTask, tokenizer: "PreTrainedTokenizerFast"
) -> TaskData:
    """The data with the texts of `--unlabelled` after the labelled ones.

    Raises `UserError` for a task whose outputs stand for tokens, settings under which these rows
    would teach nothing, or a file that cannot be read.
    """
    training, file = data.training, settings.unlabelled
    if training is None and settings.candidate_labels:
        training = _no_examples(data)
    _check(settings, training)
    assert training is not None
    assert training.encode_for is not None
    columns = settings.columns or task.columns
    table = examples.read(
        files.records(Path(file)), f"--unlabelled={file}", columns=columns, label="", labelled=False
    )
    more = encode_table(table, tokenizer, data.length)
    targets = {
        name: np.concatenate([values, np.zeros((len(more), *values.shape[1:]), values.dtype)])
        for name, values in training.targets.items()
    }
    labelled = np.arange(len(training.encoded) + len(more)) < len(training.encoded)

    def encode_for(other: "PreTrainedTokenizerFast", length: int) -> Encoded:
        assert training.encode_for is not None
        return _joined(training.encode_for(other, length), encode_table(table, other, length))

    both = TrainingSet(
        _joined(training.encoded, more),
        {**targets, LABELLED: labelled.astype(np.int32)},
        partial(encode_for),
        texts=None if training.texts is None else training.texts + table.texts,
    )
    return replace(data, training=both, counts={**data.counts, "unlabelled": len(more)})


def _check(settings: Settings, training: TrainingSet | None) -> None:
    file = settings.unlabelled
    if not settings.teacher:
        raise UserError(f"--unlabelled={file} is judged by a teacher alone; name it with --teacher")
    if training is None:
        raise UserError(f"--unlabelled={file} needs a training split and --epochs=1 or more")
    if training.encode_for is None:
        raise UserError(
            f"--task={settings.task} distils outputs token by token and takes no --unlabelled text"
        )
    if not (settings.alpha * settings.task_weight or settings.objectives):
        raise UserError(
            f"--unlabelled={file} teaches nothing with --alpha={settings.alpha:g} and "
            f"--task-weight={settings.task_weight:g}; raise them, or give --objectives"
        )


def _no_examples(data: TaskData) -> TrainingSet:
    """A training set without examples, whose labels have the type of the validation split's."""
    nothing = Encoded((), (), 0)
    labels = np.asarray(data.validation[0].answers)[:0]
    return TrainingSet(nothing, {"labels": labels}, lambda _, __: nothing, texts=())


def _joined(first: Encoded, second: Encoded) -> Encoded:
    return Encoded(
        first.tokens + second.tokens,
        first.token_types + second.token_types,
        first.truncated + second.truncated,
    )
