"""Texts without labels: what is damaged in a sentence, and what is never among them."""

import json
import random
from collections import Counter
from dataclasses import replace
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
    assert len(found) == unlabelled.DAMAGED + 1
    assert "it is late today" in found


def write_pairs(file: Path, pairs: list[tuple[str, str]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"sentence1": first, "sentence2": second} for first, second in pairs]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_pairs_of_other_tasks_without_a_sentence_that_scores(unlabelled, tmp_path):
    write_pairs(tmp_path / "glue/stsb/train.jsonl", [("A dog.", "a cat"), ("He ran", "It rained")])
    write_pairs(tmp_path / "glue/mrpc/validation.jsonl", [("it rained!", "no")])
    assert unlabelled.pairs(tmp_path, "mrpc") == [{"sentence1": "A dog.", "sentence2": "a cat"}]


def test_phrases_are_those_that_no_label_is_learnt_of(unlabelled, tmp_path, monkeypatch):
    texts = [f"film number {number} is good" for number in range(8)]
    write(tmp_path / "glue/sst2/train.jsonl", "sentence", [*texts, "short one"])
    write(tmp_path / "glue/sst2/validation.jsonl", "sentence", ["Film number 1 is good ."])
    (study,) = (task for task in unlabelled.STUDIED if task.name == "sst2")
    monkeypatch.setattr(unlabelled, "STUDIED", [replace(study, rows=3)])
    found = {row["sentence"] for row in unlabelled.phrases(tmp_path)}
    assert found == {texts[number] for number in (2, 4, 5, 7)}
