"""Sentences, or pairs of them, out of a user's file: text, or a table that `evaluate` reads."""

from pathlib import Path

from distil_jax.errors import UserError
from distil_jax.tasks import files

SENTENCES = (
    ("sentence1", "sentence2"),
    ("question1", "question2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question", "context"),
    ("sentence",),
    ("text",),
)
"""Columns that hold what is encoded, the first that a file has."""

Sentence = tuple[str, ...]


def read(path: Path, *, most: int) -> list[Sentence]:
    """The first `most` sentences; raises `UserError` naming the file and the record."""
    sentences: list[Sentence] = []
    for number, record in enumerate(files.records(path), 1):
        sentence = _sentence_of(record, f"{path} record {number}")
        if all(part.strip() for part in sentence):
            sentences.append(sentence)
        if len(sentences) == most:
            break
    if not sentences:
        raise UserError(f"{path} holds no sentence")
    return sentences


def _sentence_of(record: files.Record, where: str) -> Sentence:
    for names in SENTENCES:
        values = [record.get(name) for name in names]
        if all(isinstance(value, str) for value in values):
            return tuple(map(str, values))
    known = "; ".join(" and ".join(names) for names in SENTENCES)
    present = ", ".join(map(str, record)) or "none"
    raise UserError(f"{where} has columns {present}; one of these is needed: {known}")
