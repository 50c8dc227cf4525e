"""Pairs of a query and a document: what is ranked, and what ranking is learnt from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distil_jax.data import file_kind
from distil_jax.data.file_kind import JSON, JSON_LINES, TEXT
from distil_jax.errors import UserError
from distil_jax.tasks import examples, files, list_text
from distil_jax.tasks.files import Record
from distil_jax.tasks.missing_labels import finite, is_missing, leave_out, no_label, shown

QUERIES = ("query", "question", "anchor", "sentence1")
DOCUMENTS = ("passage", "document", "text", "sentence", "doc", "answer", "sentence2")
QUERY_IDS = ("query_id", "query-id", "qid")
DOCUMENT_IDS = ("document_id", "corpus-id", "pid")
LABELS = ("label", "relevance", "labels", "qrel")
TEACHER_SCORES = ("score", "scores", "teacher_score", "logit", "logits")
POSITIVES = ("positive", "pos", "positives", "positive_passages")
NEGATIVES = ("negative", "neg", "negatives", "negative_passages")
SIDES = (
    (POSITIVES, 1.0, ("positive_score", "pos_score", "positive_scores", "pos_scores")),
    (NEGATIVES, 0.0, ("negative_score", "neg_score", "negative_scores", "neg_scores")),
)
"""Columns of a kind of documents, how relevant they are, and the columns of a teacher's scores."""
RUN_COLUMNS = 6
CANDIDATES = ("candidates.tsv", "candidates.jsonl", "candidates.trec", "run.trec", "run.tsv")


@dataclass
class Pairs:
    """Pairs in groups of one query each.

    Attributes:
      labels: how relevant each document is; -1: unknown.
      scores: a teacher's, of the file; empty where it has none.
      groups: the number of each pair's group, in order.
      left_out: rows without a label, by number, with what they have instead.
    """

    queries: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    query_ids: list[str] = field(default_factory=list)
    document_ids: list[str] = field(default_factory=list)
    labels: list[float] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    groups: list[int] = field(default_factory=list)
    left_out: dict[int, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.queries)

    def add(
        self, query: tuple[str, str], document: tuple[str, str], label: float, group: int
    ) -> None:
        """One pair; query and document are id and text."""
        self.query_ids.append(query[0])
        self.queries.append(query[1])
        self.document_ids.append(document[0])
        self.documents.append(document[1])
        self.labels.append(label)
        self.groups.append(group)


def read(rows: Iterable[Record], origin: str, columns: Sequence[str], label: str) -> Pairs:
    """The pairs of a table: pairs with a label or score, triples, or lists of documents.

    Raises `UserError` naming the row.
    """
    pairs, groups = Pairs(), dict[str, int]()
    read_row, count = None, 0
    for number, row in enumerate(rows):
        read_row = read_row or _reader(row, origin, columns, label)
        read_row(pairs, groups, row, f"{origin} row {number}")
        count += 1
    if not count:
        raise UserError(f"{origin} has no rows; give a table with some")
    if pairs.left_out:
        first = min(pairs.left_out)
        leave_out(pairs.left_out, count, origin, label or "label", pairs.left_out[first])
    if pairs.scores and len(pairs.scores) != len(pairs):
        raise UserError(
            f"{origin}: some rows have a teacher's score, others none; give all or none"
        )
    return pairs


def check_columns(row: Record, origin: str, columns: Sequence[str]) -> tuple[str, ...]:
    """The two columns given, or the usual ones that the record has; raises `UserError`."""
    if not columns:
        query = next((name for name in QUERIES if name in row), "")
        document = next((name for name in DOCUMENTS if name in row and name != query), "")
        columns = (query, document)
    if len(columns) != 2 or not all(columns):
        raise UserError(
            f"{origin} has the columns {', '.join(row)}: none that is known to hold a query and a "
            "document; name them with --columns=QUERY,DOCUMENT"
        )
    return examples.check_columns(row, origin, columns)


def _reader(row: Record, origin: str, columns: Sequence[str], label: str) -> Any:
    """What reads a table's rows, from the first: pairs, or documents by their relevance."""
    if not columns and any(name in row for name in POSITIVES):
        return _add_contrast
    columns = check_columns(row, origin, columns)
    relevance = label or next((name for name in LABELS if name in row), "")
    score = "" if relevance else next((name for name in TEACHER_SCORES if name in row), "")
    value = relevance or score
    if not value or value not in row:
        raise UserError(
            f"{origin} has no column {label or 'label, nor score'}; it has {', '.join(row)} "
            "(--label)"
        )

    def add(pairs: Pairs, groups: dict[str, int], row: Record, where: str) -> None:
        if no_label(row.get(value)):
            pairs.left_out[int(where.rpartition(" ")[2])] = row.get(value)
            return
        query, document = (_text(row, column, where) for column in columns)
        name = _id(row, QUERY_IDS, query)
        own = _id(row, DOCUMENT_IDS, str(len(pairs)))
        number = _number(row.get(value), value, where)
        pairs.add((name, query), (own, document), number, groups.setdefault(name, len(groups)))
        if score:
            pairs.scores.append(number)

    return add


def _id(row: Record, names: Sequence[str], default: str) -> str:
    return next((str(row[name]) for name in names if not is_missing(row.get(name))), default)


def _add_contrast(pairs: Pairs, groups: dict[str, int], row: Record, where: str) -> None:
    """A row of a query with one or more relevant documents and others."""
    query = _text(row, next((name for name in QUERIES if name in row), "query"), where)
    name, start = f"{len(groups)}", len(pairs)
    groups[name] = len(groups)
    for names, label, _ in SIDES:
        for column in _of_kind(row, names):
            for document in _listed(row[column]):
                text = _document(document, column, where)
                pairs.add((name, query), (str(len(pairs)), text), label, groups[name])
    if len(pairs) - start < 2:
        raise UserError(f"{where} has one document; ranking compares: give a negative, too")
    pairs.scores += _scores(row, len(pairs) - start, where)


def _of_kind(row: Record, names: Sequence[str]) -> list[str]:
    """The column of a kind of documents, or its numbered ones (negative_1, negative_2, ...)."""
    if found := next((name for name in names if name in row), ""):
        return [found]
    parts = {column: column.rpartition("_") for column in row}
    return [column for column, (name, _, n) in parts.items() if name in names and n.isdecimal()]


def _listed(value: Any) -> list[Any]:
    value = list_text.from_text(value)
    return value if isinstance(value, list) else [value]


def _document(document: Any, column: str, where: str) -> str:
    """A text, or title and text of a record, as Tevatron's tables have them."""
    text = document
    if isinstance(document, dict):
        parts = [document.get(name) for name in ("title", "text")]
        text = " ".join(part for part in parts if isinstance(part, str) and part.strip())
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"{where}: {column} holds {shown(document)}, not a text")
    return examples.clean(text)


def _scores(row: Record, count: int, where: str) -> list[float]:
    """A teacher's scores of a row's documents: a list, some for each kind, or their difference."""
    both = [next((row[name] for name in names if name in row), None) for _, _, names in SIDES]
    if all(value is not None for value in both):
        found = [score for value in both for score in _listed(value)]
    else:
        column = next((name for name in (*TEACHER_SCORES, "margin") if name in row), "")
        value = list_text.from_text(row.get(column)) if column else None
        if value is None:
            return []
        found = value if isinstance(value, list) else [value, 0.0]
    if len(found) != count:
        raise UserError(f"{where} has {count} documents and {len(found)} scores; each has one")
    return [_number(value, "score", where) for value in found]


def _text(row: Record, column: str, where: str) -> str:
    value = row.get(column)
    if not isinstance(value, str | int | float) or not str(value).strip():
        raise UserError(f"{where}: {column} holds {value!r}, not a text; fill it in")
    return examples.clean(str(value))


def _number(value: Any, column: str, where: str) -> float:
    number = finite(value)
    if number is None:
        raise UserError(f"{where}: {column} is {shown(value)}, no finite number; fix it")
    return number


def candidates_file(folder: Path) -> Path | None:
    """The file of a folder that says which documents are ranked for each query."""
    return next((folder / name for name in CANDIDATES if (folder / name).is_file()), None)


def of_collection(
    file: Path,
    queries: Mapping[str, str],
    documents: Mapping[str, str],
    judged: Mapping[str, Mapping[str, int]],
) -> Pairs:
    """The given candidates of a BEIR collection; raises `UserError` for unknown or repeated ids.

    `file` has columns query-id and corpus-id, or is TREC's run: query Q0 document rank score tag.
    """
    pairs, groups = Pairs(), dict[str, int]()
    seen: set[tuple[str, str]] = set()
    for line, (query, document) in _lines(file):
        for name, known, of in ((query, queries, "queries"), (document, documents, "corpus")):
            if name not in known:
                raise UserError(f"{file} line {line} names {name}, which is not in {of}.jsonl")
        if (query, document) in seen:
            raise UserError(f"{file} line {line} names {query} and {document} once more")
        seen.add((query, document))
        pairs.add(
            (query, queries[query]),
            (document, documents[document]),
            float(judged.get(query, {}).get(document, 0)),
            groups.setdefault(query, len(groups)),
        )
    if not any(query in judged for query in groups):
        raise UserError(f"{file} has no candidate of a judged query; there is nothing to score")
    return pairs


def _lines(file: Path) -> Iterator[tuple[int, tuple[str, str]]]:
    """Line number, query and document."""
    of_known_kind = file_kind.suffix(file) in file_kind.SUFFIXES
    if of_known_kind and files.kind(file) in (JSON, JSON_LINES):
        for line, record in enumerate(files.records(file), 1):
            names = [record.get("query-id"), record.get("corpus-id")]
            if any(name is None for name in names):
                raise UserError(
                    f"{file} line {line} has no query-id or corpus-id; it has {', '.join(record)}"
                )
            yield line, (str(names[0]), str(names[1]))
        return
    for line, record in enumerate(files.READERS[TEXT](file), 1):
        cells = record["text"].split("\t" if "\t" in record["text"] else None)
        if not cells or (line == 1 and cells[0].strip() in ("query-id", "query_id", "qid")):
            continue
        if len(cells) < 2:
            raise UserError(f"{file} line {line} has no document; give query-id and corpus-id")
        second = 2 if len(cells) == RUN_COLUMNS else 1
        yield line, (cells[0].strip(), cells[second].strip())
