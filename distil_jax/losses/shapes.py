"""Shapes that must be equal: JAX would broadcast others, and a loss be wrong without a word."""

from collections.abc import Mapping
from typing import Any


def check_equal(arrays: Mapping[str, Any]) -> None:
    """Raise `ValueError` for an array, or a shape, that is not as the first of them is."""
    shapes = [
        (name, array if isinstance(array, tuple) else array.shape) for name, array in arrays.items()
    ]
    first, expected = shapes[0]
    for name, shape in shapes[1:]:
        if shape != expected:
            raise ValueError(
                f"{name} {list(shape)} must have the shape {list(expected)} of {first}"
            )
