"""Extractive question answering: the span of a context that answers a question (SQuAD 1.1)."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jaxtyping import Array, Bool, DTypeLike, Float

from distil_jax import losses
from distil_jax.data import file_kind
from distil_jax.errors import UserError
from distil_jax.losses import WeightedSum
from distil_jax.models import EncoderConfig, QuestionAnswering
from distil_jax.models.heads import QuestionAnsweringHead
from distil_jax.models.types import Params
from distil_jax.pretrained import Head, Pretrained
from distil_jax.tasks import files, graph_parts, squad, task_scores
from distil_jax.tasks.files import Record
from distil_jax.tasks.kind import (
    DataRequest,
    EvalSplit,
    ExampleKind,
    Labels,
    Outputs,
    Prediction,
    TaskData,
    TrainingSet,
    UserText,
)
from distil_jax.tasks.label_losses import entropy, mask_window
from distil_jax.tasks.named import NamedTask
from distil_jax.tasks.sources import Source
from distil_jax.tasks.squad import Questions
from distil_jax.tasks.task_scores import Metrics
from distil_jax.tasks.windows import Answer, Windows, best_answers, cut, token_spans

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

HEAD: Head = "question_answering"
ENDS = ("start", "end")
LOGITS = ("start_logits", "end_logits")
STRIDE = 128
"""Of a user's own questions."""


def data(task: NamedTask, request: DataRequest, tokenizer: "PreTrainedTokenizerFast") -> TaskData:
    """Questions with their contexts cut into windows; raises `UserError`."""
    train, validation = _read_splits(request.source, training=request.training)
    cut_for = partial(cut, tokenizer=tokenizer, length=request.length, stride=request.stride)
    counts = {"train": 0, "validation": len(validation), "unanswerable": validation.unanswerable}
    training, strided, truncated = None, 0, 0
    if train is not None:
        windows = cut_for(train.questions, train.contexts)
        spans = dict(zip(ENDS, token_spans(windows, train), strict=True))
        training = TrainingSet(windows.encoded, spans, None)
        counts |= {"train": len(train), "training_windows": len(windows.question)}
        counts["unanswerable"] += train.unanswerable
        strided, truncated = windows.strided, windows.encoded.truncated
    windows = cut_for(validation.questions, validation.contexts)
    counts |= {
        "validation_windows": len(windows.question),
        "strided": strided + windows.strided,
        "truncated": truncated + windows.encoded.truncated,
    }
    main = EvalSplit(
        "validation",
        windows.encoded,
        len(validation),
        partial(predictions, validation.ids, windows, validation.contexts),
        validation.answers,
        partial(_metrics, validation),
        submission,
    )
    return TaskData((), len(ENDS), (0.0, 1.0), request.length, training, (main,), (), counts)


def _read_splits(source: Source, *, training: bool) -> tuple[Questions | None, Questions]:
    """Training and validation questions; raises `UserError` for a split that is missing."""
    train = _read_questions(source, "train") if training else None
    if training and train is None:
        raise UserError(
            f"{source.location or '--data'} has no training split (train.json); name one with "
            "--train, or score the model as it is with --epochs=0"
        )
    validation = _read_questions(source, "validation")
    if validation is None:
        raise UserError(
            f"{source.location or '--data'} has no validation split (validation.json); name one "
            "with --validation"
        )
    return train, validation


def _read_questions(source: Source, split: str) -> Questions | None:
    """The answerable questions of a split, of SQuAD's JSON or of a flat table; None without one."""
    name = source.describe(split)
    file = source.find(split)
    if file is not None and file.is_file() and files.kind(file) == file_kind.JSON:
        return squad.read(squad.flatten(files.read_json(file), name), name)
    records = source.records(split)
    return None if records is None else squad.read(records, name)


def objective(
    logits: Float[Array, "slots window 2"],
    piece: Mapping[str, Array],
    used: Bool[Array, " slots"],
    *,
    temperature: float,
) -> dict[str, WeightedSum]:
    """Means over start and end of a classification's, over the tokens of each sequence."""
    labels, soft = [], []
    for column, name in enumerate(ENDS):
        scores = logits[:, :, column]
        labels.append(entropy(scores, jnp.where(used, piece[name], 0)))
        if "soft" in piece:
            teacher = mask_window(piece["soft"][:, :, column], piece["lengths"])
            soft.append(losses.soft_target(scores, teacher, used, temperature=temperature))
    terms = {"labels": WeightedSum.of((labels[0] + labels[1]) / 2, used)}
    if soft:
        terms["soft_target"] = WeightedSum((soft[0].total + soft[1].total) / 2, soft[0].count)
    return terms


def predictions(
    ids: Sequence[str], windows: Windows, contexts: Sequence[str], outputs: Outputs
) -> list[Prediction]:
    """A record for each question: its answer, and where it stands in the context."""
    return [
        {
            "id": name,
            "label": answer.text,
            "scores": {"logits": answer.score if answer.text else None},
            "start": answer.start,
            "end": answer.end,
        }
        for name, answer in zip(ids, best_answers(windows, contexts, outputs), strict=True)
    ]


def submission(records: Sequence[Prediction]) -> tuple[str, str]:
    """The file that SQuAD's official script reads: answers by id."""
    answers = {record["id"]: record["label"] for record in records}
    return "predictions.json", json.dumps(answers, ensure_ascii=False, indent=1) + "\n"


def _metrics(questions: Questions, records: Sequence[Prediction]) -> Metrics:
    answers = [[text for text, _ in answers] for answers in questions.answers]
    return task_scores.spans([record["label"] for record in records], answers)


def _own_head(model: Pretrained, labels: Labels, as_it_is: bool) -> Params | None:
    return model.params["head"] if model.head == HEAD else None


def _label(rows: Sequence[Record], text: UserText, first: int) -> list[Record]:
    """A record for each question: question, answer, its score and place in the context.

    Without a question or a context there is no answer.
    """
    pairs = [
        squad.texts_to_answer(row, f"{text.name} row {first + number}", text.columns)
        for number, row in enumerate(rows)
    ]
    full = [pair for pair in pairs if all(pair)]
    answers = iter(_answers([pair[0] for pair in full], [pair[1] for pair in full], text))
    nothing = {"label": None, "score": None, "start": None, "end": None}
    return [
        {"question": pair[0], **(_found(next(answers)) if all(pair) else nothing)} for pair in pairs
    ]


def _answers(questions: Sequence[str], contexts: Sequence[str], text: UserText) -> list[Answer]:
    tokenizer = text.model.tokenizer
    assert tokenizer is not None
    windows = cut(questions, contexts, tokenizer, length=text.length, stride=STRIDE)
    return best_answers(windows, contexts, text.predict(windows.encoded))


def _found(answer: Answer) -> Record:
    return {
        "label": answer.text,
        "score": answer.score if answer.text else None,
        "start": answer.start,
        "end": answer.end,
    }


def _model(config: EncoderConfig, outputs: int) -> QuestionAnswering:
    return QuestionAnswering(config)


def _head(config: EncoderConfig, outputs: int, dtype: DTypeLike) -> QuestionAnsweringHead:
    return QuestionAnsweringHead(config, dtype)


def _graph_head(
    graph: Any, config: EncoderConfig, head: Params, hidden: str, _: Callable[[str, str], str]
) -> None:
    hidden = graph_parts.transformed(graph, config, head, hidden)
    both = graph.dense(hidden, head["outputs"], "head/outputs")
    split = graph.split(both, ["head/start", "head/end"], axis=-1)
    for end, name in zip(split, LOGITS, strict=True):
        graph.node("Squeeze", end, graph.whole(-1), name=name)


QUESTION_ANSWERING = ExampleKind(
    name="question_answering",
    head=HEAD,
    model=_model,
    per_token=True,
    export_outputs=LOGITS,
    export_axes=lambda config, labels: ["batch", "length"],
    graph_head=_graph_head,
    head_module=_head,
    from_pooler=False,
    discrete=True,
    outputs=lambda labels: len(ENDS),
    data=data,
    objective=objective,
    serves=lambda head, labels, problem_type: head == HEAD,
    check_model=lambda model, folder: None,
    own_head=_own_head,
    class_order=lambda model_labels, labels: tuple(range(len(ENDS))),
    columns=lambda record, name, columns: columns,
    label=_label,
)
