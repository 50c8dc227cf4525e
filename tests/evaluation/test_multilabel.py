"""Several labels from end to end: scores beside scikit-learn, the threshold, folders, teachers."""

import json
import random

import numpy as np
import pytest

from distil_jax import export, predict, pretrained
from distil_jax.errors import UserError
from distil_jax.tasks import multilabel

from .conftest import write


def rows_of(count: int, seed: int) -> list[dict]:
    """Each label is a word of the text."""
    chosen = random.Random(seed)
    rows = []
    for _ in range(count):
        labels = chosen.sample(["river", "city", "old"], k=chosen.randint(1, 2))
        words = [*labels, *chosen.choices(["the", "of", "was"], k=4)]
        chosen.shuffle(words)
        rows.append({"text": " ".join(words), "labels": labels})
    return rows


@pytest.fixture(scope="module")
def topics(tmp_path_factory):
    folder = tmp_path_factory.mktemp("topics")
    write(folder / "train.jsonl", rows_of(240, 0))
    write(folder / "validation.jsonl", rows_of(40, 1))
    return folder


@pytest.fixture(scope="module")
def tuned_topics(tmp_path_factory, teacher_folder, topics, evaluate):
    output = tmp_path_factory.mktemp("topics") / "output"
    evaluate(teacher_folder, output, task="multilabel", data=topics)
    return output


def test_scores_are_scikit_learns_and_the_threshold_is_stored(tuned_topics):
    from sklearn.metrics import f1_score

    found = json.loads((tuned_topics / "results.json").read_text())
    assert found["metric"] == "micro_f1"
    assert found["score"] > 80  # it can be learnt
    labels = found["labels"]
    assert labels == ["city", "old", "river"]
    lines = (tuned_topics / "seed-0" / "predictions.jsonl").read_text().splitlines()
    predicted = [json.loads(line) for line in lines]
    gold = [[label in row["labels"] for label in labels] for row in rows_of(40, 1)]
    chosen = [[label in record["label"] for label in labels] for record in predicted]
    for average in ("micro", "macro"):
        score = 100 * f1_score(gold, chosen, average=average)
        assert found["metrics"][f"{average}_f1"] == pytest.approx(score)
    content = json.loads((tuned_topics / "seed-0" / "model" / "config.json").read_text())
    assert content["threshold"] == found["metrics"]["threshold"]
    assert content["problem_type"] == "multi_label_classification"
    shares = np.asarray([[record["scores"][label] for label in labels] for record in predicted])
    assert ((shares >= content["threshold"]) == np.asarray(chosen)).all()


def test_the_best_threshold_is_found_and_ties_are_near_a_half():
    logits = np.log(np.asarray([[0.2], [0.35], [0.1]]) / (1 - np.asarray([[0.2], [0.35], [0.1]])))
    assert multilabel.best_threshold(logits, np.asarray([[1], [1], [0]])) == 0.2
    assert multilabel.best_threshold(logits, np.asarray([[0], [1], [0]])) == 0.35


def test_predict_takes_the_stored_threshold(tuned_topics, tmp_path, capsys):
    folder = tuned_topics / "seed-0" / "model"
    model = pretrained.load(folder)
    (tmp_path / "in.txt").write_text("the old river\n\nof the city")
    predicted = {}
    for threshold in (0.0, 1.0, None):
        kept = pretrained.Pretrained(**{**vars(model), "threshold": threshold})
        pretrained.save(tmp_path / "model", kept)
        capsys.readouterr()
        predict.main([f"--model={tmp_path / 'model'}", f"--input={tmp_path / 'in.txt'}"])
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        predicted[threshold] = [row["label"] for row in rows]
        assert set(rows[0]["scores"]) == {"city", "old", "river"}
    assert predicted[0.0] == [["city", "old", "river"], [], ["city", "old", "river"]]
    assert predicted[1.0] == [[], [], []]
    chosen = [[label for label, share in row["scores"].items() if share >= 0.5] for row in rows]
    assert predicted[None] == chosen


def test_transformers_opens_the_folder_with_its_problem_type(tuned_topics):
    from transformers import AutoModelForSequenceClassification

    folder = tuned_topics / "seed-0" / "model"
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.problem_type == "multi_label_classification"
    assert model.config.id2label == {0: "city", 1: "old", 2: "river"}


def test_an_export_gives_the_same_labels(tuned_topics, topics, evaluate, tmp_path):
    folder = tuned_topics / "seed-0" / "model"
    export.main([f"--model={folder}", "--format=onnx", f"--output={tmp_path / 'onnx'}"])
    found = evaluate(tmp_path / "onnx", tmp_path / "o", task="multilabel", data=topics, epochs=0)
    before = json.loads((tuned_topics / "results.json").read_text())["metrics"]
    assert found["metrics"] == pytest.approx({name: before[name] for name in found["metrics"]})
    folders = (tuned_topics / "seed-0", tmp_path / "o")
    theirs, ours = (
        [json.loads(line) for line in (f / "predictions.jsonl").read_text().splitlines()]
        for f in folders
    )
    for record, expected in zip(ours, theirs, strict=True):
        assert record["label"] == expected["label"]
        assert record["scores"] == pytest.approx(expected["scores"], abs=1e-5)


def test_the_objective_is_that_of_pytorch():
    import jax.numpy as jnp
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits as entropy

    drawn = np.random.default_rng(0)
    logits, soft = drawn.normal(0, 3, (2, 5, 4)).astype(np.float32)
    labels = drawn.integers(0, 2, (5, 4)).astype(np.int8)
    used = np.asarray([True, True, True, True, False])
    piece = {"labels": jnp.asarray(labels), "soft": jnp.asarray(soft)}
    terms = multilabel.objective(jnp.asarray(logits), piece, jnp.asarray(used), temperature=2.0)
    ours, theirs = torch.tensor(logits[:4]), torch.tensor(soft[:4])
    expected = entropy(ours, torch.tensor(labels[:4].astype(np.float32)))
    softened = 4 * entropy(ours / 2, torch.sigmoid(theirs / 2))
    assert float(terms["labels"].total / 4) == pytest.approx(float(expected), rel=1e-5)
    assert float(terms["soft_target"].total / 4) == pytest.approx(float(softened), rel=1e-5)
    assert int(terms["labels"].count) == 4


def test_bad_input_and_other_kinds_of_folders(tuned_topics, tuned, topics, evaluate, tmp_path):
    write(tmp_path / "bad.jsonl", [*rows_of(2, 0), {"text": "x", "labels": []}])
    model = tuned_topics / "seed-0" / "model"
    with pytest.raises(UserError, match=r"bad\.jsonl row 2: labels is an empty list"):
        evaluate(
            model, tmp_path / "o", task="multilabel", data=topics, train=tmp_path / "bad.jsonl"
        )
    write(tmp_path / "dog.jsonl", [{"text": "x", "labels": ["dog"]}])
    with pytest.raises(UserError, match="unknown label 'dog'"):
        evaluate(
            model, tmp_path / "o", task="multilabel", validation=tmp_path / "dog.jsonl", epochs=0
        )
    other = tuned / "seed-0" / "model"
    with pytest.raises(UserError, match="here a text has several labels"):
        evaluate(other, tmp_path / "o", task="multilabel", data=topics, epochs=0)
    assert not (tmp_path / "o").exists()


@pytest.mark.slow
def test_second_distillation_from_columns_of_flags(
    tuned_topics, teacher_folder, evaluate, tmp_path
):
    for name, count, seed in (("train", 240, 3), ("validation", 40, 4)):
        rows = [
            {"text": row["text"], **{k: int(k in row["labels"]) for k in ("river", "old", "city")}}
            for row in rows_of(count, seed)
        ]
        write(tmp_path / f"{name}.jsonl", rows)
    teacher = tuned_topics / "seed-0" / "model"
    results = evaluate(
        teacher_folder, tmp_path / "o", task="multilabel", data=tmp_path, teacher=teacher, alpha=1.0
    )
    assert results["labels"] == ["river", "old", "city"]
    assert results["score"] > 80  # no label was seen
