"""Seconds of real steps, and how many of them are spent waiting for rows."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from distil_jax.training.loop import Step
from distil_jax.training.parallel import Devices


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


def time_steps(
    step: Step,
    state: Any,
    teacher_params: Any,
    batches: Iterator[Mapping[str, np.ndarray]],
    devices: Devices,
    *,
    steps: int,
) -> StepTiming:
    """Run one step and then `steps` as `training.loop` does: figures fetched one step late."""
    began = time.perf_counter()
    state, values = step(state, teacher_params, devices.split(next(batches)))
    jax.block_until_ready(values)
    first_seconds = time.perf_counter() - began
    waited, fetched = 0.0, []
    began = time.perf_counter()
    for _ in range(steps):
        asked = time.perf_counter()
        batch = devices.split(next(batches))
        waited += time.perf_counter() - asked
        before = values
        state, values = step(state, teacher_params, batch)
        fetched.append(before["tokens"].item())
    fetched.append(values["tokens"].item())
    return StepTiming(steps, first_seconds, time.perf_counter() - began, waited, sum(fetched[1:]))
