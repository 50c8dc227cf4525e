"""Every way in which a config.json names its classes."""

import json

import pytest

from distil_jax import notes
from distil_jax.errors import UserError
from distil_jax.pretrained.labels import read_labels, unnamed

UNNAMED = {"0": "LABEL_0", "1": "LABEL_1"}


@pytest.mark.parametrize(
    "content",
    [
        {"id2label": {"0": "pos", "1": "neg"}},
        {"id2label": ["pos", "neg"]},
        {"label2id": {"neg": 1, "pos": 0}},
        {"label2id": {"neg": "1", "pos": "0"}},
        {"id2label": UNNAMED, "label2id": {"neg": 1, "pos": 0}},
        {"id2label": {"0": "pos", "1": "neg"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}},
        {"label_names": ["pos", "neg"]},
        {"class_names": ["pos", "neg"], "id2label": UNNAMED},
        {"label_map": {"neg": 1, "pos": 0}},
    ],
)
def test_the_names_by_number(content):
    assert read_labels(content, 2) == ("pos", "neg")


def test_booleans_are_named_alike_as_values_and_as_keys():
    content = json.loads(
        json.dumps({"id2label": {0: False, 1: True}, "label2id": {False: 0, True: 1}})
    )
    assert read_labels(content, 2) == ("false", "true")


def test_two_keys_that_disagree_are_not_chosen_between():
    content = {"id2label": {"0": "pos", "1": "neg"}, "label2id": {"neg": 0, "pos": 1}}
    with pytest.raises(UserError, match="id2label names the classes pos, neg, label2id neg, pos"):
        read_labels(content, 2)


def test_names_for_another_number_of_classes_are_mentioned(capsys):
    assert read_labels({"id2label": {"0": "pos", "1": "neg"}}, 3) == (
        "LABEL_0",
        "LABEL_1",
        "LABEL_2",
    )
    assert "id2label has 2 names, the classifier 3 classes" in capsys.readouterr().err
    assert unnamed(("LABEL_0", "label_1"))
    assert not unnamed(("LABEL_0", "neg"))


@pytest.mark.parametrize("numbers", [("1", "2"), ("a", "b")])
def test_names_that_are_not_numbered_from_0_are_mentioned(numbers, capsys, monkeypatch):
    monkeypatch.setattr(notes, "_said", set())
    names = dict(zip(numbers, ("pos", "neg"), strict=True))
    assert read_labels({"id2label": names}, 2) == ("LABEL_0", "LABEL_1")
    assert "id2label does not number the 2 classes from 0" in capsys.readouterr().err
