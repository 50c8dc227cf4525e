"""A model's classes beside a task's."""

import json

import pytest

from distil_jax import tokenizer
from distil_jax.errors import UserError
from distil_jax.tasks import classification
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
    rows = {"validation": numbers}
    of_model = data(tmp_path, tiny, rows, training=False, known=tuple(names))
    assert of_model.validation[0].answers.tolist() == [0, 1, 2]
