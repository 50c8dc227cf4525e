"""inference: sentences out of packed rows, and their rate."""

from pathlib import Path

import numpy as np

from distil_jax import pretrained
from distil_jax.models import MaskedLM
from distil_jax.profiling.inference import one_sentence_a_row, sentences_per_second

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
