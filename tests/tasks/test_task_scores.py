"""Scores on hand-made cases, worked out by hand or by the definition."""

import numpy as np
import pytest

from distil_jax.tasks import squad_score, task_scores

PREDICTED = np.array([1, 1, 0, 1, 0, 0, 1, 0])
RIGHT = np.array([1, 0, 0, 1, 1, 0, 1, 0])  # 3 true positives, 1 false positive, 1 false negative


def test_accuracy_and_f1():
    found = task_scores.accuracy_f1(PREDICTED, RIGHT)
    assert found == pytest.approx({"accuracy": 75.0, "f1": 75.0, "accuracy_f1": 75.0})
    skewed = task_scores.accuracy_f1(np.array([1, 1, 1, 0]), np.array([1, 0, 0, 0]))
    assert skewed == pytest.approx({"accuracy": 50.0, "f1": 50.0, "accuracy_f1": 50.0})
    lopsided = task_scores.accuracy_f1(np.array([1, 0, 0, 0]), np.array([1, 1, 1, 0]))
    assert lopsided["f1"] == pytest.approx(100 * 2 * 1 / (2 * 1 + 2))


def test_matthews():
    # (tp tn - fp fn) / sqrt((tp+fp)(tp+fn)(tn+fp)(tn+fn)) = (9 - 1) / 16
    assert task_scores.matthews(PREDICTED, RIGHT)["matthews"] == pytest.approx(50.0)
    assert task_scores.matthews(np.ones(8, int), RIGHT)["matthews"] == 0.0
    assert task_scores.matthews(np.ones(2, int), np.ones(2, int))["matthews"] == 0.0


def test_macro_f1_counts_every_class_alike():
    found = task_scores.accuracy(np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1]))
    assert found == pytest.approx({"accuracy": 75.0, "macro_f1": 100 * (6 / 7) / 2})


def test_label_sets_of_one_label_and_of_several():
    one, right = np.array([[1], [0], [1]], bool), np.array([[1], [1], [0]], bool)
    found = task_scores.label_sets_scores(one, right)  # 1 true and 1 false positive, 1 negative
    half = dict.fromkeys(("micro_f1", "macro_f1", "micro_precision", "micro_recall"), 50.0)
    assert found == pytest.approx({**half, "exact_sets": 100 / 3})
    never = np.zeros((3, 1), bool)
    assert task_scores.label_sets_scores(one, never)["micro_f1"] == 0.0
    assert task_scores.label_sets_scores(never, never)["exact_sets"] == 100.0
    beside = np.array([[0], [0], [1]], bool)
    several = task_scores.label_sets_scores(np.hstack([one, beside]), np.hstack([right, beside]))
    assert several["micro_f1"] == pytest.approx(200 * 2 / 6)
    assert several["macro_f1"] == pytest.approx(75.0)


def test_pearson_and_spearman():
    predicted, right = np.array([1.0, 2.0, 3.0, 10.0]), np.array([1.0, 2.0, 4.0, 5.0])
    found = task_scores.pearson_spearman(predicted, right)
    centred = predicted - predicted.mean(), right - right.mean()
    pearson = (centred[0] @ centred[1]) / np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    assert found["pearson"] == pytest.approx(100 * pearson)
    assert found["spearman"] == pytest.approx(100.0)
    assert found["pearson_spearman"] == pytest.approx((found["pearson"] + 100) / 2)
    assert found["mean_squared_error"] == pytest.approx((1 + 25) / 4)
    assert task_scores.pearson_spearman(np.ones(4), right)["pearson_spearman"] == 0.0


@pytest.mark.parametrize(
    ("prediction", "answers", "exact", "f1"),
    [
        ("the Cat!", ["cat"], 1, 1),
        ("a black cat", ["The black dog"], 0, 1 / 2),
        ("in New  York", ["New York City", "York"], 0, 2 / 3),
        ("", ["the"], 1, 0),  # the official script: equal, but without a common word
        ("dog", ["cat"], 0, 0),
        ("well-known", ["wellknown"], 1, 1),
        ("cat cat", ["cat"], 0, 2 / 3),
    ],
)
def test_answers_as_the_official_script_scores_them(prediction, answers, exact, f1):
    assert squad_score.exact_match(prediction, answers) == exact
    assert squad_score.f1(prediction, answers) == pytest.approx(f1)


def test_spans_are_means_over_questions():
    found = task_scores.spans(["cat", "dog"], [["the cat"], ["cat"]])
    assert found == {"f1": 50.0, "exact_match": 50.0}
