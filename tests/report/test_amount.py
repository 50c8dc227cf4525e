"""amount: numbers as they are printed."""

import math

import pytest

from distil_jax.report import amount


@pytest.mark.parametrize(
    ("value", "text"),
    [(950, "950"), (66_362_880, "66.4 M"), (8.3e9, "8.3 B"), (999_600, "1 M"), (1.2e15, "1.2 P")],
)
def test_short_counts_have_three_digits_and_a_unit(value: float | int, text: str) -> None:
    assert amount.short(value) == text


def test_what_is_not_there_or_not_finite_is_a_dash() -> None:
    assert [amount.decimal(None, 1), amount.percent(math.nan), amount.signed(math.inf, 2)] == (
        ["-"] * 3
    )
