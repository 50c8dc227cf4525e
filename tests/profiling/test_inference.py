"""inference: sentences out of packed rows, their rate, and figures of models side by side."""

from pathlib import Path

import numpy as np
import pytest

from distil_jax import pretrained
from distil_jax.models import MaskedLM, student_from_teacher
from distil_jax.profiling.inference import (
    measure_inference,
    one_sentence_a_row,
    sentences_per_second,
)

TOKENS = np.array([[5, 6, 7, 8, 9, 0], [10, 11, 12, 13, 14, 15], [0, 0, 0, 0, 0, 0]])
SEGMENTS = np.array([[1, 1, 2, 2, 2, 0], [1, 1, 1, 1, 2, 2], [0, 0, 0, 0, 0, 0]])


def test_each_sequence_gets_a_row_of_its_own() -> None:
    batch = one_sentence_a_row(TOKENS, SEGMENTS, sentences=9, pad=99)
    expected = [[5, 6, 99, 99], [7, 8, 9, 99], [10, 11, 12, 13], [14, 15, 99, 99]]
    assert batch["tokens"].tolist() == expected
    assert batch["segments"].tolist() == (np.array(expected) != 99).astype(int).tolist()


def test_no_more_than_asked_and_no_longer_than_they_are() -> None:
    batch = one_sentence_a_row(TOKENS, SEGMENTS, sentences=1, pad=99)
    assert batch["tokens"].tolist() == [[5, 6]]


def test_every_model_has_a_rate(teacher_folder: Path) -> None:
    teacher = pretrained.load(teacher_folder)
    model = (MaskedLM(teacher.config), teacher.params)
    batch = one_sentence_a_row(TOKENS, SEGMENTS, sentences=4, pad=0)
    rates = sentences_per_second({"a": model, "b": model}, batch, rounds=1)
    assert set(rates) == {"a", "b"}
    assert min(rates.values()) > 0


def test_student_and_teacher_have_figures_that_agree(teacher_folder: Path) -> None:
    teacher = pretrained.load(teacher_folder)
    shape, params = student_from_teacher(teacher.config, teacher.params, (0, 2))
    student = pretrained.Pretrained(shape, params, "masked_lm", (), teacher.tokenizer)
    models = {"student": ("s", student), "teacher": (str(teacher_folder), teacher)}
    sentences = [("the river",), ("the old city", "in the city " * 40)]
    measured = measure_inference(models, sentences, rounds=1, length=40)
    assert measured["lengths"]["longest"] == 40
    for role in models:
        figures = measured[role]
        rate = figures["batch_1_sentences_per_second"]
        assert figures["batch_1_milliseconds"] * rate == pytest.approx(1000)
    weights = teacher_folder / "model.safetensors"
    assert measured["teacher"]["bytes"] == weights.stat().st_size
    layer = 4 * (32 * 32 + 32) + (32 * 64 + 64) + (64 * 32 + 32) + 4 * 32
    more = measured["teacher"]["parameters"] - measured["student"]["parameters"]
    assert more == 2 * layer + 2 * 32  # two layers, and the table of two token types
    ratios = measured["ratios"]
    expected = measured["student"]["parameters"] / measured["teacher"]["parameters"]
    np.testing.assert_allclose(ratios["parameters"], expected)
