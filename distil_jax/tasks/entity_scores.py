"""Scores of entities: right are those whose first word, last word and type are right.

The same numbers as seqeval's strict mode over BIO tags, and CoNLL's evaluation.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from distil_jax.tasks import tag_schemes

Metrics = dict[str, float]


def scores(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> Metrics:
    """F1, precision and recall over all entities, F1 of each type, and the share of right tags.

    Types are those of `gold`: what else one model predicts and another does not counts in all.
    """
    right, found, wanted = Counter[str](), Counter[str](), Counter[str]()
    tags = alike = 0
    for ours, theirs in zip(predicted, gold, strict=True):
        of_ours, of_theirs = set(tag_schemes.entities(ours)), set(tag_schemes.entities(theirs))
        right.update(entity.type for entity in of_ours & of_theirs)
        found.update(entity.type for entity in of_ours)
        wanted.update(entity.type for entity in of_theirs)
        tags += len(theirs)
        alike += sum(one == other for one, other in zip(ours, theirs, strict=True))
    overall = {
        "entity_f1": f1(right.values(), found.values(), wanted.values()),
        "entity_precision": _percent(right.total(), found.total()),
        "entity_recall": _percent(right.total(), wanted.total()),
        "tag_accuracy": _percent(alike, tags),
    }
    of_types = {
        f"{kind}_f1": f1([right[kind]], [found[kind]], [wanted[kind]]) for kind in sorted(wanted)
    }
    return overall | of_types | overall  # a type may be called entity


def f1(right: Iterable[int], found: Iterable[int], wanted: Iterable[int]) -> float:
    """The harmonic mean of precision and recall, in percent; 0 where nothing is right."""
    return _percent(2 * sum(right), sum(found) + sum(wanted))


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
