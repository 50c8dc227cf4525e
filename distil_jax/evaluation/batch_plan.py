"""Batches in random order, all of about the same number of tokens, so that one shape fits all.

Sequences, ordered by a slightly randomised length, are assigned a round at a time, the longest of a
round to the batch that holds the fewest tokens: every batch then has the same mix of lengths, and
its rows are nearly full. Each batch is divided in the same way into shards, one for each device and
micro-batch: which sequences make a batch does not depend on how many there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from distil_jax.data.packing import assign
from distil_jax.evaluation.pieces import PieceShape, round_up

JITTER = 0.3
LENGTH_UNIT = 8
SAMPLED_SHARDS = 48
LEAST_ROW_TOKENS = 128
LONGEST_ROW = 3
"""Times the longest sequence."""
LOW_PADDING = 0.09
"""A share of padding below which shorter rows, whose attention is cheaper, are preferred."""


@dataclass(frozen=True)
class BatchPlan:
    """How an epoch's sequences become batches: `shards` of them make one."""

    lengths: np.ndarray
    batch: int
    shards: int
    seed: int

    @property
    def batches(self) -> int:
        """Optimizer steps of an epoch."""
        return -(-len(self.lengths) // self.batch)

    def epoch(self, epoch: int) -> list[list[np.ndarray]]:
        """The numbers of the sequences of each shard of each batch; the same for the same seed."""
        random = np.random.default_rng([self.seed, epoch])
        assigned = _assign(self.lengths, self.batches, random)
        order = random.permutation(len(assigned))
        return [self._divided(assigned[batch], random) for batch in order]

    def _divided(self, batch: np.ndarray, random: np.random.Generator) -> list[np.ndarray]:
        if self.shards == 1:
            return [batch]
        return [batch[shard] for shard in _assign(self.lengths[batch], self.shards, random)]


def _assign(lengths: np.ndarray, parts: int, random: np.random.Generator) -> list[np.ndarray]:
    """So many parts of about the same number of sequences and of tokens."""
    jittered = lengths * (1 + JITTER * random.random(len(lengths)))
    order = np.argsort(-jittered, kind="stable")
    totals = np.zeros(parts, np.int64)
    rounds = -(-len(order) // parts)
    assigned = np.full((rounds, parts), -1, np.int64)
    for number in range(rounds):
        members = order[number * parts : (number + 1) * parts]
        longest_first = members[np.argsort(-lengths[members], kind="stable")]
        emptiest_first = np.lexsort((random.random(parts), totals))[: len(members)]
        assigned[number, emptiest_first] = longest_first
        totals[emptiest_first] += lengths[longest_first]
    return [column[column >= 0] for column in assigned.T]


def choose_shape(plan: BatchPlan, *, width: int) -> PieceShape:
    """Rows and their length for the shards of the first epoch: least padding, then least attention.

    `width` is the model's: attention costs a row's length against six times the width.
    """
    lengths = plan.lengths
    shards = [shard for batch in plan.epoch(0) for shard in batch]
    slots = max(len(shard) for shard in shards)
    tokens = np.asarray([lengths[shard].sum() for shard in shards])
    fullest = np.argsort(-tokens, kind="stable")[: SAMPLED_SHARDS // 2]
    spread = np.linspace(0, len(shards) - 1, SAMPLED_SHARDS // 2).astype(int)
    sample = [lengths[shards[index]].tolist() for index in {*fullest.tolist(), *spread.tolist()}]
    shortest = round_up(int(lengths.max()), LENGTH_UNIT)
    most = min(
        round_up(int(tokens.max()), LENGTH_UNIT), max(LEAST_ROW_TOKENS, LONGEST_ROW * shortest)
    )
    unit = max(LENGTH_UNIT, (most - shortest) // 24 // LENGTH_UNIT * LENGTH_UNIT)
    shapes = []
    for length in range(shortest, max(most, shortest) + 1, unit):
        rows = max(len(assign(shard, length)) for shard in sample)
        padding = 1 - tokens.mean() / (rows * length)
        cost = rows * length * (1 + length / (6 * width))
        shapes.append((max(padding, LOW_PADDING), cost, rows, length))
    _, _, rows, length = min(shapes)
    return PieceShape(rows, length, slots)


def packed_rows(
    plan: BatchPlan, shape: PieceShape, epoch: int, *, first: int = 0
) -> Iterator[list[list[list[int]]]]:
    """For each batch from `first` on, and each shard of it, the sequences of each row.

    A batch that needs more rows than the shape has comes with them: a shape compiled once more.
    """
    for batch in plan.epoch(epoch)[first:]:
        yield [
            [[int(shard[member]) for member in row] for row in assign(sizes, shape.length)]
            for shard in batch
            for sizes in [plan.lengths[shard].tolist()]
        ]
