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


def table(*labels, labelled=True, classes=()):
    rows = [{"text": f"text {number}", "label": label} for number, label in enumerate(labels)]
    return examples.read(rows, "t", columns=(), label="label", labelled=labelled, classes=classes)


@pytest.mark.parametrize(
    "labels",
    [
        *(("0", mark, "2", "1", "3") for mark in ("nan", "NaN", "NA", "null", "None", " ", "<NA>")),
        *(("0", mark, "1") for mark in ("?", "-", "none", "inf")),
        ("pos", "nan", "neg"),
        ("pos", -1, "neg"),
        (1, None, 0),
        (1.0, math.nan, 0.0),
    ],
)
def test_a_label_that_is_none_is_no_class(labels):
    with pytest.raises(UserError, match=rf"row 1 has no label \(.*\): 1 of {len(labels)} rows"):
        table(*labels)
    assert table(*labels, labelled=False).labels is None


def test_a_class_may_bear_the_name_of_nothing_and_minus_one_may_be_a_class():
    assert examples.class_names(table("none", "some")) == ("none", "some")
    assert table("None", "Some", classes=("None", "Some")).labels == ("None", "Some")
    assert examples.class_names(table("1", "-1", "0")) == ("-1", "0", "1")
    with pytest.raises(UserError, match="row 1 has no label"):
        table(1, -1, 0, classes=("negative", "positive"))


def test_a_label_of_another_encoding_is_refused():
    with pytest.raises(UserError, match="not UTF-8"):
        examples.class_names(table("tr\ufffds", "pas"))


def test_class_names_that_datasets_wrote_know_no_minus_one(tmp_path):
    import datasets

    from distil_jax.tasks.files import records

    datasets.disable_progress_bars()
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    rows = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, -1]}, features=features)
    rows.to_parquet(tmp_path / "a.parquet")
    assert [row["label"] for row in records(tmp_path / "a.parquet")] == [0, None]
