"""Batches: every sequence once, few empty places, the same again for the same seed."""

import numpy as np
import pytest

from distil_jax.evaluation.batch_plan import BatchPlan, choose_shape, packed_rows


def skewed(count: int = 3000) -> np.ndarray:
    """Lengths as of short sentences: most are short, a few long."""
    return np.clip(np.random.default_rng(0).lognormal(2.5, 0.6, count).astype(int), 3, 100)


@pytest.mark.parametrize(
    ("count", "batch", "shards"), [(3000, 32, 1), (77, 8, 4), (5, 8, 2), (1, 4, 1)]
)
def test_an_epoch_holds_every_sequence_once(count, batch, shards):
    plan = BatchPlan(skewed(count), batch, shards, 0)
    shape = choose_shape(plan, width=64)
    every = list(packed_rows(plan, shape, 0))
    assert len(every) == plan.batches == -(-count // batch)
    assert all(len(pieces) == shards for pieces in every)
    numbers = [n for pieces in every for shard in pieces for row in shard for n in row]
    assert sorted(numbers) == list(range(count))
    for pieces in every:
        for shard in pieces:
            assert sum(map(len, shard)) <= shape.slots
            assert all(plan.lengths[row].sum() <= shape.length for row in shard)


def test_batches_are_the_same_on_any_number_of_devices():
    def batches(shards: int) -> list[list[int]]:
        every = BatchPlan(skewed(300), 32, shards, 0).epoch(1)
        assert all(len(batch) == shards for batch in every)
        return [sorted(np.concatenate(batch).tolist()) for batch in every]

    assert batches(1) == batches(4) == batches(32)


@pytest.mark.parametrize("shards", [2, 4, 8])
def test_shards_are_of_a_size(shards):
    plan = BatchPlan(skewed(), 64, shards, 0)
    for batch in plan.epoch(0):
        counts = [len(shard) for shard in batch]
        tokens = [plan.lengths[shard].sum() for shard in batch]
        assert max(counts) - min(counts) <= 1
        longest = plan.lengths[np.concatenate(batch)].max()
        assert max(tokens) - min(tokens) <= longest


def test_less_than_a_tenth_is_padding():
    plan = BatchPlan(skewed(), 32, 1, 0)
    shape = choose_shape(plan, width=64)
    for epoch in range(3):
        every = list(packed_rows(plan, shape, epoch))
        computed = sum(max(shape.rows, *map(len, shards)) * shape.length for shards in every)
        assert 1 - plan.lengths.sum() / computed < 0.1


def test_epochs_and_seeds_differ_and_repeat():
    lengths = skewed(300)
    first = [shard.tolist() for batch in BatchPlan(lengths, 8, 1, 0).epoch(0) for shard in batch]
    again = [shard.tolist() for batch in BatchPlan(lengths, 8, 1, 0).epoch(0) for shard in batch]
    later = [shard.tolist() for batch in BatchPlan(lengths, 8, 1, 0).epoch(1) for shard in batch]
    other = [shard.tolist() for batch in BatchPlan(lengths, 8, 1, 1).epoch(0) for shard in batch]
    assert first == again
    assert first not in (later, other)


def test_an_epoch_can_be_entered_in_its_middle():
    plan = BatchPlan(skewed(100), 8, 2, 3)
    shape = choose_shape(plan, width=64)
    assert list(packed_rows(plan, shape, 1, first=5)) == list(packed_rows(plan, shape, 1))[5:]
