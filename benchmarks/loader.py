"""Tokens per second that the loader delivers from a prepared folder, on one process.

    python benchmarks/loader.py ROWS [ROWS ...]

ROWS are folders made by `distil_jax.prepare`. Prints the median of five passes of 200 batches, and
which share of its time a step waits that itself takes as long as 5 M tokens/s allow, doing nothing
here meanwhile, as a step on an accelerator does.
"""

import statistics
import sys
import time

from distil_jax.data import loader
from distil_jax.data.store import Split, open_split

BATCH, BATCHES, PASSES = 64, 200, 5
STEP_TOKENS_PER_SECOND = 5e6


def tokens_per_second(split: Split) -> float:
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


def waiting_share(split: Split) -> float:
    step_seconds = BATCH * split.length / STEP_TOKENS_PER_SECOND
    batches = loader.training_batches(split, batch=BATCH, seed=0)
    next(batches)
    waited = 0.0
    began = time.perf_counter()
    for _ in range(PASSES * BATCHES):
        asked = time.perf_counter()
        next(batches)
        waited += time.perf_counter() - asked
        time.sleep(step_seconds)
    whole = time.perf_counter() - began
    batches.close()
    return waited / whole


if __name__ == "__main__":
    for name in sys.argv[1:]:
        split = open_split(name, "train")
        print(
            f"{name}: rows of {split.length}, {tokens_per_second(split) / 1e6:.1f} M tokens/s; "
            f"a step of {STEP_TOKENS_PER_SECOND / 1e6:.0f} M tokens/s waits "
            f"{waiting_share(split):.2%} of its time"
        )
