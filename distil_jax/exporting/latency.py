"""How long a graph takes for one sequence of a given length, and how many it does in a batch."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from distil_jax.exporting.onnx_folder import OnnxModel, inputs_of

LENGTHS = (16, 64, 128, 384)
BATCH, BATCH_LENGTH = 32, 128
CALLS = 20
TOGETHER = 5
FIRST_ORDINARY_TOKEN = 5


def latency(model: OnnxModel, *, calls: int = CALLS) -> dict[str, Any]:
    """Median and 95th percentile in milliseconds at batch 1, sequences per second at batch 32.

    The sequences are random tokens, none of it padding; lengths beyond the positions are left out.
    """
    longest = model.config.positions
    lengths = [length for length in LENGTHS if length <= longest]
    runs = {str(length): one_call(model, 1, length) for length in lengths}
    batched = one_call(model, BATCH, min(BATCH_LENGTH, longest))
    milliseconds = timed(runs, calls=calls)
    few = timed({"batch": batched}, calls=max(3, calls // 4))["batch"]["median"]
    return {
        "batch_1_milliseconds_by_length": milliseconds,
        "batch_32_length": min(BATCH_LENGTH, longest),
        "batch_32_sequences_per_second": 1000 * BATCH / few,
    }


def timed(runs: Mapping[str, Callable[[], object]], *, calls: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each function, in turn and a few calls at a time.

    The first of these does not count: the threads of the session before still wait for work, on
    cores that this one needs. A program of its own runs one session.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for start in range(0, calls, TOGETHER):
        for name, run in runs.items():
            run()
            seconds[name] += [_seconds(run) for _ in range(min(TOGETHER, calls - start))]
    return {
        name: {
            "median": 1000 * float(np.median(every)),
            "p95": 1000 * float(np.percentile(every, 95)),
        }
        for name, every in seconds.items()
    }


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def one_call(model: OnnxModel, count: int, length: int) -> Callable[[], object]:
    """A call of the graph on `count` sequences of random tokens, none of it padding."""
    first = min(FIRST_ORDINARY_TOKEN, model.config.vocabulary - 1)
    tokens = np.random.default_rng(0).integers(first, model.config.vocabulary, (count, length))
    inputs = inputs_of(list(tokens), pad=model.config.pad_token)
    return lambda: model.run(inputs)
