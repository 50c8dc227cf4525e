"""Rows of numbers as int8, each with a scale of its own."""

import numpy as np
from jaxtyping import Float, Int8

LARGEST, LARGEST_REDUCED = 127, 64
"""The largest number: of 8 bits, and of the 7 whose products any processor sums rightly."""


def quantised_rows(
    values: Float[np.ndarray, "rows width"], largest: int
) -> tuple[Int8[np.ndarray, "rows width"], Float[np.ndarray, " rows"]]:
    """Each row as whole numbers from -largest to largest, times its scale."""
    scales = np.maximum(np.abs(values).max(axis=1), np.finfo(np.float32).tiny) / largest
    scales = scales.astype(np.float32)
    numbers = np.rint(values / scales[:, None]).clip(-largest, largest)
    return numbers.astype(np.int8), scales
