import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_jax.data import packing

PAD = 0


@st.composite
def lengths_and_room(draw: st.DrawFn) -> tuple[list[int], int]:
    space = draw(st.integers(3, 40))
    return draw(st.lists(st.integers(1, space), max_size=60)), space


@given(lengths_and_room())
def test_every_sequence_lands_in_one_row_that_holds_it(case: tuple[list[int], int]):
    lengths, space = case
    rows = packing.assign(lengths, space)
    assert sorted(number for row in rows for number in row) == list(range(len(lengths)))
    assert all(0 < sum(lengths[number] for number in row) <= space for row in rows)


@given(lengths_and_room())
def test_no_two_rows_would_fit_into_one(case: tuple[list[int], int]):
    lengths, space = case
    used = sorted(sum(lengths[n] for n in row) for row in packing.assign(lengths, space))
    assert len(used) < 2 or used[0] + used[1] > space


@given(lengths_and_room())
def test_rows_give_the_sequences_back(case: tuple[list[int], int]):
    lengths, space = case
    sequences = [np.arange(1, n + 1, dtype=np.int32) + 100 * i for i, n in enumerate(lengths)]
    tokens, segments = packing.pack(sequences, space, PAD)
    assert tokens.shape == segments.shape == (len(tokens), space)
    assert tokens.dtype == segments.dtype == np.int32
    found = []
    for row, numbers in zip(tokens, segments, strict=True):
        real = numbers[numbers > 0]
        assert np.array_equal(numbers, np.pad(real, (0, space - len(real))))
        assert set(np.diff(real)) <= {0, 1}
        assert real[0] == 1
        assert (row[numbers == 0] == PAD).all()
        found += [tuple(row[numbers == segment]) for segment in range(1, real[-1] + 1)]
    assert sorted(found) == sorted(map(tuple, sequences))


def test_best_fit_fills_rows():
    lengths = np.random.default_rng(0).integers(12, 400, 5000).tolist()
    rows = packing.assign(lengths, 512)
    assert sum(lengths) / (512 * len(rows)) > 0.98


def test_a_sequence_longer_than_a_row_is_our_mistake():
    with pytest.raises(ValueError, match="9 tokens"):
        packing.assign([3, 9], 8)
