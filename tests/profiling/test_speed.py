"""speed: figures of both models, and their ratios."""

from pathlib import Path

import numpy as np
import pytest

from distil_jax import pretrained
from distil_jax.models import student_from_teacher
from distil_jax.profiling import speed


def test_student_and_teacher_have_figures_that_agree(teacher_folder: Path) -> None:
    teacher = pretrained.load(teacher_folder)
    shape, params = student_from_teacher(teacher.config, teacher.params, (0, 2))
    student = pretrained.Pretrained(shape, params, "masked_lm", (), teacher.tokenizer)
    models = {"student": ("s", student), "teacher": (str(teacher_folder), teacher)}
    found = [("the river",), ("the old city", "in the city " * 40)]
    measured = speed.measure(models, found, rounds=1, length=40)
    assert measured["lengths"]["longest"] == 40
    for role in models:
        one = measured[role]
        rate = one["batch_1_sentences_per_second"]
        assert one["batch_1_milliseconds"] * rate == pytest.approx(1000)
    weights = teacher_folder / "model.safetensors"
    assert measured["teacher"]["bytes"] == weights.stat().st_size
    layer = 4 * (32 * 32 + 32) + (32 * 64 + 64) + (64 * 32 + 32) + 4 * 32
    more = measured["teacher"]["parameters"] - measured["student"]["parameters"]
    assert more == 2 * layer + 2 * 32  # two layers, and the table of two token types
    ratios = measured["ratios"]
    expected = measured["student"]["parameters"] / measured["teacher"]["parameters"]
    np.testing.assert_allclose(ratios["parameters"], expected)
