"""Texts and labels out of tables: which columns are read, and what is refused."""

import math
from dataclasses import replace

import pytest

from distil_jax import notes
from distil_jax.errors import UserError
from distil_jax.tasks import classes, examples


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


def test_a_cell_with_several_labels_is_refused():
    rows = [{"text": "a", "label": 1}, {"text": "b", "label": [1, 0]}]
    with pytest.raises(UserError, match="row 1: the label label holds list; a text has one label"):
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
        ("entailment", "-", "neutral"),
        (1, None, 0),
        (1.0, math.nan, 0.0),
    ],
)
def test_a_row_without_a_label_is_left_out_and_counted(labels, capsys, monkeypatch):
    monkeypatch.setattr(notes, "_said", set())
    found = table(*labels)
    assert found.labels == (labels[0], *labels[2:])
    rows = [number for number in range(len(labels)) if number != 1]
    assert (found.ids, found.numbers) == (tuple(map(str, rows)), tuple(rows))
    assert found.first == tuple(f"text {number}" for number in rows)
    assert found.left_out == 1
    error = capsys.readouterr().err
    assert f"t: 1 of {len(labels)} rows have no label and are left out" in error
    assert f"the first of them row 1 (label is {labels[1]!r})" in error
    assert table(*labels, labelled=False).labels is None


@pytest.mark.parametrize("mark", ["nan", None, "", math.nan])
def test_a_table_without_any_label_is_refused(mark):
    with pytest.raises(UserError, match=r"has no labels: label is .* in row 0, and none in any"):
        table(mark, mark)


def test_minus_one_is_none_once_the_classes_are_known_and_a_message_counts_rows_of_the_file():
    scored = examples.of_classes(table(1, -1, 0, -1.0, 5), ("0", "1"))
    assert (scored.labels, scored.numbers, scored.left_out) == ((1, 0, 5), (0, 2, 4), 2)
    with pytest.raises(UserError, match="row 4 has the unknown label 5"):
        classes.class_numbers(scored, ("0", "1"))
    assert examples.of_classes(table(1, -1), ("-1", "1")).labels == (1, -1)
    predicted = examples.of_classes(table(1, -1, 0), ("0", "1"), labelled=False)
    assert (len(predicted), predicted.labels) == (3, None)


def test_a_class_may_bear_the_name_of_nothing_and_minus_one_may_be_a_class():
    assert classes.class_names(table("none", "some")) == ("none", "some")
    assert table("None", "Some", classes=("None", "Some")).labels == ("None", "Some")
    assert classes.class_names(table("1", "-1", "0")) == ("-1", "0", "1")
    assert table(1, -1, 0, classes=("negative", "positive")).labels == (1, 0)
    assert table(1, -1, 0, classes=("-1", "0", "1")).labels == (1, -1, 0)
    assert classes.class_names(table("+", "-")) == ("+", "-")
    assert table("yes", "-", classes=("yes", "-")).labels == ("yes", "-")
    assert table("yes", "?", "no", classes=("yes", "no")).labels == ("yes", "no")
    assert classes.class_names(table("yes", "?", "no")) == ("?", "no", "yes")


def test_a_label_of_another_encoding_is_refused():
    with pytest.raises(UserError, match="not UTF-8"):
        classes.class_names(table("tr\ufffds", "pas"))


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


def test_labelled_rows_without_a_text_are_refused_with_their_number():
    rows = [{"text": text, "label": n % 2} for n, text in enumerate(["a", " ", "b", None])]
    with pytest.raises(UserError, match=r"f.csv row 1 has an empty text \(text\), 2 of 4 rows"):
        examples.read(rows, "f.csv", columns=(), label="label", labelled=True)


@pytest.mark.parametrize("value", [10**400, 1e39, float("nan"), [1], None, "one"])
def test_what_float32_does_not_hold_is_no_value(value):
    rows = [{"text": "a", "label": 1}]
    table = examples.read(rows, "f", columns=(), label="label", labelled=True)
    with pytest.raises(UserError, match="no finite number"):
        examples.values(replace(table, labels=(value,)))
