"""regression: the values of a table."""

import json
from pathlib import Path

from distil_jax import tokenizer
from distil_jax.tasks import regression
from distil_jax.tasks.kind import DataRequest
from distil_jax.tasks.named import TASKS
from distil_jax.tasks.sources import Source


def test_minus_one_is_a_value_of_a_model_that_is_scored_as_it_is(
    tmp_path: Path, teacher_folder: Path
) -> None:
    rows = [{"text": "the river", "label": value} for value in (-1, 0.5, -1.0, 1)]
    (tmp_path / "validation.jsonl").write_text("\n".join(map(json.dumps, rows)))
    request = DataRequest(Source(str(tmp_path)), (), "", (regression.VALUE,), 32, 8, training=False)
    found = regression.data(TASKS["regression"], request, tokenizer.load(teacher_folder))
    assert found.validation[0].answers.tolist() == [-1, 0.5, -1, 1]
