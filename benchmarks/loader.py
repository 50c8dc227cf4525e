"""Tokens per second that the loader delivers from a prepared folder, on one process.

    python benchmarks/loader.py ROWS [ROWS ...]

ROWS are folders made by `distil_jax.prepare`. Prints the median of five passes of 200 batches.
"""

import statistics
import sys
import time

from distil_jax.data import loader
from distil_jax.data.store import open_split

BATCH, BATCHES, PASSES = 64, 200, 5


def tokens_per_second(folder: str) -> float:
    split = open_split(folder, "train")
    rates = []
    for start in range(0, PASSES * BATCHES, BATCHES):
        batches = loader.training_batches(split, batch=BATCH, seed=0, start_step=start)
        next(batches)  # opens shards and fills the read-ahead
        began = time.perf_counter()
        for _ in range(BATCHES):
            next(batches)
        rates.append(BATCH * BATCHES * split.length / (time.perf_counter() - began))
        batches.close()
    return statistics.median(rates)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        length = open_split(name, "train").length
        print(f"{name}: rows of {length}, {tokens_per_second(name) / 1e6:.1f} M tokens/s")
