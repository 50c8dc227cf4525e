"""A kind of task of one's own: no other file of the package knows of it."""

import json
from dataclasses import replace

import jax.numpy as jnp
import pytest

from distil_jax import predict
from distil_jax.losses import WeightedSum
from distil_jax.tasks import named, table
from distil_jax.tasks.regression import REGRESSION


@pytest.mark.usefixtures("quick_compilation")
def test_a_kind_of_ones_own_is_learnt_scored_and_predicted(
    teacher_folder, evaluate, tmp_path, monkeypatch, capsys
):
    """A file and a line in the table: here the absolute error of a value."""

    def absolute_error(outputs, piece, used, *, temperature):
        error = jnp.abs(outputs[:, 0] - piece["labels"])
        return {"labels": WeightedSum.of(error, used)}

    def label(rows, text, first):
        return [{"magnitude": record["label"]} for record in REGRESSION.label(rows, text, first)]

    kind = replace(REGRESSION, name="magnitude", objective=absolute_error, label=label)
    for name in [*table.EXAMPLE_KINDS]:
        monkeypatch.delitem(table.EXAMPLE_KINDS, name)
    monkeypatch.setitem(table.EXAMPLE_KINDS, "magnitude", kind)
    task = replace(named.TASKS["regression"], kind="magnitude")
    monkeypatch.setitem(named.TASKS, "magnitude", task)
    words = (("the city", 1.0), ("old river", 5.0))
    rows = [{"text": words[n % 2][0], "label": words[n % 2][1]} for n in range(32)]
    for split in ("train", "validation"):
        lines = [json.dumps(row) + "\n" for row in rows]
        (tmp_path / f"{split}.jsonl").write_text("".join(lines))
    results = evaluate(teacher_folder, tmp_path / "o", task="magnitude", data=tmp_path)
    assert results["metrics"]["pearson"] > 90
    model = tmp_path / "o" / "seed-0" / "model"
    capsys.readouterr()
    predict.main([f"--model={model}", f"--input={tmp_path / 'validation.jsonl'}"])
    low, high, *_ = [json.loads(line)["magnitude"] for line in capsys.readouterr().out.splitlines()]
    assert high - low > 1
