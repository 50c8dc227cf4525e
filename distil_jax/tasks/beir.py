"""A retrieval collection in BEIR's layout (Thakur et al. 2021): corpus, queries, judgements.

    corpus.jsonl    _id, title, text        queries.jsonl    _id, text
    qrels/test.tsv  query-id, corpus-id, score, with these names in its first line

Each file may be compressed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distil_jax.data.compression import SUFFIXES
from distil_jax.errors import UserError
from distil_jax.tasks import files
from distil_jax.tasks.examples import clean
from distil_jax.tasks.missing_labels import finite, is_missing, shown

SPLITS = ("test", "validation", "dev", "train")
JUDGED = ("query-id", "corpus-id", "score")


@dataclass(frozen=True)
class Collection:
    """Texts by id, in the order of their files, and what is relevant to what.

    Attributes:
      documents: title and text, with a space between them.
      judgements: by query, by document: 0, or how relevant it is.
      split: whose judgements these are.
    """

    documents: Mapping[str, str]
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]
    split: str

    @property
    def own(self) -> frozenset[str]:
        """Queries that are documents, too, with the same id and text, and not relevant ones.

        BEIR ranks no document for itself (ArguAna, Quora); texts that merely have the same number
        are two.
        """
        return frozenset(
            name
            for name, judged in self.judgements.items()
            if name in self.documents
            and self.documents[name].endswith(self.queries[name])
            and judged.get(name, 0) <= 0
        )


def read_collection(folder: str | Path, split: str = "") -> Collection:
    """The collection of a folder, with the judgements of a split, or of the first that there is.

    Raises `UserError` for a missing file, two texts of one id, a text or an id that is missing,
    and judgements of what is in neither file, naming file and record.
    """
    place = Path(folder).expanduser()
    if not place.is_dir():
        raise UserError(f"--data={folder} is not a folder; give one with a corpus.jsonl")
    documents = _texts(_found(place, "corpus.jsonl"), ("title", "text"))
    queries_file = _found(place, "queries.jsonl")
    queries = _texts(queries_file, ("text",))
    empty = next((name for name, text in queries.items() if not text.strip()), None)
    if empty is not None:
        raise UserError(f"{queries_file}: query {empty} has no text; leave it out")
    found, file = _judged_split(place, split)
    return Collection(documents, queries, _judgements(file, documents, queries), found)


def _judged_split(folder: Path, split: str) -> tuple[str, Path]:
    wanted = (split,) if split else SPLITS
    for name in wanted:
        for end in ("", *SUFFIXES):
            if (file := folder / "qrels" / f"{name}.tsv{end}").is_file():
                return name, file
    raise UserError(
        f"{folder} has no qrels/{wanted[0]}.tsv; its qrels are what is relevant to each query"
    )


def _found(folder: Path, name: str) -> Path:
    named = [folder / f"{name}{end}" for end in ("", *SUFFIXES)]
    file = next((file for file in named if file.is_file()), None)
    if file is None:
        raise UserError(f"{folder} has no {name}; give a folder in BEIR's layout")
    return file


def _texts(file: Path, columns: tuple[str, ...]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for number, record in enumerate(files.records(file), 1):
        name = record.get("_id")
        if is_missing(name):
            raise UserError(f"{file} record {number} has no _id; give it one")
        if str(name) in texts:
            raise UserError(f"{file} record {number}: the _id {name} was there before; it must not")
        if is_missing(record.get("text")) and "text" not in record:
            raise UserError(
                f"{file} record {number} ({name}) has no text; it has {', '.join(record)}"
            )
        texts[str(name)] = _joined(record, columns, f"{file} record {number}")
    if not texts:
        raise UserError(f"{file} has no records; give some")
    return texts


def _joined(record: Mapping[str, Any], columns: tuple[str, ...], where: str) -> str:
    parts = [record.get(column) for column in columns]
    for part in parts:
        if part is not None and not isinstance(part, str | int | float):
            raise UserError(f"{where}: a text is {type(part).__name__}, not text")
    return " ".join(clean(str(part)) for part in parts if not is_missing(part))


def _whole(score: Any, where: str) -> int:
    """How relevant something is; 1.0 is 1."""
    number = finite(score)
    if number is None or not number.is_integer():
        raise UserError(f"{where}: the score {shown(score)} is no whole number; fix it")
    return int(number)


def _judgements(
    file: Path, documents: Mapping[str, str], queries: Mapping[str, str]
) -> dict[str, dict[str, int]]:
    judged: dict[str, dict[str, int]] = {}
    for line, record in enumerate(files.records(file), 2):
        missing = [name for name in JUDGED if name not in record]
        if missing:
            raise UserError(
                f"{file} has no column {missing[0]}; its first line is {', '.join(record)}, and "
                f"must name {', '.join(JUDGED)}"
            )
        query, document = (str(record[name]) for name in JUDGED[:2])
        for name, known, of in ((query, queries, "queries"), (document, documents, "corpus")):
            if name not in known:
                raise UserError(f"{file} line {line} names {name}, which is not in {of}.jsonl")
        if document in judged.setdefault(query, {}):
            raise UserError(f"{file} line {line} judges {query} and {document} once more")
        judged[query][document] = _whole(record["score"], f"{file} line {line}")
    if not any(score > 0 for of_query in judged.values() for score in of_query.values()):
        raise UserError(f"{file} says of nothing that it is relevant; there is nothing to score")
    return judged
