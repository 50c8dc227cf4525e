"""Texts without labels: what is damaged in a sentence, and what is never among them."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest


@pytest.fixture
def unlabelled(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import embedding_unlabelled

    return embedding_unlabelled


def write(file: Path, column: str, texts: list[str]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps({column: text}) + "\n" for text in texts))
    return file


def test_a_word_is_moved_left_out_or_repeated(unlabelled):
    words = ["she", "reads", "one", "book", "a", "day"]
    draw = random.Random(1)
    found = [unlabelled.damage(words, draw).split() for _ in range(60)]
    assert {len(one) for one in found} == {5, 6, 7}
    for one in found:
        less, more = Counter(words) - Counter(one), Counter(one) - Counter(words)
        assert (less.total(), more.total()) == {5: (1, 0), 6: (0, 0), 7: (0, 1)}[len(one)]
    assert all(one != words for one in found)


def test_no_sentence_that_scores_is_among_them(unlabelled, tmp_path):
    write(tmp_path / "glue/cola/train.jsonl", "sentence", ["we saw the old city", "no"])
    write(tmp_path / "glue/cola/validation.jsonl", "sentence", ["A river is wide."])
    texts = write(tmp_path / "all.jsonl", "text", ["a river is wide.", "it is late today", "x"])
    found = [row["sentence"] for row in unlabelled.sentences(tmp_path, texts)]
    assert len(found) == 2
    assert "it is late today" in found
