"""Which columns to keep so that least squares restores most of what a linear map makes of all."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

SMALLEST = 1e-9
"""Of a column's own variance: below it, nothing is left that the chosen columns do not explain."""


def choose_columns(
    states: Sequence[Float[np.ndarray, "tokens hidden_size"]],
    maps: Sequence[Float[np.ndarray, "hidden_size _"]],
    count: int,
) -> Int[np.ndarray, " count"]:
    """The columns from which all `states[i] @ maps[i]` are predicted best, ascending.

    Greedy forward selection (orthogonal least squares, Chen et al. 1989): each step takes the
    column that explains most of the variance that is left, every pair of states and map having the
    same say.
    """
    pairs = [
        ResidualCovariance(state, kernel, count) for state, kernel in zip(states, maps, strict=True)
    ]
    chosen: list[int] = []
    for _ in range(count):
        gain = np.sum([pair.gain() for pair in pairs], axis=0)
        gain[chosen] = -1
        column = int(gain.argmax())
        chosen.append(column)
        for pair in pairs:
            pair.take(column)
    return np.sort(np.asarray(chosen))


class ResidualCovariance:
    """The covariance of columns and of columns with outputs that the chosen ones leave.

    It is own - factor factor^T and shared - factor weight, as in a pivoted Cholesky factorisation,
    and never formed: only its diagonal and the squared norms of its rows are kept up to date.
    """

    def __init__(self, states: np.ndarray, kernel: np.ndarray, count: int) -> None:
        self.own = _covariance(states)
        self.shared = self.own @ kernel.astype(np.float64)
        self.total = float(np.sum(kernel * self.shared))
        self.variance = np.diag(self.own).copy()
        self.floor = SMALLEST * self.variance
        self.power = np.square(self.shared).sum(axis=1)
        self.factor = np.zeros((len(self.own), count))
        self.weight = np.zeros((count, kernel.shape[1]))
        self.taken = 0

    def gain(self) -> np.ndarray:
        """The share of the outputs' variance that each column would explain."""
        left = self.variance > self.floor
        return np.where(left, self.power, 0) / np.where(left, self.variance * self.total, 1)

    def take(self, column: int) -> None:
        """Leave out what this column explains."""
        if self.variance[column] <= self.floor[column]:
            return
        factor, weight = self.factor[:, : self.taken], self.weight[: self.taken]
        root = np.sqrt(self.variance[column])
        explained = (self.own[:, column] - factor @ factor[column]) / root
        outputs = (self.shared[column] - factor[column] @ weight) / root
        both = self.shared @ outputs - factor @ (weight @ outputs)
        self.power += np.square(explained) * (outputs @ outputs) - 2 * explained * both
        self.power = np.maximum(self.power, 0)
        self.variance -= np.square(explained)
        self.factor[:, self.taken], self.weight[self.taken] = explained, outputs
        self.taken += 1


def choose_blocks(
    states: Float[np.ndarray, "tokens hidden_size"],
    kernel: Float[np.ndarray, "hidden_size outputs"],
    *,
    blocks: int,
    count: int,
) -> Int[np.ndarray, " count"]:
    """The same for whole blocks of neighbouring columns, such as the heads of attention."""
    own = _covariance(states)
    shared = own @ kernel
    columns = np.arange(len(own)).reshape(blocks, -1)
    chosen: list[int] = []
    for _ in range(count):
        gains = {
            block: _explained(own, shared, columns[[*chosen, block]].ravel())
            for block in range(blocks)
            if block not in chosen
        }
        chosen.append(max(gains, key=gains.__getitem__))
    return np.sort(np.asarray(chosen))


def _explained(own: np.ndarray, shared: np.ndarray, columns: np.ndarray) -> float:
    """Variance of the outputs that a regression on these columns explains."""
    block = own[np.ix_(columns, columns)]
    block = block + SMALLEST * np.trace(block) * np.eye(len(columns))
    return float(np.sum(shared[columns] * np.linalg.solve(block, shared[columns])))


def _covariance(states: np.ndarray) -> Float[np.ndarray, "hidden_size hidden_size"]:
    centred = states - states.mean(axis=0)
    return (centred.T @ centred).astype(np.float64) / len(states)
