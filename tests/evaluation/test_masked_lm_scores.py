"""Masked language modelling: the figures, and what a model says of itself."""

import json
import math

import pytest

from distil_jax.errors import UserError
from distil_jax.evaluate import main


@pytest.fixture(scope="module")
def found(teacher_folder, text_file, tmp_path_factory):
    output = tmp_path_factory.mktemp("mlm") / "o"
    flags = [f"--model={teacher_folder}", f"--teacher={teacher_folder}", "--task=mlm"]
    main([*flags, f"--data={text_file}", f"--output={output}", "--length=32"])
    return json.loads((output / "results.json").read_text())


def test_a_model_agrees_with_itself(found):
    metrics = found["metrics"]
    assert metrics["agreement"] == 100.0
    assert metrics["kl"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["accuracy"] == metrics["teacher_accuracy"]
    assert metrics["perplexity"] == pytest.approx(math.exp(metrics["masked_lm"]))
    assert len(found["layers"]) == 3
    for layer in found["layers"]:
        assert layer["student_layer"] == layer["teacher_layer"]
        assert layer["cosine"] == pytest.approx(1.0, abs=1e-5)
        assert layer["cka"] == pytest.approx(1.0, abs=1e-5)


def test_bands_add_up(found):
    bands = [band for band in found["bands"] if band["tokens"]]
    assert sum(band["tokens"] for band in bands) == found["metrics"]["tokens"]
    right = sum(band["tokens"] * band["accuracy"] for band in bands)
    assert right / found["metrics"]["tokens"] == pytest.approx(found["metrics"]["accuracy"])
    assert found["counts"]["masked"] == found["metrics"]["tokens"]


def test_text_without_a_word_that_is_known_is_one_line(teacher_folder, tmp_path):
    (tmp_path / "text.txt").write_text("\u4e00 \u4e8c \u4e09 \u56db \u4e94 \u516d\n" * 20)
    given = [f"--model={teacher_folder}", "--task=mlm", f"--data={tmp_path / 'text.txt'}"]
    with pytest.raises(UserError, match="has no token that could be masked"):
        main([*given, f"--output={tmp_path / 'o'}"])


def test_another_tokenizer_is_refused(teacher_folder, text_file, tmp_path):
    with pytest.raises(UserError, match="another tokenizer"):
        main(
            [
                f"--model={teacher_folder}",
                "--teacher=builtin:teacher",
                "--task=mlm",
                f"--data={text_file}",
                f"--output={tmp_path / 'o'}",
            ]
        )
    assert not (tmp_path / "o").exists()
