"""A kind of task of one's own: no other file of the package knows of it."""

import json
from dataclasses import replace

import numpy as np
import optax.losses

from distil_jax import predict
from distil_jax.losses import WeightedSum
from distil_jax.tasks import named, table
from distil_jax.tasks.regression import REGRESSION

from .conftest import sentences, write


def test_a_kind_of_ones_own_is_learnt_scored_and_predicted(
    teacher_folder, evaluate, tmp_path, monkeypatch, capsys
):
    """A file and a line in the table: here Huber's loss of a value."""

    def huber(outputs, piece, used, *, temperature):
        losses = optax.losses.huber_loss(outputs[:, 0], piece["labels"])
        return {"labels": WeightedSum.of(losses, used)}

    def label(rows, text, first):
        return [{"magnitude": record["label"]} for record in REGRESSION.label(rows, text, first)]

    kind = replace(REGRESSION, name="magnitude", objective=huber, label=label)
    for name in [*table.EXAMPLE_KINDS]:
        monkeypatch.delitem(table.EXAMPLE_KINDS, name)
    monkeypatch.setitem(table.EXAMPLE_KINDS, "magnitude", kind)
    task = replace(named.TASKS["regression"], kind="magnitude")
    monkeypatch.setitem(named.TASKS, "magnitude", task)
    rows = [{"text": row["sentence"], "label": 3.0 * row["label"]} for row in sentences(96, 6)]
    write(tmp_path / "train.jsonl", rows[:64])
    write(tmp_path / "validation.jsonl", rows[64:])
    results = evaluate(teacher_folder, tmp_path / "o", task="magnitude", data=tmp_path, epochs=6)
    assert results["metrics"]["pearson"] > 80
    model = tmp_path / "o" / "seed-0" / "model"
    capsys.readouterr()
    predict.main([f"--model={model}", f"--input={tmp_path / 'validation.jsonl'}"])
    printed = [json.loads(line)["magnitude"] for line in capsys.readouterr().out.splitlines()]
    assert np.corrcoef(printed, [row["label"] for row in rows[64:]])[0, 1] > 0.8
