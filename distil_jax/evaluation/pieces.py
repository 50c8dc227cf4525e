"""Sequences packed into rows for one compiled shape, and where to find each of them again.

A piece is what a device computes at a time; `tasks.network` says which arrays it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distil_jax.data.packing import assign
from distil_jax.tasks.encoding import Encoded


@dataclass(frozen=True)
class PieceShape:
    """What one compiled program computes at a time, on one device.

    Attributes:
      rows, length: of the token arrays.
      slots: the most sequences in them.
    """

    rows: int
    length: int
    slots: int


def pack_batch(
    encoded: Encoded, assigned: Sequence[Sequence[int]], shape: PieceShape, *, pad: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The arrays of one piece, and the number of the sequence in each used slot.

    tokens, segments, token_types [rows, length]; starts, lengths [slots]: the place of each
    sequence's first token in the flattened rows, and its tokens (0 in an unused slot).
    """
    tokens = np.full((shape.rows, shape.length), pad, np.int32)
    segments, types = np.zeros((2, shape.rows, shape.length), np.int32)
    starts, lengths = np.zeros((2, shape.slots), np.int32)
    numbers: list[int] = []
    for row, members in enumerate(assigned):
        start = 0
        for segment, number in enumerate(members, 1):
            size = len(encoded.tokens[number])
            part = slice(start, start + size)
            tokens[row, part] = encoded.tokens[number]
            types[row, part] = encoded.token_types[number]
            segments[row, part] = segment
            starts[len(numbers)] = row * shape.length + start
            lengths[len(numbers)] = size
            numbers.append(number)
            start += size
    arrays = {
        "tokens": tokens,
        "segments": segments,
        "token_types": types,
        "starts": starts,
        "lengths": lengths,
    }
    return arrays, np.asarray(numbers, np.int64)


def pack(numbers: np.ndarray, lengths: np.ndarray, row_length: int) -> list[list[int]]:
    """The sequences `numbers` in as few rows as best fit finds."""
    rows = assign(lengths[numbers].tolist(), row_length)
    return [[int(numbers[member]) for member in row] for row in rows]


def round_up(value: int, unit: int) -> int:
    """The next multiple of `unit`."""
    return -(-value // unit) * unit
