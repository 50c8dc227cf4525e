"""retagging: the tags of any scheme as BIO, word by word."""

import random

import numpy as np
import pytest

from distil_jax.tasks import tag_schemes
from distil_jax.tasks.retagging import to_bio

TYPES = ("LOC", "PER")
BIO = tag_schemes.labels(TYPES)


@pytest.mark.parametrize("prefixes", ["I", "BI", "IE", "BIES"])
def test_sure_tags_become_the_entities_that_they_are(prefixes: str) -> None:
    own = ["O", *(f"{prefix}-{kind.lower()}" for kind in TYPES[::-1] for prefix in prefixes)]
    relabel, drawn = to_bio(own, BIO), random.Random(0)
    assert relabel is not None
    for _ in range(200):
        tags = drawn.choices(own, k=drawn.randint(1, 9))
        logits = 50.0 * np.asarray([[tag == label for label in own] for tag in tags], np.float32)
        found = [BIO[number] for number in relabel(logits).argmax(-1)]
        assert found == tag_schemes.bio(
            tag_schemes.entities([tag.upper() for tag in tags]), len(tags)
        )


def test_shares_are_kept_and_a_word_without_outputs_ends_an_entity() -> None:
    relabel = to_bio(["I-PER", "O"], ("O", "B-PER", "I-PER"))
    assert relabel is not None
    logits = np.log([[0.8, 0.2], [0.5, 0.5], [np.nan, np.nan], [0.9, 0.1]])
    expected = [[0.2, 0.8, 0.0], [0.5, 0.1, 0.4], [np.nan] * 3, [0.1, 0.9, 0.0]]
    np.testing.assert_allclose(np.exp(relabel(logits)), expected, rtol=1e-6, atol=1e-12)


def test_types_without_a_prefix_go_on() -> None:
    relabel = to_bio(["O", "loc", "per"], BIO)
    assert relabel is not None
    logits = 50.0 * np.eye(3)[[2, 2, 0, 1, 2]].astype(np.float32)
    found = [BIO[number] for number in relabel(logits).argmax(-1)]
    assert found == ["B-PER", "I-PER", "O", "B-LOC", "B-PER"]


def test_other_types_are_none() -> None:
    assert to_bio(["I-PER", "O"], BIO) is None
