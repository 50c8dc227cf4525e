"""Texts and labels out of tables: which columns are read, and what is refused."""

import math

import pytest

from distil_jax.errors import UserError
from distil_jax.tasks import examples


def test_a_table_of_questions_and_sentences_is_one_of_pairs():
    row = {"question": "who", "sentence": "the river", "label": 1}
    assert examples.check_columns(row, "t", ()) == ("question", "sentence")
    assert examples.check_columns({"sentence": "x", "label": 1}, "t", ()) == ("sentence",)


def test_the_usual_names_of_a_label_are_found():
    rows = [{"text": "a", "target": "x"}, {"text": "b", "target": "y"}]
    found = examples.read(rows, "t", columns=(), label="label", labelled=True)
    assert found.labels == ("x", "y")
    with pytest.raises(UserError, match="no label column stars; it has text, target"):
        examples.read(rows, "t", columns=(), label="stars", labelled=True)


@pytest.mark.parametrize(
    ("label", "message"),
    [(math.nan, "row 1 has no label"), ([1, 0], "holds list; a text has one label")],
)
def test_a_cell_without_one_label_is_reported(label, message):
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": label}]
    with pytest.raises(UserError, match=message):
        examples.read(rows, "t", columns=(), label="label", labelled=True)
