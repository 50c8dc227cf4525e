"""A model's classes beside a task's."""

import json

import pytest

from distil_jax import notes, tokenizer
from distil_jax.errors import UserError
from distil_jax.tasks import classification, multilabel
from distil_jax.tasks.kind import DataRequest
from distil_jax.tasks.named import TASKS
from distil_jax.tasks.sources import Source


@pytest.mark.parametrize(
    ("model_labels", "order"),
    [
        (("negative", "positive"), (0, 1)),
        (("POSITIVE", "NEGATIVE"), (1, 0)),
        (("LABEL_0", "LABEL_1"), (0, 1)),
        (("good", "bad"), None),
        (("a", "b", "c"), None),
    ],
)
def test_a_models_classes_are_put_in_the_tasks_order(model_labels, order):
    assert classification.label_order(model_labels, ("negative", "positive")) == order


def data(folder, words, rows, task="classification", **further):
    for split, of_split in rows.items():
        lines = [json.dumps({"sentence": "the river", "label": label}) for label in of_split]
        (folder / f"{split}.jsonl").write_text("\n".join(lines))
    request = DataRequest(Source(str(folder)), (), "", further.pop("known", ()), 32, 8, **further)
    return classification.data(TASKS[task], request, words)


def test_a_number_is_a_class_only_where_the_classes_have_an_order(tmp_path, teacher_folder):
    tiny = tokenizer.load(teacher_folder)
    names, numbers = ["neg", "pos", "mid"], [0, 1, 2]
    message = r"row 0 has the unknown label 0; the labels are mid, neg, pos: write the names here"
    for splits in (
        (("train", names), ("validation", numbers)),
        (
            ("train", names),
            ("validation", names),
            ("test", numbers),
        ),
    ):
        with pytest.raises(UserError, match=message):
            data(tmp_path, tiny, dict(splits), training=True)
    (tmp_path / "test.jsonl").unlink()
    rows = {"train": ["negative", "positive"], "validation": [0, 1]}
    of_task = data(tmp_path, tiny, rows, "sst2", training=True)
    assert of_task.validation[0].answers.tolist() == [0, 1]
    rows = {"validation": ["MID", "neg", "Pos"]}
    of_model = data(tmp_path, tiny, rows, training=False, known=tuple(names))
    assert of_model.validation[0].answers.tolist() == [2, 0, 1]
    with pytest.raises(UserError, match="unknown label 'MID'"):
        data(tmp_path, tiny, rows, training=False, known=(*names, "Mid"))
    rows = {"validation": numbers}
    of_model = data(tmp_path, tiny, rows, training=False, known=tuple(names))
    assert of_model.validation[0].answers.tolist() == [0, 1, 2]


def written_by_datasets(folder, labels, kind, split="train"):
    import datasets

    datasets.disable_progress_bars()
    features = datasets.Features({"text": datasets.Value("string"), "label": kind})
    rows = {"text": [f"river {number}" for number in range(len(labels))], "label": labels}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(folder / f"{split}.parquet")
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.mark.parametrize("saved", [False, True])
def test_classes_have_the_names_and_the_order_that_datasets_keeps(tmp_path, teacher_folder, saved):
    import datasets

    tiny = tokenizer.load(teacher_folder)
    kind = datasets.ClassLabel(names=["World", "Sports", "Arts"])
    rows = written_by_datasets(tmp_path, [2, 0, 1, 2], kind)
    folder = tmp_path
    if saved:
        folder = tmp_path / "saved"
        datasets.DatasetDict({"train": rows, "validation": rows}).save_to_disk(folder)
    else:
        (tmp_path / "validation.jsonl").write_text('{"text": "river", "label": "Arts"}\n')
    request = DataRequest(Source(str(folder)), (), "", (), 32, 8, training=True)
    found = classification.data(TASKS["classification"], request, tiny)
    assert found.labels == ("World", "Sports", "Arts")
    assert found.training.targets["labels"].tolist() == [2, 0, 1, 2]
    assert found.validation[0].answers.tolist() == ([2, 0, 1, 2] if saved else [2])


def test_numbers_mean_what_their_own_file_says(tmp_path, teacher_folder):
    import datasets

    tiny = tokenizer.load(teacher_folder)

    def validation(names, labels, task="classification", known=()):
        written_by_datasets(tmp_path, labels, datasets.ClassLabel(names=names), "validation")
        request = DataRequest(Source(str(tmp_path)), ("text",), "", known, 32, 8, not known)
        found = classification.data(TASKS[task], request, tiny)
        return found.validation[0].answers.tolist()

    of_nli = ["entailment", "neutral", "contradiction"]
    model = ("CONTRADICTION", "NEUTRAL", "ENTAILMENT")
    assert validation(of_nli, [0, 1, 2], known=model) == [2, 1, 0]
    written_by_datasets(tmp_path, [0, 1, 2], datasets.ClassLabel(names=["a", "b", "c"]))
    assert validation(["a", "c"], [0, 1]) == [0, 2]
    with pytest.raises(UserError, match="row 1 has the unknown label 1"):
        validation(["a", "d"], [0, 1])
    (tmp_path / "train.parquet").unlink()
    for labels, task in ((["b", "a"], "classification"), ([0, 1], "sst2")):
        lines = [json.dumps({"text": "river", "label": label}) for label in labels]
        (tmp_path / "train.jsonl").write_text("\n".join(lines))
        names = ["b", "a"] if task == "classification" else ["Positive", "Negative"]
        assert validation(names, [0, 1], task) == [1, 0]


def test_numbers_of_classes_with_other_names_are_taken_in_order_which_is_said(
    tmp_path, teacher_folder, capsys, monkeypatch
):
    import datasets

    monkeypatch.setattr(notes, "_said", set())
    tiny = tokenizer.load(teacher_folder)
    written_by_datasets(tmp_path, [0, 1], datasets.ClassLabel(names=["bad", "good"]), "validation")
    known = ("LABEL_0", "LABEL_1")
    request = DataRequest(Source(str(tmp_path)), (), "", known, 32, 8, training=False)
    found = classification.data(TASKS["classification"], request, tiny)
    assert found.validation[0].answers.tolist() == [0, 1]
    message = (
        "validation.parquet: the labels bad, good are taken for LABEL_0, LABEL_1, in this order"
    )
    assert message in capsys.readouterr().err
    (tmp_path / "validation.parquet").unlink()
    data(tmp_path, tiny, {"validation": [1, 1]}, training=False, known=known)
    data(tmp_path, tiny, {"validation": [1, 1]}, "sst2", training=False, known=("good", "bad"))
    assert not capsys.readouterr().err
    data(tmp_path, tiny, {"validation": [1, 1]}, training=False, known=("good", "bad"))
    message = "validation.jsonl: the labels 0, 1 are taken for good, bad, in this order"
    assert message in capsys.readouterr().err


def test_names_that_are_numbers_stand_for_themselves(tmp_path, teacher_folder):
    import datasets

    tiny = tokenizer.load(teacher_folder)
    written_by_datasets(tmp_path, [0, 1, 2], datasets.ClassLabel(names=["1", "2", "3"]))
    (tmp_path / "validation.jsonl").write_text('{"text": "river", "label": 2}\n')
    request = DataRequest(Source(str(tmp_path)), (), "", (), 32, 8, training=True)
    found = classification.data(TASKS["classification"], request, tiny)
    assert found.labels == ("0", "1", "2")


def test_lists_of_numbers_have_the_names_that_datasets_keeps(tmp_path, teacher_folder):
    import datasets

    tiny = tokenizer.load(teacher_folder)
    kind = datasets.List(datasets.ClassLabel(names=["joy", "anger", "fear"]))
    written_by_datasets(tmp_path, [[2], [0, 1], [1]], kind)
    other = datasets.List(datasets.ClassLabel(names=["anger", "fear", "joy"]))
    written_by_datasets(tmp_path, [[1, 2]], other, "validation")
    request = DataRequest(Source(str(tmp_path)), (), "", (), 32, 8, training=True)
    found = multilabel.data(TASKS["multilabel"], request, tiny)
    assert found.labels == ("joy", "anger", "fear")
    assert found.training.targets["labels"].tolist() == [[0, 0, 1], [1, 1, 0], [0, 1, 0]]
    assert found.validation[0].answers.tolist() == [[1, 0, 1]]


def test_a_number_stands_for_no_class_whose_name_is_a_number(tmp_path, teacher_folder):
    tiny = tokenizer.load(teacher_folder)
    rows = [{"text": "river", "label": ["1", "2"]}, {"text": "sea", "label": ["0"]}]
    (tmp_path / "validation.jsonl").write_text("\n".join(map(json.dumps, rows)))
    request = DataRequest(
        Source(str(tmp_path)), (), "", (), 32, 8, training=False, classes=("1", "2", "3")
    )
    with pytest.raises(UserError, match=r"row 1 has the unknown label '0'; the labels are 1, 2, 3"):
        multilabel.data(TASKS["multilabel"], request, tiny)
