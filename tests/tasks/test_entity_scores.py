"""Scores of entities: over all, and of each type."""

import pytest

from distil_jax.tasks import entity_scores


def test_the_score_over_all_entities_is_that_also_where_a_type_is_called_entity():
    gold = [["B-entity", "O", "B-place", "I-place"]]
    found = entity_scores.scores(gold, [["B-entity", "O", "B-place", "O"]])
    assert found["entity_f1"] == pytest.approx(50)
    assert found["place_f1"] == 0


def test_two_models_have_the_same_scores_whatever_types_they_predict():
    gold = [["B-place", "O"]]
    one = entity_scores.scores(gold, [["B-place", "B-person"]])
    other = entity_scores.scores(gold, [["B-place", "O"]])
    assert list(one) == list(other)
    assert (one["entity_precision"], other["entity_precision"]) == (50, 100)
