"""Reranking: a score of a query and a document read together, learnt from labels or a teacher.

Three kinds that differ in their loss, of `ranking_losses`. Scores are the head's output as it is.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from distil_jax.data.file_kind import why_no_file
from distil_jax.errors import UserError
from distil_jax.models.types import Batch
from distil_jax.notes import note
from distil_jax.pretrained import Head, Pretrained
from distil_jax.pretrained.config_file import RAW_SCORE
from distil_jax.tasks import candidates, ranking_losses, ranking_scores, texts
from distil_jax.tasks.beir import read_collection
from distil_jax.tasks.candidates import Pairs
from distil_jax.tasks.classification import HEAD
from distil_jax.tasks.encoding import Encoded, encode
from distil_jax.tasks.files import Record
from distil_jax.tasks.kind import (
    DataRequest,
    EvalSplit,
    ExampleKind,
    Labels,
    Objective,
    Outputs,
    Prediction,
    TaskData,
    TrainingSet,
    UserText,
)
from distil_jax.tasks.named import NamedTask
from distil_jax.tasks.ranking_scores import Ranked
from distil_jax.tasks.regression import REGRESSION
from distil_jax.training.progress import Display

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SCORE = RAW_SCORE
LARGEST_GROUP = 8
"""Documents of a query that are compared in a step: more are parts of their own."""


@dataclass(frozen=True)
class _Split:
    """What is ranked, and what is relevant; `judged` counts documents that are no candidates."""

    pairs: Pairs
    judged: Ranked


def data(
    task: NamedTask,
    request: DataRequest,
    tokenizer: "PreTrainedTokenizerFast",
    *,
    grouped: bool = True,
) -> TaskData:
    """Pairs of queries and documents, encoded; raises `UserError`.

    `grouped`: a query's documents are learnt from together, as losses that compare them need.
    """
    train = _train(request) if request.training else None
    splits = {"validation": _validation(request)}
    test = request.source.records("test", scored=False) if _flat(request, "test") else None
    if test is not None:
        splits["test"] = _flat_split(request, test, "test")
    encode_pairs = partial(_encoded, tokenizer=tokenizer, length=request.length)
    parts = [
        EvalSplit(
            name,
            encode_pairs(split.pairs),
            len(split.pairs),
            partial(predictions, split.pairs),
            split.pairs.labels,
            partial(_metrics, split.judged),
        )
        for name, split in splits.items()
    ]
    training = None if train is None else _training(train, encode_pairs, grouped)
    read = [split.pairs for split in splits.values()] + ([train] if train is not None else [])
    left_out = sum(len(pairs.left_out) for pairs in read)
    counts = {
        "train": 0 if train is None else len(train),
        **{name: len(split.pairs) for name, split in splits.items()},
        **{f"{name}_queries": len(set(split.pairs.query_ids)) for name, split in splits.items()},
        "truncated": sum(part.encoded.truncated for part in parts),
        "strided": 0,
        **({"without_label": left_out} if left_out else {}),
    }
    return TaskData(
        (SCORE,),
        1,
        (0.0, 1.0),
        request.length,
        training,
        tuple(parts[:1]),
        tuple(parts[1:]),
        counts,
    )


def _train(request: DataRequest) -> Pairs:
    rows = request.source.records("train")
    if rows is None:
        raise UserError(
            f"{request.source.location or '--data'} has no training split (train.jsonl, .json, "
            ".csv, .tsv or .parquet); name one with --train, or score the model with --epochs=0"
        )
    origin = request.source.describe("train")
    pairs = candidates.read(rows, origin, request.columns, request.label)
    values = pairs.scores or pairs.labels
    if len(set(values)) == 1:
        raise UserError(f"{origin} has one label only, {values[0]:g}; there is nothing to learn")
    if pairs.scores:
        warn_of_shares(origin, np.asarray(pairs.scores))
    return pairs


def warn_of_shares(origin: str, scores: np.ndarray) -> None:
    """Point out scores that look like a sigmoid's output."""
    if len(scores) and scores.min() >= 0 and scores.max() <= 1:
        Display().warn(
            f"the scores of {origin} all lie in 0..1, as behind a sigmoid: margins and lists are "
            "learnt from raw scores (logits); take it off if there is one"
        )


def _flat(request: DataRequest, split: str) -> bool:
    """Whether a split is a table, and no folder in BEIR's layout stands behind it."""
    return not _is_collection(request.source.location) and request.source.find(split) is not None


def _is_collection(location: str) -> bool:
    return bool(location) and any(Path(location).glob("corpus.jsonl*"))


def _validation(request: DataRequest) -> _Split:
    source = request.source
    if _is_collection(source.location):
        return _of_collection(Path(source.location), source.given.get("validation"))
    rows = source.records("validation")
    if rows is None:
        raise UserError(
            f"{source.location or '--data'} has neither a validation table of queries and "
            "documents nor a corpus.jsonl; name one with --validation, or a folder in BEIR's layout"
        )
    return _flat_split(request, rows, "validation")


def _flat_split(request: DataRequest, rows: Iterable[Record], split: str) -> _Split:
    origin = request.source.describe(split)
    pairs = candidates.read(rows, origin, request.columns, request.label)
    if pairs.scores == pairs.labels:
        note(f"{origin} has no labels: its scores are taken for how relevant each document is")
    judged: dict[str, dict[str, float | int]] = {}
    for query, document, label in zip(
        pairs.query_ids, pairs.document_ids, pairs.labels, strict=True
    ):
        of_query = judged.setdefault(query, {})
        if document in of_query:
            raise UserError(f"{origin} names the document {document} of query {query} twice")
        of_query[document] = label
    return _Split(pairs, judged)


def _of_collection(folder: Path, given: Path | None) -> _Split:
    collection = read_collection(folder)
    file = given or candidates.candidates_file(folder)
    if file is None:
        raise UserError(
            f"{folder} does not say which documents are ranked: put a {candidates.CANDIDATES[0]} "
            "there (query-id, corpus-id), or name a file, or a run of TREC, with --validation"
        )
    if not file.is_file():
        raise UserError(f"{file} {why_no_file(file)}; give a file of candidates")
    pairs = candidates.of_collection(
        file, collection.queries, collection.documents, collection.judgements
    )
    return _Split(pairs, collection.judgements)


def _encoded(pairs: Pairs, tokenizer: "PreTrainedTokenizerFast", length: int) -> Encoded:
    return encode(pairs.queries, pairs.documents, tokenizer, length=length)


def _training(pairs: Pairs, encode_pairs: Callable[[Pairs], Encoded], grouped: bool) -> TrainingSet:
    units = _units(np.asarray(pairs.groups))
    groups = np.empty(len(pairs), np.int32)
    for number, members in enumerate(units):
        groups[members] = number
    targets = {"labels": np.asarray(pairs.labels, np.float32), "groups": groups}
    if pairs.scores:
        targets["scores"] = np.asarray(pairs.scores, np.float32)
    encode_for = partial(_encode_for, pairs)
    return TrainingSet(encode_pairs(pairs), targets, encode_for, units=units if grouped else None)


def _encode_for(pairs: Pairs, tokenizer: "PreTrainedTokenizerFast", length: int) -> Encoded:
    return _encoded(pairs, tokenizer, length)


def _units(groups: np.ndarray) -> tuple[np.ndarray, ...]:
    """The pairs of each query, in parts of at most `LARGEST_GROUP`."""
    order = np.argsort(groups, kind="stable")
    ends = np.flatnonzero(np.diff(groups[order])) + 1
    return tuple(
        members[start : start + LARGEST_GROUP]
        for members in np.split(order, ends)
        for start in range(0, len(members), LARGEST_GROUP)
    )


def predictions(pairs: Pairs, outputs: Outputs) -> list[Prediction]:
    """A record for each pair: its ids and its score."""
    return [
        {
            "id": query,
            "document": document,
            "label": float(row[0]),
            "scores": {SCORE: float(row[0])},
        }
        for query, document, row in zip(pairs.query_ids, pairs.document_ids, outputs, strict=True)
    ]


def _label(rows: Sequence[Record], text: UserText, first: int) -> list[Record]:
    return texts.label_rows(rows, text, first, _raw_scores)


def _raw_scores(ids: Sequence[str], outputs: Outputs) -> list[Prediction]:
    return [
        {"id": name, "label": float(row[0]), "scores": {SCORE: float(row[0])}}
        for name, row in zip(ids, outputs, strict=True)
    ]


def _serves(head: Head | None, labels: Labels, problem_type: str) -> bool:
    return head == HEAD and tuple(labels) == (SCORE,)


def _metrics(judged: Ranked, records: Sequence[Prediction]) -> dict[str, float]:
    found: dict[str, dict[str, float]] = {}
    for record in records:
        found.setdefault(record["id"], {})[record["document"]] = record["label"]
    return ranking_scores.scores(found, judged)


def _count(counted: Callable[[Batch], Array]) -> Callable[[Batch, str], Int[Array, ""]]:
    return lambda batch, _: jnp.sum(counted(batch), dtype=jnp.int32)


def concern(outputs: Outputs, teacher: str) -> None:
    """Point out a teacher whose scores look like shares."""
    warn_of_shares(f"teacher {teacher}", np.concatenate([row.ravel() for row in outputs]))


def check_one_score(model: Pretrained, folder: str) -> None:
    """Refuse a folder whose head has several outputs."""
    if model.head == HEAD and len(model.labels) != 1:
        raise UserError(
            f"{folder} has {len(model.labels)} outputs ({', '.join(model.labels)}); a reranker has "
            "one score"
        )


def _kind(name: str, objective: Objective, counted: Callable[[Batch], Array] | None) -> ExampleKind:
    kind = replace(
        REGRESSION,
        name=name,
        data=data,
        objective=objective,
        serves=_serves,
        columns=candidates.check_columns,
        label=_label,
        check_model=check_one_score,
        concern=concern,
    )
    return kind if counted is None else replace(kind, counted=_count(counted))


POINTWISE = replace(
    _kind("rerank", ranking_losses.pointwise, None), data=partial(data, grouped=False)
)
MARGINS = _kind("rerank_margin", ranking_losses.margins, ranking_losses.contrasts)
LISTWISE = _kind("rerank_listwise", ranking_losses.listwise, ranking_losses.first_of_group)
