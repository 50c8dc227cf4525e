"""ranking_scores: trec_eval's numbers."""

import random

import numpy as np
import pytest

from distil_jax.tasks import ranking_scores


def test_any_ranking_is_scored_as_trec_eval_scores_it():
    import pytrec_eval

    drawn = random.Random(0)
    judged, found = {}, {}
    for query in map(str, range(40)):
        names = [f"d{number}" for number in range(drawn.randint(1, 30))]
        judged[query] = {name: drawn.choice([0, 0, 1, 3]) for name in names if drawn.random() < 0.7}
        judged[query] |= {"elsewhere": drawn.choice([0, 1])}
        # Few different scores: ties are common.
        found[query] = {name: float(drawn.randint(0, 4)) for name in names}
    names = {
        "ndcg_cut_10": "ndcg_10",
        "recip_rank_cut_10": "mrr_10",
        "map": "map",
        "P_1": "precision_1",
    }
    measures = {"ndcg_cut_10", "map", "P_1", "recip_rank"}
    theirs = pytrec_eval.RelevanceEvaluator(judged, measures).evaluate(found)
    ours = ranking_scores.scores(found, judged)
    for measure in ("ndcg_cut_10", "map", "P_1"):
        mean = 100 * np.mean([row[measure] for row in theirs.values()])
        assert ours[names[measure]] == pytest.approx(mean), measure
    ranks = [row["recip_rank"] for row in theirs.values()]
    assert ours["mrr_10"] == pytest.approx(100 * np.mean([x if x >= 0.1 else 0 for x in ranks]))


def test_queries_without_judgements_do_not_count():
    found = {"a": {"x": 1.0, "y": 0.0}, "b": {"x": 1.0}}
    assert ranking_scores.scores(found, {"a": {"x": 1}})["ndcg_10"] == pytest.approx(100)
