"""Packing sequences of different lengths into rows of one length."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

Array = np.ndarray


def assign(lengths: Sequence[int], space: int) -> list[list[int]]:
    """Best-fit decreasing: for each row the numbers of its sequences, which fill at most `space`.

    Every sequence lands in exactly one row, longest first into the fullest row that still takes
    it; equal lengths keep their order. Deterministic, O(n log n): the rows with a given space left
    form a stack, and the bits of one integer say which stacks are not empty.
    """
    rows: list[list[int]] = []
    by_space: list[list[int]] = [[] for _ in range(space + 1)]
    open_rooms = 0
    for number in np.argsort(-np.asarray(lengths, np.int64), kind="stable").tolist():
        need = lengths[number]
        if not 0 < need <= space:
            raise ValueError(f"a sequence of {need} tokens does not go into rows of {space}")
        fitting = open_rooms >> need
        if fitting:
            left = need + (fitting & -fitting).bit_length() - 1
            row = by_space[left].pop()
            if not by_space[left]:
                open_rooms &= ~(1 << left)
        else:
            left, row = space, len(rows)
            rows.append([])
        rows[row].append(number)
        left -= need
        if left:
            by_space[left].append(row)
            open_rooms |= 1 << left
    return rows


def pack(
    sequences: Sequence[Array], length: int, pad: int, *, together: int = 1
) -> tuple[Array, Array]:
    """Rows of tokens and of segment numbers, both int32 [rows, length].

    Segments are 1, 2, ... in the order in which the sequences stand in the row, 0 is padding.
    `together` sequences, one after the other, stand in one row in their order.
    """
    sizes = np.asarray([len(sequence) for sequence in sequences], np.int64)
    units = assign(sizes.reshape(-1, together).sum(axis=1).tolist(), length)
    assigned = [[unit * together + n for unit in row for n in range(together)] for row in units]
    order = list(chain.from_iterable(assigned))
    numbers = [number for row in assigned for number in range(1, len(row) + 1)]
    lengths = [len(sequences[number]) for number in order]
    filled = [sum(len(sequences[number]) for number in row) for row in assigned]
    real = np.arange(length) < np.array(filled, np.int64)[:, None]
    tokens = np.full(real.shape, pad, np.int32)
    segments = np.zeros(real.shape, np.int32)
    if order:
        tokens[real] = np.concatenate([sequences[number] for number in order])
        segments[real] = np.repeat(np.array(numbers, np.int32), lengths)
    return tokens, segments


def unpack(rows: Array, segments: Array) -> list[Array]:
    """The sequences of packed rows [rows, length], one after the other, without padding."""
    return [
        row[marks == number]
        for row, marks in zip(rows, segments, strict=True)
        for number in range(1, int(marks.max(initial=0)) + 1)
    ]
