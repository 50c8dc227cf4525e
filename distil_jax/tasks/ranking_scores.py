"""Scores of ranked documents, as trec_eval computes them."""

from collections.abc import Mapping

import numpy as np

Ranked = Mapping[str, Mapping[str, float | int]]
"""By query, by document: a score, or how relevant it is."""
DEPTH = 10


def scores(found: Ranked, judged: Ranked) -> dict[str, float]:
    """nDCG@10, MRR@10, mean average precision and precision@1, means over the judged queries found.

    One without a candidate does not count, which is trec_eval's default. Gains are linear, the
    ideal order is that of all judged documents, and of equal scores the greater id stands first.
    In points from 0 to 100.
    """
    rows = [
        _of_query(found[query], judged[query]) for query in found if judged.get(query) is not None
    ]
    means = np.mean(rows, axis=0) if rows else np.zeros(4)
    names = ("ndcg_10", "mrr_10", "map", "precision_1")
    return {name: 100 * float(mean) for name, mean in zip(names, means, strict=True)}


def _of_query(found: Mapping[str, float | int], judged: Mapping[str, float | int]) -> list[float]:
    order = sorted(found, key=lambda name: (found[name], name), reverse=True)
    gains = np.asarray([max(judged.get(name, 0), 0) for name in order], np.float64)
    ideal = np.sort([max(gain, 0) for gain in judged.values()])[::-1].astype(np.float64)
    relevant = gains > 0
    first = np.flatnonzero(relevant[:DEPTH])
    hits = np.cumsum(relevant) / np.arange(1, len(gains) + 1)
    count = int((ideal > 0).sum())
    return [
        _discounted(gains) / _discounted(ideal) if count else 0.0,
        1 / (first[0] + 1) if len(first) else 0.0,
        float(hits[relevant].sum()) / count if count else 0.0,
        float(relevant[0]),
    ]


def _discounted(gains: np.ndarray) -> float:
    kept = gains[:DEPTH]
    return float((kept / np.log2(np.arange(2, len(kept) + 2))).sum())
