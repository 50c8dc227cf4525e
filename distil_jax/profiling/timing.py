"""Wall time: functions side by side, training steps, and large matmuls."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from distil_jax.training.loop import Step
from distil_jax.training.parallel import Devices
from distil_jax.training.step import Constants

MATMUL_SIZES = {"cpu": 2048}
ACCELERATOR_MATMUL_SIZE = 8192
MATMUL_ROUNDS = 7


@dataclass(frozen=True)
class StepTiming:
    """`steps` steps after the first.

    Attributes:
      first_seconds: of the first step, its compilation included.
      seconds: of all others together, `waited_seconds` for rows to be read and placed included.
      tokens: that they were trained on, padding not counted.
    """

    steps: int
    first_seconds: float
    seconds: float
    waited_seconds: float
    tokens: int


def alternate(
    functions: Mapping[str, Callable[[], object]], *, rounds: int, most_seconds: float = math.inf
) -> dict[str, float]:
    """Median seconds of each function over `rounds`, all of them called in turn in every round.

    Side by side, because machines are shared and noisy. Once they have taken `most_seconds` no
    further round begins.

    Each is called once before, to compile. A function must not return before its work is done.
    """
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(rounds):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
        if sum(map(sum, seconds.values())) > most_seconds:
            break
    return {name: statistics.median(times) for name, times in seconds.items()}


def time_steps(
    step: Step,
    state: Any,
    constants: Constants,
    batches: Iterator[Mapping[str, np.ndarray]],
    devices: Devices,
    *,
    steps: int,
) -> StepTiming:
    """Run one step and then `steps` as `training.loop` does: figures fetched one step late."""
    start = time.perf_counter()
    state, values = step(state, constants, devices.split(next(batches)))
    jax.block_until_ready(values)
    first_seconds = time.perf_counter() - start
    waited, fetched = 0.0, []
    start = time.perf_counter()
    for _ in range(steps):
        before_batch = time.perf_counter()
        batch = devices.split(next(batches))
        waited += time.perf_counter() - before_batch
        previous = values
        state, values = step(state, constants, batch)
        fetched.append(previous["tokens"].item())
    fetched.append(values["tokens"].item())
    return StepTiming(steps, first_seconds, time.perf_counter() - start, waited, sum(fetched[1:]))


def matmul_throughput(dtype: str) -> float:
    """FLOP/s of a large square matmul on the first device, the median of seven.

    What a step is compared with where no peak of the device is published.
    """
    side = MATMUL_SIZES.get(jax.default_backend(), ACCELERATOR_MATMUL_SIZE)
    factor = jnp.full((side, side), 1 / side, dtype)
    matmul = jax.jit(jnp.matmul)
    matmul(factor, factor).block_until_ready()
    seconds = []
    for _ in range(MATMUL_ROUNDS):
        start = time.perf_counter()
        matmul(factor, factor).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 2 * side**3 / statistics.median(seconds)
