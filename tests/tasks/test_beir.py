"""Collections in BEIR's layout, and what is refused with file and line."""

import json

import pytest

from distil_jax.errors import UserError
from distil_jax.tasks.beir import read_collection

CORPUS = [
    {"_id": "a", "title": "Rivers", "text": "the old river"},
    {"_id": "b", "title": "", "text": "the city"},
    {"_id": "c", "text": "to and fro"},
]
QUERIES = [{"_id": "1", "text": "river"}, {"_id": "2", "text": "city"}]
QRELS = [("1", "a", "2"), ("1", "b", "0"), ("2", "b", "1")]


def write(folder, corpus=CORPUS, queries=QUERIES, qrels=QRELS, head="query-id\tcorpus-id\tscore"):
    (folder / "qrels").mkdir(exist_ok=True)
    for name, records in (("corpus", corpus), ("queries", queries)):
        lines = [json.dumps(record) for record in records]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    rows = [head, *("\t".join(row) for row in qrels)]
    (folder / "qrels" / "test.tsv").write_text("\n".join(rows) + "\n")
    return folder


def test_a_document_is_title_and_text(tmp_path):
    collection = read_collection(write(tmp_path))
    assert collection.documents == {
        "a": "Rivers the old river",
        "b": "the city",
        "c": "to and fro",
    }
    assert collection.judgements == {"1": {"a": 2, "b": 0}, "2": {"b": 1}}
    assert collection.split == "test"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"corpus": [*CORPUS, CORPUS[0]]}, r"corpus.jsonl record 4: the _id a was there before"),
        ({"queries": [*QUERIES, QUERIES[1]]}, r"queries.jsonl record 3: the _id 2 was there"),
        ({"qrels": [*QRELS, ("1", "x", "1")]}, r"test.tsv line 5 names x, .* not in corpus.jsonl"),
        ({"qrels": [*QRELS, ("9", "a", "1")]}, r"test.tsv line 5 names 9, .* not in queries.jsonl"),
        ({"qrels": [*QRELS, QRELS[0]]}, r"test.tsv line 5 judges 1 and a once more"),
        ({"qrels": [("1", "a", "high")]}, r"test.tsv line 2: the score 'high' is no whole number"),
        ({"qrels": [("1", "a", "0")]}, r"test.tsv says of nothing that it is relevant"),
        ({"head": "query\tdocument\tscore"}, r"test.tsv has no column query-id"),
        ({"corpus": [{"text": "no id"}]}, r"corpus.jsonl record 1 has no _id"),
        ({"corpus": [{"_id": "a", "body": "x"}]}, r"corpus.jsonl record 1 \(a\) has no text"),
        ({"queries": [{"_id": "1", "text": " "}]}, r"queries.jsonl: query 1 has no text"),
        ({"corpus": []}, r"corpus.jsonl has no records"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        read_collection(write(tmp_path, **changes))


def test_a_missing_file_is_named(tmp_path):
    write(tmp_path)
    (tmp_path / "qrels" / "test.tsv").unlink()
    with pytest.raises(UserError, match=r"has no qrels/test.tsv"):
        read_collection(tmp_path)
    (tmp_path / "queries.jsonl").unlink()
    with pytest.raises(UserError, match=r"has no queries.jsonl"):
        read_collection(tmp_path)
    with pytest.raises(UserError, match=r"--data=.*nowhere is not a folder"):
        read_collection(tmp_path / "nowhere")
