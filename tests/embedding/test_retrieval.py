"""Rankings and their scores are those of trec_eval."""

import jax.numpy as jnp
import numpy as np
import pytest

from distil_jax.embedding import retrieval
from distil_jax.tasks.beir import Collection


@pytest.fixture(scope="module")
def collection():
    draw = np.random.default_rng(0)
    documents = {f"d{n}": "text" for n in range(300)}
    queries = {f"q{n}": "text" for n in range(20)}
    judgements = {
        query: {f"d{n}": int(draw.integers(0, 4)) for n in draw.choice(300, 30, replace=False)}
        for query in list(queries)[:15]
    }
    judgements["q0"] = dict.fromkeys(judgements["q0"], 0)
    return Collection(documents, queries, judgements, "test")


@pytest.fixture(scope="module")
def ranking(collection):
    draw = np.random.default_rng(1)
    queries, documents = (
        draw.normal(size=(size, 8)).astype(np.float32)
        for size in (len(collection.queries), len(collection.documents))
    )
    documents[10:20] = documents[0]  # equally near
    queries, documents = (
        v / np.linalg.norm(v, axis=1, keepdims=True) for v in (queries, documents)
    )
    return retrieval.rank(collection, queries, documents)


def test_scores_are_those_of_trec_eval(collection, ranking):
    import pytrec_eval

    measures = {"ndcg_cut.10", "recall.100", "recip_rank"}
    evaluator = pytrec_eval.RelevanceEvaluator(collection.judgements, measures)
    run = {query: dict(ranked) for query, ranked in ranking.items()}
    theirs = evaluator.evaluate(run).values()
    ours = retrieval.scores(ranking, collection.judgements)
    for name, measure in (("ndcg@10", "ndcg_cut_10"), ("recall@100", "recall_100")):
        mean = 100 * np.mean([of_query[measure] for of_query in theirs])
        np.testing.assert_allclose(ours[name], mean, rtol=1e-6)
    top = {query: dict(ranked[:10]) for query, ranked in ranking.items()}
    reciprocal = [of_query["recip_rank"] for of_query in evaluator.evaluate(top).values()]
    np.testing.assert_allclose(ours["mrr@10"], 100 * np.mean(reciprocal), rtol=1e-6)


def test_equally_near_documents_stand_as_in_trec_eval(ranking):
    for ranked in ranking.values():
        order = sorted(ranked, key=lambda each: (each[1], each[0]), reverse=True)
        assert [name for name, _ in ranked] == [name for name, _ in order]


def test_a_query_that_is_a_document_is_not_ranked_for_itself():
    documents = {"a": "Title the claim", "b": "the answer", "c": "another", "1": "one", "2": "two"}
    queries = {"a": "the claim", "1": "a question with a document's number", "2": "two"}
    judgements = {"a": {"b": 1}, "1": {"1": 2}, "2": {"2": 1}}
    collection = Collection(documents, queries, judgements, "test")
    assert collection.own == {"a"}
    vectors = np.eye(5, dtype=np.float32)
    vectors[1] = 0.8 * vectors[0] + 0.6 * vectors[1]
    ranking = retrieval.rank(collection, vectors[[0, 3, 4]], vectors)
    assert [name for name, _ in ranking["a"]] == ["b", "c", "2", "1"]
    assert [ranking[name][0][0] for name in ("1", "2")] == ["1", "2"]
    assert retrieval.scores(ranking, judgements)["ndcg@10"] == 100


def test_as_many_are_kept_where_one_is_left_out():
    documents = {str(number): f"text {number}" for number in range(150)}
    collection = Collection(documents, {"7": "text 7"}, {"7": {"8": 1}}, "test")
    vectors = np.ones((150, 2), np.float32) / np.sqrt(2)
    ranking = retrieval.rank(collection, vectors[:1], vectors)
    names = [name for name, _ in ranking["7"]]
    assert names == sorted(set(documents) - {"7"}, reverse=True)[:100]


def test_blocks_of_documents_give_the_same_ranking_and_bound_the_memory(monkeypatch):
    draw = np.random.default_rng(2)
    queries = jnp.asarray(draw.normal(size=(4, 8)), jnp.float32)
    documents = draw.normal(size=(300, 8)).astype(np.float32)
    whole = retrieval.nearest(queries, documents, 100)
    merge, computed = retrieval._merge, []

    def counting(queries, block, *arguments, **options):
        computed.append(len(queries) * len(block))
        return merge(queries, block, *arguments, **options)

    monkeypatch.setattr(retrieval, "_merge", counting)
    for most in (4 * 64, 1):
        computed.clear()
        monkeypatch.setattr(retrieval, "SIMILARITIES", most)
        for one, other in zip(whole, retrieval.nearest(queries, documents, 100), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-5)
        assert max(computed) == max(most, len(queries))
