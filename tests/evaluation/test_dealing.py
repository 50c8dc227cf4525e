"""Batches: every sequence once, few empty places, the same again for the same seed."""

import numpy as np
import pytest

from distil_jax.evaluation.dealing import BatchPlan, choose_shape, packed


def skewed(count: int = 3000) -> np.ndarray:
    """Lengths as of short sentences: most are short, a few long."""
    return np.clip(np.random.default_rng(0).lognormal(2.5, 0.6, count).astype(int), 3, 100)


@pytest.mark.parametrize(
    ("count", "batch", "hands"), [(3000, 32, 1), (77, 8, 4), (5, 8, 2), (1, 4, 1)]
)
def test_an_epoch_holds_every_sequence_once(count, batch, hands):
    dealing = BatchPlan(skewed(count), batch, hands, 0)
    shape = choose_shape(dealing, width=64)
    every = list(packed(dealing, shape, 0))
    assert len(every) == dealing.batches == -(-count // batch)
    assert all(len(pieces) == hands for pieces in every)
    numbers = [n for pieces in every for hand in pieces for row in hand for n in row]
    assert sorted(numbers) == list(range(count))
    for pieces in every:
        for hand in pieces:
            assert sum(map(len, hand)) <= shape.slots
            assert all(dealing.lengths[row].sum() <= shape.length for row in hand)


def test_less_than_a_tenth_is_padding():
    dealing = BatchPlan(skewed(), 32, 1, 0)
    shape = choose_shape(dealing, width=64)
    for epoch in range(3):
        every = list(packed(dealing, shape, epoch))
        computed = sum(max(shape.rows, *map(len, hands)) * shape.length for hands in every)
        assert 1 - dealing.lengths.sum() / computed < 0.1


def test_epochs_and_seeds_differ_and_repeat():
    lengths = skewed(300)
    first = [hand.tolist() for batch in BatchPlan(lengths, 8, 1, 0).epoch(0) for hand in batch]
    again = [hand.tolist() for batch in BatchPlan(lengths, 8, 1, 0).epoch(0) for hand in batch]
    later = [hand.tolist() for batch in BatchPlan(lengths, 8, 1, 0).epoch(1) for hand in batch]
    other = [hand.tolist() for batch in BatchPlan(lengths, 8, 1, 1).epoch(0) for hand in batch]
    assert first == again
    assert first not in (later, other)


def test_an_epoch_can_be_entered_in_its_middle():
    dealing = BatchPlan(skewed(100), 8, 2, 3)
    shape = choose_shape(dealing, width=64)
    assert list(packed(dealing, shape, 1, first=5)) == list(packed(dealing, shape, 1))[5:]
