"""Texts that only the teacher judges, and stages without labels."""

import json
from pathlib import Path

import numpy as np
import pytest

from distil_jax import pretrained
from distil_jax.errors import UsageError, UserError

from .conftest import sentences, write


def _lines(output: Path) -> list[dict]:
    return [
        json.loads(line) for line in (output / "seed-0" / "metrics.jsonl").read_text().splitlines()
    ]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight labelled sentences, and ninety-six without a label."""
    folder = tmp_path_factory.mktemp("few")
    write(folder / "train.jsonl", sentences(8, 0))
    write(folder / "validation.jsonl", sentences(40, 1))
    rows = [{"sentence": row["sentence"]} for row in sentences(96, 5)]
    write(folder / "more.jsonl", rows)
    return folder


@pytest.mark.slow
def test_the_teacher_judges_them_and_labels_count_where_they_are(
    tuned, teacher_folder, few, evaluate, tmp_path
):
    found = evaluate(
        teacher_folder,
        tmp_path / "o",
        task="sst2",
        data=few,
        teacher=tuned / "seed-0" / "model",
        unlabelled=few / "more.jsonl",
        objectives="hidden_mse=0.5",
        option="hidden_mse.layers=last",
        epochs=2,
    )
    assert found["counts"]["unlabelled"] == 96
    lines = _lines(tmp_path / "o")
    assert len(lines) == 2 * (8 + 96) / 8
    for line in lines:
        expected = 0.5 * (line["labels"] + line["soft_target"] + line["hidden_mse"])
        assert line["loss"] == pytest.approx(expected, rel=1e-5)
    # Eight labels over thirteen batches: some have none, and average over nothing.
    assert min(line["labels"] for line in lines) == 0
    assert found["score"] > 90  # eight labels alone do not teach that
    model = pretrained.load(tmp_path / "o" / found["best_model"], require_head="classification")
    assert set(model.params) == {"encoder", "head"}


@pytest.mark.slow
def test_a_stage_of_hidden_states_alone_leaves_the_head(
    tuned, teacher_folder, few, evaluate, tmp_path
):
    teacher = tuned / "seed-0" / "model"
    evaluate(
        teacher,
        tmp_path / "o",
        task="sst2",
        data=few,
        teacher=teacher,
        objectives="hidden_mse=1",
        epochs=1,
        **{"task-weight": 0},
    )
    assert all(line["loss"] == pytest.approx(line["hidden_mse"]) for line in _lines(tmp_path / "o"))
    before, after = (
        pretrained.load(folder, require_head="classification").params["head"]
        for folder in (teacher, tmp_path / "o" / "seed-0" / "model")
    )
    np.testing.assert_array_equal(before["classifier"]["kernel"], after["classifier"]["kernel"])


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"teacher": ""}, "judged by a teacher alone"),
        ({"alpha": 0}, "teaches nothing with --alpha=0"),
        ({"unlabelled": "nowhere.jsonl"}, "nowhere.jsonl does not exist"),
        ({"task-weight": 0}, "leaves nothing to learn|teaches nothing"),
        ({"option": "cosine.layers=last"}, "is not NAME.KEY=VALUE"),
        ({"option": "hidden_mse.layers=last"}, "give it a weight"),
    ],
)
def test_bad_input(tuned, teacher_folder, few, evaluate, tmp_path, changes, named):
    given = {"teacher": tuned / "seed-0" / "model", "unlabelled": few / "more.jsonl"}
    with pytest.raises((UserError, UsageError), match=named):
        evaluate(teacher_folder, tmp_path / "no", task="sst2", data=few, **(given | changes))
    assert not (tmp_path / "no").exists()
