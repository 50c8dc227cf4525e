"""Retrieval by vectors: every document compared with every query, and the scores of the ranking."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from distil_jax.tasks.beir import Collection
from distil_jax.tasks.task_scores import Metrics

KEPT = 100
"""Documents of a ranking."""
SIMILARITIES = 1 << 26
"""Of queries and documents, computed at a time: about a gigabyte with what ranking them takes."""

Ranking = Mapping[str, Sequence[tuple[str, float]]]
"""By query its best documents with their similarities, the best first."""


def rank(
    collection: Collection,
    queries: Float[np.ndarray, "queries width"],
    documents: Float[np.ndarray, "documents width"],
) -> Ranking:
    """The nearest documents of each judged query by cosine, `KEPT` at most.

    Vectors stand in the order of the collection and have length 1. Of equally near documents the
    last by its id comes first, as in trec_eval. A query that is a document is not ranked for
    itself.
    """
    ids = list(collection.documents)
    order = np.asarray(sorted(range(len(ids)), key=ids.__getitem__, reverse=True))
    places = {name: row for row, name in enumerate(collection.queries)}
    judged = list(collection.judgements)
    chosen = jnp.asarray(queries[[places[name] for name in judged]])
    similarities, numbers = nearest(chosen, documents[order], min(KEPT + 1, len(ids)))
    ranking, own = {}, collection.own
    for name, of_query, found in zip(judged, similarities, numbers, strict=True):
        ranked = zip((ids[order[number]] for number in found), map(float, of_query), strict=True)
        others = [pair for pair in ranked if pair[0] != name or name not in own]
        ranking[name] = others[:KEPT]
    return ranking


def nearest(
    queries: Float[Array, "queries width"], documents: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Similarity and row of the `count` nearest documents, the nearest first."""
    best = jnp.full((len(queries), 0), -jnp.inf)
    rows = jnp.zeros((len(queries), 0), jnp.int32)
    rows_at_once = max(1, SIMILARITIES // len(queries))
    for start in range(0, len(documents), rows_at_once):
        block = jnp.asarray(documents[start : start + rows_at_once])
        best, rows = _merge(queries, block, best, rows, start, count=count)
    return np.asarray(best), np.asarray(rows)


def _merge(
    queries: Float[Array, "queries width"],
    block: Float[Array, "documents width"],
    best: Float[Array, "queries kept"],
    rows: Int[Array, "queries kept"],
    start: int,
    *,
    count: int,
) -> tuple[Array, Array]:
    similarities = jnp.matmul(queries, block.T, precision="highest")
    every = jnp.concatenate([best, similarities], axis=1)
    numbers = jnp.broadcast_to(start + jnp.arange(len(block), dtype=jnp.int32), similarities.shape)
    found, places = jax.lax.top_k(every, min(count, every.shape[1]))
    return found, jnp.take_along_axis(jnp.concatenate([rows, numbers], axis=1), places, axis=1)


def scores(ranking: Ranking, judgements: Mapping[str, Mapping[str, int]]) -> Metrics:
    """nDCG@10, recall@100 and MRR@10, means over the judged queries, times 100.

    As in trec_eval: the gain of a document is its judgement, the discount log2(rank + 1).
    """
    by_query = [_of_query(ranking[name], judged) for name, judged in judgements.items()]
    ndcg, recall, reciprocal = (100 * float(np.mean(each)) for each in zip(*by_query, strict=True))
    return {"ndcg@10": ndcg, "recall@100": recall, "mrr@10": reciprocal}


def _of_query(
    ranked: Sequence[tuple[str, float]], judged: Mapping[str, int]
) -> tuple[float, float, float]:
    gains = [max(judged.get(name, 0), 0) for name, _ in ranked]
    ideal = _discounted(sorted((max(score, 0) for score in judged.values()), reverse=True)[:10])
    relevant = sum(score > 0 for score in judged.values())
    found = sum(gain > 0 for gain in gains[:KEPT])
    first = next((place for place, gain in enumerate(gains[:10], 1) if gain > 0), None)
    return (
        _discounted(gains[:10]) / ideal if ideal else 0.0,
        found / relevant if relevant else 0.0,
        1 / first if first else 0.0,
    )


def _discounted(gains: Sequence[int]) -> float:
    return float(sum(gain / np.log2(place + 1) for place, gain in enumerate(gains, 1)))
