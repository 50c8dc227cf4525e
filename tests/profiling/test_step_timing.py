"""step_timing: what is counted, with a step and rows that take a known time."""

import time
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np

from distil_jax.configuration.schema import Parallel
from distil_jax.profiling.step_timing import time_steps
from distil_jax.training import parallel


def rows(pause: float) -> Iterator[dict[str, np.ndarray]]:
    number = 0
    while True:
        time.sleep(pause)
        yield {"tokens": np.full((8, 4), number, np.int32)}
        number += 1


def counting(state, teacher_params, batch):
    return state + 1, {"tokens": batch["tokens"].sum()}


def test_the_first_step_is_apart_and_waiting_is_part_of_the_rest() -> None:
    config = Parallel(mode="jit", devices=1, scan_layers="auto", rematerialise="none")
    devices = parallel.devices(config)
    timing = time_steps(counting, jnp.int32(0), {}, rows(0.02), devices, steps=5)
    assert timing.steps == 5
    assert timing.tokens == 32 * (1 + 2 + 3 + 4 + 5)
    assert 0.1 <= timing.waited_seconds <= timing.seconds
    assert timing.first_seconds >= 0.02
