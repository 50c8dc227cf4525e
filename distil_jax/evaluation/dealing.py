"""Batches in random order, all of about the same number of tokens, so that one shape fits all.

A batch is a number of hands, one for each device and micro-batch. Sequences, ordered by a slightly
randomised length, are dealt out a round at a time, the longest of a round to the hand that holds
the fewest tokens: every batch then has the same mix of lengths, and its rows are nearly full.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from distil_jax.data.packing import assign
from distil_jax.evaluation.rows import Shape, round_up

JITTER = 0.3
LENGTH_UNIT = 8
SAMPLED_HANDS = 48
LEAST_ROW_TOKENS = 128
WIDEST = 3
ENOUGH = 0.09
"""A share of padding below which shorter rows, whose attention is cheaper, are preferred."""


@dataclass(frozen=True)
class BatchPlan:
    """How an epoch's sequences become batches: `hands` of them make one."""

    lengths: np.ndarray
    batch: int
    hands: int
    seed: int

    @property
    def batches(self) -> int:
        """Optimizer steps of an epoch."""
        return -(-len(self.lengths) // self.batch)

    def epoch(self, epoch: int) -> list[list[np.ndarray]]:
        """The numbers of the sequences of each hand of each batch; the same for the same seed."""
        random = np.random.default_rng([self.seed, epoch])
        dealt = _deal(self.lengths, self.batches * self.hands, random)
        order = random.permutation(len(dealt))
        return [
            [dealt[hand] for hand in order[start : start + self.hands]]
            for start in range(0, len(dealt), self.hands)
        ]


def _deal(lengths: np.ndarray, hands: int, random: np.random.Generator) -> list[np.ndarray]:
    jittered = lengths * (1 + JITTER * random.random(len(lengths)))
    order = np.argsort(-jittered, kind="stable")
    totals = np.zeros(hands, np.int64)
    rounds = -(-len(order) // hands)
    dealt = np.full((rounds, hands), -1, np.int64)
    for number in range(rounds):
        members = order[number * hands : (number + 1) * hands]
        longest_first = members[np.argsort(-lengths[members], kind="stable")]
        emptiest_first = np.lexsort((random.random(hands), totals))[: len(members)]
        dealt[number, emptiest_first] = longest_first
        totals[emptiest_first] += lengths[longest_first]
    return [column[column >= 0] for column in dealt.T]


def choose_shape(dealing: BatchPlan, *, width: int) -> Shape:
    """Rows and their length for the hands of the first epoch: least padding, then least attention.

    `width` is the model's: attention costs a row's length against six times the width.
    """
    lengths = dealing.lengths
    hands = [hand for batch in dealing.epoch(0) for hand in batch]
    slots = max(len(hand) for hand in hands)
    tokens = np.asarray([lengths[hand].sum() for hand in hands])
    fullest = np.argsort(-tokens, kind="stable")[: SAMPLED_HANDS // 2]
    spread = np.linspace(0, len(hands) - 1, SAMPLED_HANDS // 2).astype(int)
    sample = [lengths[hands[index]].tolist() for index in {*fullest.tolist(), *spread.tolist()}]
    shortest = round_up(int(lengths.max()), LENGTH_UNIT)
    most = min(round_up(int(tokens.max()), LENGTH_UNIT), max(LEAST_ROW_TOKENS, WIDEST * shortest))
    unit = max(LENGTH_UNIT, (most - shortest) // 24 // LENGTH_UNIT * LENGTH_UNIT)
    shapes = []
    for length in range(shortest, max(most, shortest) + 1, unit):
        rows = max(len(assign(hand, length)) for hand in sample)
        padding = 1 - tokens.mean() / (rows * length)
        cost = rows * length * (1 + length / (6 * width))
        shapes.append((max(padding, ENOUGH), cost, rows, length))
    _, _, rows, length = min(shapes)
    return Shape(rows, length, slots)


def packed(
    dealing: BatchPlan, shape: Shape, epoch: int, *, first: int = 0
) -> Iterator[list[list[list[int]]]]:
    """For each batch from `first` on, and each hand of it, the sequences of each row.

    A batch that needs more rows than the shape has comes with them: a shape compiled once more.
    """
    for batch in dealing.epoch(epoch)[first:]:
        yield [
            [[int(hand[member]) for member in row] for row in assign(sizes, shape.length)]
            for hand in batch
            for sizes in [dealing.lengths[hand].tolist()]
        ]
