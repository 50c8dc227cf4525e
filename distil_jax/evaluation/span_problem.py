"""Questions whose answers are spans of their contexts."""

import json
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from distil_jax.errors import UserError
from distil_jax.evaluation import files, scores, squad
from distil_jax.evaluation.problem import HeldOut, Outputs, Prediction, Problem, TrainingSet
from distil_jax.evaluation.scores import Metrics
from distil_jax.evaluation.sources import Source
from distil_jax.evaluation.squad import Questions, Windows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def read_questions(source: Source, split: str) -> Questions | None:
    """The answerable questions of a split, of SQuAD's JSON or of a flat table; None without one."""
    place = source.describe(split)
    file = source.find(split)
    if file is not None and files.kind(file) == ".json":
        return squad.read(squad.flatten(files.read_json(file), place), place)
    records = source.records(split)
    return None if records is None else squad.read(records, place)


def read_splits(source: Source, *, training: bool) -> tuple[Questions | None, Questions]:
    """Training and validation questions; raises `UserError` for a split that is missing."""
    train = read_questions(source, "train") if training else None
    if training and train is None:
        raise UserError(
            f"{source.place or '--data'} has no training split (train.json); name one with "
            "--train, or score the model as it is with --epochs=0"
        )
    held_out = read_questions(source, "validation")
    if held_out is None:
        raise UserError(
            f"{source.place or '--data'} has no validation split (validation.json); name one with "
            "--validation"
        )
    return train, held_out


def build(
    train: Questions | None,
    held_out: Questions,
    tokenizer: "PreTrainedTokenizerFast",
    *,
    length: int,
    stride: int,
) -> Problem:
    """Cut contexts into windows, and place the answers in them."""
    cut = partial(squad.cut, tokenizer=tokenizer, length=length, stride=stride)
    counts = {"train": 0, "validation": len(held_out), "unanswerable": held_out.unanswerable}
    training, strided, truncated = None, 0, 0
    if train is not None:
        windows = cut(train.questions, train.contexts)
        starts, ends = squad.places(windows, train)
        training = TrainingSet(windows.encoded, {"start": starts, "end": ends})
        counts |= {"train": len(train), "training_windows": len(windows.question)}
        counts["unanswerable"] += train.unanswerable
        strided, truncated = windows.strided, windows.encoded.truncated
    own = cut(held_out.questions, held_out.contexts)
    counts |= {
        "validation_windows": len(own.question),
        "strided": strided + own.strided,
        "truncated": truncated + own.encoded.truncated,
    }
    main = HeldOut(
        "validation",
        own.encoded,
        len(held_out),
        partial(predictions, held_out.ids, own, held_out.contexts),
        held_out.answers,
        partial(_metrics, held_out),
        submission,
    )
    return Problem("span", (), (0.0, 1.0), length, training, (main,), (), counts)


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
        for name, answer in zip(ids, squad.answers(windows, contexts, outputs), strict=True)
    ]


def submission(records: Sequence[Prediction]) -> tuple[str, str]:
    """The file that SQuAD's official script reads: answers by id."""
    answers = {record["id"]: record["label"] for record in records}
    return "predictions.json", json.dumps(answers, ensure_ascii=False, indent=1) + "\n"


def _metrics(questions: Questions, records: Sequence[Prediction]) -> Metrics:
    right = [[text for text, _ in answers] for answers in questions.answers]
    return scores.spans([record["label"] for record in records], right)
