"""Frequency bands, and the figures of their sums."""

import math

import numpy as np
import pytest

from distil_jax.tasks.masked_lm import BANDS, band_of_token, figures, figures_by_band


def test_a_tokens_band_is_that_of_its_rank_in_the_text():
    tokens = np.repeat(np.arange(200), np.arange(200, 0, -1))[None]
    bands = band_of_token(tokens, np.ones_like(tokens), 1200)
    assert (bands[:100] == 0).all()
    assert (bands[100:1000] == 1).all()
    assert (bands[1000:] == 2).all()
    padding = band_of_token(tokens, np.where(tokens == 0, 0, 1), 1200)
    assert padding[0] != 0  # what is padding does not count


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
