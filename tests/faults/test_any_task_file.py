"""Whatever a task's files hold, they are read or refused in one clear error."""

import contextlib
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from distil_jax import tokenizer
from distil_jax.errors import UserError
from distil_jax.tasks.beir import read_collection
from distil_jax.tasks.kind import DataRequest
from distil_jax.tasks.named import TASKS
from distil_jax.tasks.sources import Source
from distil_jax.tasks.table import EXAMPLE_KINDS

EXAMPLES = int(os.environ.get("DISTIL_JAX_FUZZ", "20"))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
TABLES: dict[str, list[list[dict[str, Any]]]] = {
    "ner": [
        [{"tokens": ["the", "river", "Old"], "tags": ["O", "B-LOC", "I-LOC"]}] * 3,
        [{"text": "the city", "entities": [{"start": 4, "end": 8, "label": "LOC"}]}] * 3,
    ],
    "multilabel": [
        [{"text": "the old city", "labels": ["a", "b"]}, {"text": "river", "labels": ["c"]}],
        [{"text": "the old city", "a": 1, "b": 0}, {"text": "river", "a": 0, "b": 1}],
    ],
    "rerank": [
        [{"query": "the city", "passage": "old river", "label": n} for n in (0, 1, 1)],
        [{"query": "the city", "positive": "old", "negatives": ["in", "is"], "score": [2, 1, 0]}],
    ],
}
CONLL = "-DOCSTART- O\n\nthe O\nriver B-LOC\n\n# a comment\nold O\ncity B-LOC\nto I-LOC\n"


@pytest.fixture(scope="module")
def letters(teacher_folder: Path):
    return tokenizer.load(teacher_folder)


def use(task: str, folder: Path, letters) -> None:
    """What fine-tuning reads first; a UserError is fine, and nothing else is."""
    named = TASKS[task]
    request = DataRequest(Source(str(folder)), (), "", (), 32, 8, training=True)
    with contextlib.suppress(UserError):
        EXAMPLE_KINDS[named.kind].data(named, request, letters)


def fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


@fuzzed
@pytest.mark.parametrize("task", sorted(TABLES))
@given(data=st.data())
def test_any_value_in_any_record(
    tmp_path: Path, letters, spoil_json: Callable[..., None], task: str, data: st.DataObject
) -> None:
    folder = fresh(tmp_path / "task")
    rows = json.loads(json.dumps(data.draw(st.sampled_from(TABLES[task]))))
    (folder / "validation.jsonl").write_text("\n".join(map(json.dumps, rows)))
    spoil_json(rows, data)
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    if data.draw(st.booleans()):
        shutil.copy(folder / "train.jsonl", folder / "validation.jsonl")
    use(task, folder, letters)


@fuzzed
@given(data=st.data(), suffix=st.sampled_from([".conll", ".tsv", ".txt"]))
def test_any_damage_to_columns(tmp_path: Path, letters, data: st.DataObject, suffix: str) -> None:
    folder = fresh(tmp_path / "task")
    content = bytearray(CONLL.replace(" ", "\t" if suffix == ".tsv" else " ").encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content)))
        piece = data.draw(st.binary(max_size=3) | st.sampled_from([b"\t", b"\n", b" B-", b"\xff"]))
        content[place : place + data.draw(st.integers(0, 3))] = piece
    for split in ("train", "validation"):
        (folder / f"{split}{suffix}").write_bytes(content)
    use("ner", folder, letters)


def collection(folder: Path) -> Path:
    """A small one in BEIR's layout, with candidates."""
    chosen = random.Random(0)
    texts = [{"_id": f"d{n}", "title": "", "text": f"the old city {n}"} for n in range(4)]
    queries = [{"_id": f"q{n}", "text": f"river {n}"} for n in range(2)]
    pairs = [(f"q{n % 2}", f"d{n}", chosen.randint(1, 2)) for n in range(4)]
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, texts)))
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)))
    (folder / "qrels").mkdir()
    lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, pair)) for pair in pairs)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(lines))
    lines = ["query-id\tcorpus-id", *("\t".join(pair[:2]) for pair in pairs)]
    (folder / "candidates.tsv").write_text("\n".join(lines))
    train = TABLES["rerank"][0]
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, train)))
    return folder


@fuzzed
@given(data=st.data())
def test_any_harm_to_a_collection(
    tmp_path: Path,
    letters,
    spoil_file: Callable[..., None],
    spoil_json: Callable[..., None],
    data: st.DataObject,
) -> None:
    folder = collection(fresh(tmp_path / "task"))
    names = ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv", "candidates.tsv"]
    file = folder / data.draw(st.sampled_from(names))
    if data.draw(st.booleans()):
        spoil_file(file, data)
    else:
        rows = [
            json.loads(line)
            if file.suffix == ".jsonl"
            else dict(zip(("query-id", "corpus-id", "score"), line.split("\t"), strict=False))
            for line in file.read_text().splitlines()
            if not line.startswith("query-id")
        ]
        spoil_json(rows, data)
        file.write_text("\n".join(map(json.dumps, rows)))
    with contextlib.suppress(UserError):
        read_collection(folder)
    use("rerank", folder, letters)
