"""Frequency bands, and the figures of their sums."""

import math

import numpy as np
import pytest

from distil_jax import tokenizer
from distil_jax.data import corpus
from distil_jax.data.packing import unpack
from distil_jax.tasks.masked_lm import (
    BANDS,
    DOCUMENTS_AT_ONCE,
    band_of_token,
    figures,
    figures_by_band,
    packed_rows,
)


def test_a_tokens_band_is_that_of_its_rank_in_the_text():
    tokens = np.repeat(np.arange(200), np.arange(200, 0, -1))[None]
    bands = band_of_token(tokens, np.ones_like(tokens), 1200)
    assert (bands[:100] == 0).all()
    assert (bands[100:1000] == 1).all()
    assert (bands[1000:] == 2).all()
    padding = band_of_token(tokens, np.where(tokens == 0, 0, 1), 1200)
    assert padding[0] != 0  # what is padding does not count


def test_of_a_long_text_no_more_is_read_than_the_rows_take(
    tmp_path, teacher_folder, monkeypatch
) -> None:
    opened, read = tokenizer.load(teacher_folder), []
    lines = [f"the river is old and in the city of {number}" for number in range(2000)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    every = corpus.documents

    def counting(sources):
        for document in every(sources):
            read.append(document)
            yield document

    monkeypatch.setattr(corpus, "documents", counting)
    for rows, most in ((0, len(lines)), (20, DOCUMENTS_AT_ONCE)):
        read.clear()
        tokens, segments = packed_rows(
            str(tmp_path / "a.txt"), opened, 32, document="line", column="text", rows=rows
        )
        assert len(read) == most
        kept = sorted(sequence.tolist() for sequence in unpack(tokens, segments))
        assert kept == sorted(opened(line)["input_ids"] for line in lines[: len(kept)])
        last = max(map(len, kept))
        assert len(kept) == len(lines) if rows == 0 else 640 <= sum(map(len, kept)) < 640 + last


def test_figures_are_shares_and_means():
    sums = np.array([4.0, 1.0, 8.0, 3.0, 2.0, 2.0])
    assert figures(sums, compared=True) == pytest.approx(
        {
            "tokens": 4.0,
            "accuracy": 25.0,
            "masked_lm": 2.0,
            "perplexity": math.exp(2),
            "agreement": 75.0,
            "kl": 0.5,
            "teacher_accuracy": 50.0,
        }
    )
    assert set(figures(sums, compared=False)) == {"tokens", "accuracy", "masked_lm", "perplexity"}
    by_band = figures_by_band(np.stack([sums, sums * 0, sums, sums]), compared=False)
    assert [band["ranks"] for band in by_band] == ["1-100", "101-1000", "1001-5000", "5001-"]
    assert by_band[1] == {"ranks": "101-1000", "tokens": 0.0}
    assert len(BANDS) == len(by_band)
