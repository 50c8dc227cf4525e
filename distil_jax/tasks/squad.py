"""Questions with their contexts and answers, out of SQuAD's JSON or of a table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from distil_jax.errors import UserError
from distil_jax.tasks import list_text
from distil_jax.tasks.examples import clean
from distil_jax.tasks.files import Record
from distil_jax.tasks.missing_labels import is_missing, shown

COLUMNS = ("question", "context")


@dataclass(frozen=True)
class Questions:
    """Questions with their contexts; `answers` holds texts and where they start, in characters."""

    ids: tuple[str, ...]
    questions: tuple[str, ...]
    contexts: tuple[str, ...]
    answers: tuple[tuple[tuple[str, int], ...], ...]
    unanswerable: int
    origin: str

    def __len__(self) -> int:
        return len(self.questions)


def flatten(content: Any, origin: str) -> Iterable[Record]:
    """Records of id, question, context and answers out of SQuAD's nested JSON."""
    if isinstance(content, list):
        yield from content
        return
    try:
        for article in content["data"]:
            if "paragraphs" not in article:
                yield article
                continue
            for paragraph in article["paragraphs"]:
                for asked in paragraph["qas"]:
                    yield {**asked, "context": paragraph["context"]}
    except (KeyError, TypeError) as error:
        raise UserError(
            f"{origin} is not in SQuAD's format ({error!r} is missing or not what it should be); "
            "give data, paragraphs, qas, question, answers"
        ) from error


def read(records: Iterable[Record], origin: str) -> Questions:
    """Questions that have an answer; raises `UserError` naming what a record lacks."""
    answered: list[tuple[str, str, str, tuple[tuple[str, int], ...]]] = []
    unanswerable = 0
    for number, record in enumerate(records):
        where = f"{origin} question {number}"
        question, context = question_and_context(record, where)
        answers = _answers(record, where)
        if not answers:
            unanswerable += 1
            continue
        for text, start in answers:
            if clean(str(record["context"]))[start : start + len(text)] != text:
                raise UserError(
                    f"{where}: the context has not the answer {text[:40]!r} at character {start}; "
                    "fix answer_start"
                )
        answered.append((str(record.get("id", number)), question, context, answers))
    if not answered:
        raise UserError(f"{origin} has no question with an answer; give some")
    ids, questions, contexts, every = zip(*answered, strict=True)
    return Questions(ids, questions, contexts, every, unanswerable, origin)


def question_and_context(record: Any, where: str) -> tuple[str, str]:
    """Both texts of a record, filled in; raises `UserError`."""
    first, second = COLUMNS
    return _text(record, first, where), _text(record, second, where)


def texts_to_answer(record: Record, where: str, columns: Sequence[str]) -> tuple[str, str]:
    """Both texts of a user's record, empty where it has none; raises `UserError`."""
    first, second = columns if len(columns) == 2 else COLUMNS
    return _text_or_none(record, first, where), _text_or_none(record, second, where)


def _text_or_none(record: Record, name: str, where: str) -> str:
    if name in record and (is_missing(record[name]) or not str(record[name]).strip()):
        return ""
    return _text(record, name, where)


def _text(record: Any, name: str, where: str) -> str:
    if not isinstance(record, dict) or name not in record:
        has = ", ".join(record) if isinstance(record, dict) else type(record).__name__
        raise UserError(f"{where} has no {name}; it has {has}")
    value = record[name]
    if not isinstance(value, str) or not value.strip():
        raise UserError(f"{where} has an empty {name}, or one that is no text; fill it in")
    return clean(value)


def _answers(record: Record, where: str) -> tuple[tuple[str, int], ...]:
    """Answers as SQuAD nests them, or as the hub does: lists of texts and of starts."""
    if "answers" not in record:
        raise UserError(f"{where} has no answers; it has {', '.join(record)}")
    given = list_text.from_text(record["answers"])
    try:
        if isinstance(given, Mapping):
            given = [
                {"text": text, "answer_start": start}
                for text, start in zip(given["text"], given["answer_start"], strict=True)
            ]
        pairs = [(clean(answer["text"]), int(answer["answer_start"])) for answer in given]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{where} has answers without a text and an answer_start, {shown(given)}; give both"
        ) from error
    stripped = [(text.strip(), start + len(text) - len(text.lstrip())) for text, start in pairs]
    return tuple(pair for pair in stripped if pair[0])
