"""candidates: pairs, triples and lists, and what is refused by row."""

import pytest

from distil_jax import notes
from distil_jax.errors import UserError
from distil_jax.tasks import candidates


def read(*rows, columns=(), label=""):
    return candidates.read(iter(rows), "f.jsonl", columns, label)


def test_pairs_are_grouped_by_their_query():
    pairs = read(
        {"query_id": 1, "query": "a", "sentence": "x", "label": 1, "title": "t"},
        {"query_id": 2, "query": "b", "sentence": "y", "label": 0},
        {"query_id": 1, "query": "a", "sentence": "z", "label": 0},
    )
    assert pairs.documents == ["x", "y", "z"]
    assert (pairs.groups, pairs.labels, pairs.scores) == ([0, 1, 0], [1.0, 0.0, 0.0], [])
    rows = [{"query_id": None, "query": query, "passage": "x", "label": 1} for query in "aba"]
    assert read(*rows).groups == [0, 1, 0]
    scored = read({"query": "a", "passage": "x", "score": -2.5})
    assert scored.scores == scored.labels == [-2.5]
    assert read({"q": "a", "d": "x", "r": "1"}, columns=("q", "d"), label="r").labels == [1.0]
    with pytest.raises(UserError, match="no column label, nor score"):
        read({"": 0, "query": "a", "passage": "x"})  # pandas' index


@pytest.mark.parametrize("value", [None, "", "nan", float("nan")])
def test_pairs_without_a_label_are_left_out_and_counted(value, capsys, monkeypatch):
    monkeypatch.setattr(notes, "_said", set())
    row = {"query": "a", "passage": "x", "label": 1}
    pairs = read(row, row | {"label": value}, row | {"query": "b"})
    assert (pairs.queries, list(pairs.left_out)) == (["a", "b"], [1])
    assert "f.jsonl: 1 of 3 rows have no label and are left out" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"f\.jsonl has no labels"):
        read(row | {"label": value})


def test_triples_and_lists():
    triple = {"query": "a", "positive": "x", "negative": "y"}
    assert read(triple).labels == [1.0, 0.0]
    assert read({**triple, "score": 3.5}).scores == [3.5, 0.0]
    assert read({**triple, "pos_score": 9, "neg_score": 7}).scores == [9.0, 7.0]
    several = {"query": "a", "pos": ["x"], "neg": ["y", "z"]}
    many = read({**several, "scores": [3, 2, 1]}, {**triple, "scores": [5, 4]})
    assert (many.groups, many.scores) == ([0, 0, 0, 1, 1], [3.0, 2.0, 1.0, 5.0, 4.0])
    assert read(several, triple).labels == [1.0, 0.0, 0.0, 1.0, 0.0]
    written = {"query": "a", "pos": "['x']", "neg": '["y", "z"]', "scores": "[3, 2, 1]"}
    assert read(written) == read({**several, "scores": [3, 2, 1]})
    assert read({**several, "pos_scores": [3], "neg_scores": [2, 1]}).scores == [3.0, 2.0, 1.0]
    numbered = {"anchor": "a", "positive": "x", "negative_1": "y", "negative_2": "z"}
    assert read(numbered) == read(several)
    with pytest.raises(UserError, match="some rows have a teacher's score, others none"):
        read({**several, "scores": [3, 2, 1]}, triple)


def test_passages_that_are_records():
    passage = {"docid": "7", "title": "Head", "text": "body"}
    row = {"query": "a", "positive_passages": [passage], "negative_passages": [{"text": "other"}]}
    assert read(row).documents == ["Head body", "other"]
    with pytest.raises(UserError, match=r"row 0: negative_passages holds \{'docid': '7'\}, not"):
        read(row | {"negative_passages": [{"docid": "7"}]})


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"query": "", "passage": "x", "label": 1}, r"row 1: query holds '', not a text"),
        ({"query": "a", "passage": None, "label": 1}, r"row 1: passage holds None, not a text"),
        (
            {"query": "a", "passage": "x", "label": "yes"},
            r"row 1: label is 'yes', no finite number",
        ),
    ],
)
def test_bad_rows_are_named(row, message):
    with pytest.raises(UserError, match=r"f\.jsonl " + message):
        read({"query": "a", "passage": "x", "label": 1}, row)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"a": "x"}, r"columns a: none that is known to hold a query and a document"),
        ({"query": "a", "passage": "x"}, r"no column label, nor score"),
        ({"query": "a", "positive": "x"}, r"row 0 has one document"),
        ({"query": "a", "positive": "x", "negative": ["y", 3]}, r"row 0: negative holds 3"),
        (
            {"query": "a", "positive": "x", "negative": "y", "scores": [1]},
            r"2 documents and 1 scores",
        ),
    ],
)
def test_bad_tables_are_named(row, message):
    with pytest.raises(UserError, match=message):
        read(row)


QUERIES, DOCUMENTS = {"1": "a"}, {"x": "t", "y": "u"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.tsv", "query-id\tcorpus-id\n1\tx\n1\ty\n"),
        ("c.trec", "1 Q0 x 1 0.5 run\n1 Q0 y 2 0.4 run"),
        ("c.jsonl", '{"query-id": "1", "corpus-id": "x"}\n{"query-id": "1", "corpus-id": "y"}'),
    ],
)
def test_candidates_of_a_collection(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    judged = {"1": {"x": 2}}
    pairs = candidates.of_collection(tmp_path / name, QUERIES, DOCUMENTS, judged)
    assert pairs.document_ids == ["x", "y"]
    assert pairs.labels == [2.0, 0.0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\tz\n", r"c\.tsv line 1 names z, which is not in corpus"),
        ("9\tx\n", r"line 1 names 9, which is not in queries"),
        ("1\tx\n1\tx\n", r"line 2 names 1 and x once more"),
        ("1\n", r"line 1 has no document"),
    ],
)
def test_bad_candidates_are_named(tmp_path, text, message):
    (tmp_path / "c.tsv").write_text(text)
    with pytest.raises(UserError, match=message):
        candidates.of_collection(tmp_path / "c.tsv", QUERIES, DOCUMENTS, {"1": {"x": 1}})
