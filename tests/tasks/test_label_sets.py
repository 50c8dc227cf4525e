"""label_sets: lists and columns of 0 and 1, and what is refused by row."""

import pytest

from distil_jax.errors import UserError
from distil_jax.tasks import label_sets


def read(*rows, label="", columns=("text",)):
    shape = label_sets.layout(rows[0], "f.jsonl", columns, label)
    every = label_sets.records(iter(rows), "f.jsonl", shape)
    return [row["label"] for row in every]


@pytest.mark.parametrize(
    "value", [["a", "b"], "a,b", "a; b", "['a', 'b']", '["a", "b"]', "a|b", ["a", "b", "a"]]
)
def test_lists(value):
    assert read({"text": "x", "labels": value}) == [("a", "b")]


@pytest.mark.parametrize("value", [None, "", "nan", "N/A", float("nan")])
def test_labels_that_are_none_are_unknown(value):
    assert read({"text": "x", "labels": ["a"]}, {"text": "y", "labels": value}) == [("a",), None]


@pytest.mark.parametrize(
    "value", ['["don\'t care", "joy"]', "[\"don't care\", 'joy']", "[\"don't care\"\n 'joy']"]
)
def test_names_with_an_apostrophe_in_a_list_that_is_text(value):
    assert read({"text": "x", "labels": value}) == [("don't care", "joy")]


def test_numbers_and_one_label():
    assert read({"text": "x", "labels": [3, 1.0]}) == [("3", "1")]
    assert read({"text": "x", "label": "joy"}) == [("joy",)]


def test_columns_of_flags():
    rows = [
        {"id": 1, "text": "x", "b": 1, "a": "0"},
        {"id": 0, "text": "y", "b": False, "a": 1.0},
        {"id": 0, "text": "z", "b": 0, "a": 0},
    ]
    assert read(*rows) == [("b",), ("a",), ()]
    assert read(*rows, label="a") == [("0",), ("1",), ("0",)]
    assert read(*rows, label="a,b") == [("b",), ("a",), ()]
    assert read({"text": "x", "a": -1, "b": -1}) == [None]
    for index in ("", "Unnamed: 0"):  # as pandas writes it
        assert read({index: "0", "text": "x", "a": "1"}, {index: "7", "text": "y", "a": "0"}) == [
            ("a",),
            (),
        ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "y", "labels": []}, r"row 1: labels is an empty list"),
        (
            {"text": "y", "labels": "[joy, fear]"},
            r"row 1: labels holds '\[joy, fear\]', which is no",
        ),
        ({"text": "y", "labels": [1.0, 0.0, 0.0]}, r"row 1: labels holds .* 0 or 1 for each label"),
        ({"text": "y", "labels": "[0, 0]"}, r"row 1: labels holds .* 0 or 1 for each label"),
        ({"text": "y", "labels": [["a"]]}, r"row 1: labels holds \['a'\], which is no label"),
    ],
)
def test_bad_lists(row, message):
    with pytest.raises(UserError, match=r"f\.jsonl " + message):
        read({"text": "x", "labels": ["a"]}, row)


def test_bad_columns():
    with pytest.raises(UserError, match=r"row 1: column a holds 2; a label in a column"):
        read({"text": "x", "a": 1}, {"text": "y", "a": 2})
    with pytest.raises(UserError, match=r"has no column of labels .*it has text, a"):
        read({"text": "x", "a": "word"})
    with pytest.raises(UserError, match=r"no column c; it has text, a"):
        read({"text": "x", "a": 1}, label="a,c")
