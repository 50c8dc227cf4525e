"""A model's outputs for any number of sequences, in their order.

Sequences of like lengths share rows; each row length has a compiled program of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import jax
import numpy as np
from jax.sharding import PartitionSpec

from distil_jax.evaluation.pieces import PieceShape, pack, pack_batch, round_up
from distil_jax.models.types import Params
from distil_jax.tasks.encoding import Encoded
from distil_jax.tasks.kind import Outputs, Predictor
from distil_jax.tasks.network import Network
from distil_jax.training.parallel import AXIS, Devices

ROW_LENGTHS = (128, 256, 512)
"""A sequence goes into the shortest rows that hold it: attention over long rows costs."""
ROW_TOKENS = 8192
"""Tokens of one device's piece."""
SHORTEST = 2
"""Tokens that the shortest sequences have, but GPT-2's, which may have one: how many slots a piece
needs at most."""


@dataclass(frozen=True)
class BatchedForward:
    """A jitted network; keeps its compiled programs, one for each row length."""

    network: Network
    devices: Devices
    pad: int

    def __call__(self, params: Params) -> Predictor:
        """The predictor with these parameters."""
        return partial(self._predict, self.devices.replicate(params))

    def __post_init__(self) -> None:
        mapped = jax.shard_map(
            self.network.forward,
            mesh=self.devices.mesh,
            in_specs=(PartitionSpec(), PartitionSpec(AXIS)),
            out_specs=PartitionSpec(AXIS),
            check_vma=False,
        )
        object.__setattr__(self, "_compiled", jax.jit(mapped))

    def _predict(self, params: Params, encoded: Encoded) -> Outputs:
        outputs: Outputs = [np.empty(0)] * len(encoded)
        lengths = encoded.lengths
        longest = round_up(int(lengths.max(initial=1)), 8)
        limits = [*(limit for limit in ROW_LENGTHS if limit < longest), self._ceiling(longest)]
        previous = 0
        for limit in limits:
            numbers = np.flatnonzero((lengths > previous) & (lengths <= limit))
            previous = limit
            if len(numbers):
                self._predict_rows(params, encoded, pack(numbers, lengths, limit), limit, outputs)
        return outputs

    def _ceiling(self, longest: int) -> int:
        return next((limit for limit in ROW_LENGTHS if limit >= longest), longest)

    def _predict_rows(
        self,
        params: Params,
        encoded: Encoded,
        rows: Sequence[Sequence[int]],
        length: int,
        outputs: Outputs,
    ) -> None:
        """Run one row length, a piece for every device at a time, and put the results in place."""
        shortest = 1 if (encoded.lengths == 1).any() else SHORTEST
        count = min(
            max(1, ROW_TOKENS // length), _power_of_two(-(-len(rows) // self.devices.count))
        )
        shape = PieceShape(count, length, count * (length // shortest))
        pieces = [rows[start : start + count] for start in range(0, len(rows), count)]
        for start in range(0, len(pieces), self.devices.count):
            group = pieces[start : start + self.devices.count]
            group += [[]] * (self.devices.count - len(group))
            packed = [pack_batch(encoded, piece, shape, pad=self.pad) for piece in group]
            every = self._run(params, stacked([arrays for arrays, _ in packed]))
            by_piece = every.reshape(len(group), shape.slots, *every.shape[1:])
            for of_slots, (arrays, numbers) in zip(by_piece, packed, strict=True):
                for slot, number in enumerate(numbers):
                    tokens = slice(arrays["lengths"][slot] if self.network.kind.per_token else None)
                    outputs[number] = of_slots[slot][tokens]

    def _run(self, params: Params, batch: Mapping[str, np.ndarray]) -> np.ndarray:
        split = Devices("jit", self.devices.devices).split(batch)
        return np.asarray(jax.device_get(self._compiled(params, split)))  # type: ignore[attr-defined]


def _power_of_two(value: int) -> int:
    """The least power of two that is not smaller."""
    return 1 << (value - 1).bit_length()


def stacked(pieces: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of several pieces, one behind the other."""
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
