"""Entities out of a model's outputs, with their places in the text."""

from collections.abc import Sequence

import numpy as np
import scipy.special

from distil_jax.tasks import tag_schemes
from distil_jax.tasks.kind import Labels, Outputs, Prediction
from distil_jax.tasks.tagged import Sentence
from distil_jax.tasks.words import WordTokens


def predictions(
    labels: Labels,
    ids: Sequence[str],
    rows: Sequence[Sentence],
    tokens: WordTokens,
    outputs: Outputs,
) -> list[Prediction]:
    """A record for each sentence: BIO tags of its words, and its entities.

    Each word has its likeliest tag; I without a beginning begins an entity, as conlleval reads it.
    """
    full = tag_schemes.with_prefixes(labels)
    labels = tuple(full[label] for label in labels)
    return [
        {"id": name, **_prediction(labels, row, tokens.of_words(outputs, number))}
        for number, (name, row) in enumerate(zip(ids, rows, strict=True))
    ]


def _prediction(labels: Labels, row: Sentence, logits: np.ndarray) -> Prediction:
    """Tags and entities out of the logits [words, labels] of a sentence."""
    there = np.isfinite(logits).all(-1) if len(logits) else np.empty(0, bool)
    shares = scipy.special.softmax(np.where(there[:, None], logits, 0.0).astype(np.float64), -1)
    best = shares.argmax(-1)
    tags = [
        labels[number] if known else tag_schemes.OUTSIDE
        for number, known in zip(best.tolist(), there.tolist(), strict=True)
    ]
    found = tag_schemes.entities(tags)
    entities = []
    for entity in found:
        first, last = int(row.words[entity.first, 0]), int(row.words[entity.last - 1, 1])
        inside = slice(entity.first, entity.last)
        entities.append(
            {
                "start": first,
                "end": last,
                "label": entity.type,
                "text": row.text[first:last],
                "score": float(shares[inside].max(-1).mean()),
            }
        )
    return {"label": tag_schemes.bio(found, len(tags)), "scores": {}, "entities": entities}
