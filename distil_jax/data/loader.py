"""Batches for training and validation; the position in the data is the step number alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grain
import numpy as np

from distil_jax.data.store import Split
from distil_jax.errors import UserError
from distil_jax.storage.address import join

Batch = dict[str, np.ndarray]
Beside = Callable[[np.ndarray, np.ndarray], Batch]
"""Further arrays of some rows, by their epochs and numbers, such as stored targets."""
READ_THREADS = 2
BATCHES_AHEAD = 4
# "For ever": Grain's own endless length overflows in batches of one row.
MOST_ROWS = 1 << 52


@dataclass(frozen=True)
class Process:
    """Which of `count` processes reads, from 0."""

    index: int = 0
    count: int = 1


ALONE = Process()


def training_batches(
    split: Split,
    *,
    batch: int,
    seed: int,
    start_step: int = 0,
    first_row: int = 0,
    process: Process = ALONE,
    mask_epochs: int = 0,
    beside: Beside | None = None,
) -> grain.DatasetIterator[Batch]:
    """Endless batches of shuffled rows, read ahead by threads until the iterator is dropped.

    `batch` is the global number of rows; each process receives its own `batch / process.count`
    of them, in order: together the processes see what one would. Rows come once per epoch in a
    new order each epoch, and batches straddle epochs. `tokens`, `segments` are int32 [rows,
    length]; `epoch`, `row` int32 [rows]. Step `start_step` comes first, whatever was read before;
    step 0 begins at row `first_row` of the endless order. `epoch`, by which masks are drawn, counts
    from 0 again after `mask_epochs`, if those are not 0. What `beside` gives comes with the rows.

    Raises UserError for an empty split or a batch that the processes cannot share.
    """
    if not split.rows:
        raise UserError(f"{join(split.folder, split.name)} has no rows to train on")
    share = _share(batch, process.count)
    order_seed = int(np.random.SeedSequence(seed).generate_state(1)[0])

    def read(step: int, rows: np.ndarray) -> Batch:
        first = first_row + (step * process.count + process.index) * share
        epochs = np.arange(first, first + share) // split.rows
        if mask_epochs:
            epochs = epochs % mask_epochs
        return {
            **split.gather(rows),
            "epoch": epochs.astype(np.int32),
            "row": rows.astype(np.int32),
            **({} if beside is None else beside(epochs, rows)),
        }

    epochs = MOST_ROWS // split.rows
    shuffled = grain.MapDataset.range(split.rows).shuffle(order_seed).repeat(epochs)
    shares = shuffled[first_row:].batch(share)[process.index :: process.count]
    ahead = grain.ReadOptions(num_threads=READ_THREADS, prefetch_buffer_size=BATCHES_AHEAD)
    batches = iter(shares.map_with_index(read).to_iter_dataset(ahead))
    batches.set_state({"next_index": start_step})
    return batches


def steps_per_epoch(split: Split, *, batch: int) -> float:
    """Optimizer steps in which every row comes once."""
    return split.rows / batch


def validation_steps(split: Split, *, batch: int) -> int:
    """How many batches `validation_batches` yields, the same in every process."""
    return -(-split.rows // batch)


def validation_batches(
    split: Split,
    *,
    batch: int,
    process: Process = ALONE,
    beside: Beside | None = None,
) -> Iterator[Batch]:
    """All rows once, in order; what the last batch lacks is rows of padding (segments 0, row 0).

    Arrays as for `training_batches`, epoch 0. Raises UserError for a batch that the processes
    cannot share.
    """
    share = _share(batch, process.count)
    pad = split.manifest.special.pad
    for step in range(validation_steps(split, batch=batch)):
        first = step * batch + process.index * share
        rows = np.arange(first, min(first + share, split.rows))
        missing = share - len(rows)
        gathered = split.gather(rows)
        more = {} if beside is None else beside(np.zeros(len(rows), np.int64), rows)
        yield {
            "tokens": np.pad(gathered["tokens"], ((0, missing), (0, 0)), constant_values=pad),
            "segments": np.pad(gathered["segments"], ((0, missing), (0, 0))),
            "epoch": np.zeros(share, np.int32),
            "row": np.pad(rows, (0, missing)).astype(np.int32),
            **{name: _with_zeros(array, missing) for name, array in more.items()},
        }


def _with_zeros(array: np.ndarray, rows: int) -> np.ndarray:
    return np.concatenate([array, np.zeros((rows, *array.shape[1:]), array.dtype)])


def _share(batch: int, process_count: int) -> int:
    if batch < 1 or batch % process_count:
        below = max(1, batch // process_count) * process_count
        raise UserError(
            f"a batch of {batch} rows does not divide by {process_count} processes; "
            f"set it to {below} or {below + process_count}"
        )
    return batch // process_count
