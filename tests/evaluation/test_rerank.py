"""Reranking from end to end: tables, triples, BEIR folders with candidates, a teacher."""

import json
import random

import pytest

from distil_jax import export, predict, pretrained
from distil_jax.errors import UserError

from .conftest import write

TOPICS = ("river", "city", "old")


def queries(count: int, seed: int) -> list[dict]:
    """Of a query's three documents the one about the river is relevant."""
    chosen = random.Random(seed)
    rows = []
    for number in range(count):
        query = f"in the {chosen.choice(TOPICS)}"
        for word in chosen.sample(TOPICS, k=3):
            text = " ".join([*chosen.choices(["the", "of", "was"], k=3), word])
            row = {"query_id": f"q{number}", "query": query, "passage": text}
            rows.append({**row, "label": int(word == "river")})
    return rows


@pytest.fixture(scope="module")
def passages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rerank")
    write(folder / "train.jsonl", queries(60, 0))
    write(folder / "validation.jsonl", queries(20, 1))
    return folder


@pytest.fixture(scope="module")
def tuned_ranks(tmp_path_factory, teacher_folder, passages, evaluate):
    output = tmp_path_factory.mktemp("ranks") / "output"
    evaluate(teacher_folder, output, task="rerank_listwise", data=passages, epochs=8, micro=4)
    return output


def test_scores_are_trec_evals(tuned_ranks):
    import pytrec_eval

    found = json.loads((tuned_ranks / "results.json").read_text())
    assert found["metric"] == "ndcg_10"
    assert found["score"] > 85  # chance is 71
    judged, ranked = {}, {}
    lines = (tuned_ranks / "seed-0" / "predictions.jsonl").read_text().splitlines()
    for line, row in zip(lines, queries(20, 1), strict=True):
        record = json.loads(line)
        assert record["id"] == row["query_id"]
        judged.setdefault(record["id"], {})[record["document"]] = row["label"]
        ranked.setdefault(record["id"], {})[record["document"]] = record["label"]
    theirs = pytrec_eval.RelevanceEvaluator(judged, {"ndcg_cut_10", "map"}).evaluate(ranked)
    for ours, measure in (("ndcg_10", "ndcg_cut_10"), ("map", "map")):
        mean = 100 * sum(row[measure] for row in theirs.values()) / len(theirs)
        assert found["metrics"][ours] == pytest.approx(mean)


def test_a_beir_folder_is_ranked_over_its_candidates(tuned_ranks, evaluate, tmp_path):
    rows = queries(4, 5)
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    write(
        folder / "corpus.jsonl",
        [{"_id": f"d{n}", "text": r["passage"]} for n, r in enumerate(rows)],
    )
    asked = {row["query_id"]: row["query"] for row in rows}
    write(folder / "queries.jsonl", [{"_id": name, "text": text} for name, text in asked.items()])
    judged = [f"{r['query_id']}\td{n}\t{r['label']}" for n, r in enumerate(rows) if r["label"]]
    header = "query-id\tcorpus-id\tscore\n"
    (folder / "qrels" / "test.tsv").write_text(header + "\n".join(judged) + "\n")
    model = tuned_ranks / "seed-0" / "model"
    arguments = {"task": "rerank", "data": folder, "epochs": 0}
    with pytest.raises(
        UserError, match=r"does not say which documents are ranked: put a candidates"
    ):
        evaluate(model, tmp_path / "o", **arguments)
    given = [f"{row['query_id']}\td{number}" for number, row in enumerate(rows)]
    (folder / "candidates.tsv").write_text("\n".join(given))
    results = evaluate(model, tmp_path / "o", **arguments)
    assert results["counts"]["validation_queries"] == 4
    assert results["metrics"]["map"] > 50
    # The folder's head is opened by predict, too: the same raw score.
    lines = (tmp_path / "o" / "seed-0" / "predictions.jsonl").read_text().splitlines()
    write(tmp_path / "in.jsonl", rows[:2])
    predict.main(
        [
            f"--model={model}",
            f"--input={tmp_path / 'in.jsonl'}",
            f"--output={tmp_path / 'p.jsonl'}",
        ]
    )
    found = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert [row["query"] for row in found] == [row["query"] for row in rows[:2]]
    for row, line in zip(found, lines[:2], strict=True):
        expected = pytest.approx(json.loads(line)["label"], abs=1e-5)
        assert row["label"] == row["score"] == row["scores"]["score"] == expected


def test_a_step_of_the_pointwise_loss_has_as_many_pairs_as_asked(
    teacher_folder, passages, evaluate, tmp_path
):
    found = evaluate(
        teacher_folder, tmp_path / "o", task="rerank", data=passages, epochs=1, batch=36
    )
    assert found["counts"]["train"] == 180
    lines = (tmp_path / "o" / "seed-0" / "metrics.jsonl").read_text().splitlines()
    assert max(json.loads(line)["step"] for line in lines) == 180 / 36


def test_a_reranker_reads_two_texts(tuned_ranks, tmp_path):
    (tmp_path / "in.txt").write_text("the old river\n")
    with pytest.raises(UserError, match=r"in\.txt has the columns text: none .*=QUERY,DOCUMENT"):
        predict.main(
            [f"--model={tuned_ranks / 'seed-0' / 'model'}", f"--input={tmp_path / 'in.txt'}"]
        )


def test_an_export_scores_the_same(tuned_ranks, passages, evaluate, tmp_path):
    folder = tuned_ranks / "seed-0" / "model"
    export.main([f"--model={folder}", "--format=onnx", f"--output={tmp_path / 'onnx'}"])
    evaluate(tmp_path / "onnx", tmp_path / "o", task="rerank", data=passages, epochs=0)
    folders = (tuned_ranks / "seed-0", tmp_path / "o")
    theirs, ours = (
        [json.loads(line)["label"] for line in (f / "predictions.jsonl").read_text().splitlines()]
        for f in folders
    )
    assert ours == pytest.approx(theirs, abs=1e-5)


def test_a_cross_encoder_gives_the_same_raw_scores(tuned_ranks):
    from sentence_transformers import CrossEncoder

    folder = tuned_ranks / "seed-0" / "model"
    rows = queries(20, 1)[:6]
    lines = (tuned_ranks / "seed-0" / "predictions.jsonl").read_text().splitlines()[:6]
    opened = CrossEncoder(str(folder), device="cpu")
    theirs = opened.predict([(row["query"], row["passage"]) for row in rows])
    assert theirs.tolist() == pytest.approx([json.loads(line)["label"] for line in lines], abs=1e-4)


def test_other_heads_are_refused(tuned, passages, evaluate, tmp_path):
    with pytest.raises(UserError, match=r"has 2 outputs .*a reranker has one score"):
        evaluate(tuned / "seed-0" / "model", tmp_path / "o", task="rerank", data=passages, epochs=0)


@pytest.mark.slow
def test_triples_are_learnt_from_a_teachers_margins(
    tuned_ranks, teacher_folder, passages, evaluate, tmp_path
):
    triples = []
    rows = queries(60, 7)
    for start in range(0, len(rows), 3):
        of_query = rows[start : start + 3]
        positive = next(row["passage"] for row in of_query if row["label"])
        triples += [
            {"query": row["query"], "positive": positive, "negative": row["passage"]}
            for row in of_query
            if not row["label"]
        ]
    write(tmp_path / "train.jsonl", triples)
    teacher = tuned_ranks / "seed-0" / "model"
    results = evaluate(
        teacher_folder,
        tmp_path / "o",
        task="rerank_margin",
        train=tmp_path / "train.jsonl",
        validation=passages / "validation.jsonl",
        teacher=teacher,
        alpha=1.0,
        epochs=4,
    )
    before = json.loads((tuned_ranks / "results.json").read_text())["score"]
    assert results["score"] > before - 15
    assert pretrained.load(tmp_path / "o" / "seed-0" / "model").labels == ("score",)
