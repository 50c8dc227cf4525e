"""Tokens per second of the quickstart's step under jit and under pmap, alternating in one run.

    XLA_FLAGS=--xla_force_host_platform_device_count=2 python benchmarks/parallel_modes.py

Prints the medians and their ratio, on one device and on all.
"""

import statistics
import time
from functools import partial

import jax
import numpy as np

from distil_jax.configuration import source as config_source
from distil_jax.data.masking import Masking
from distil_jax.models import student_from_teacher
from distil_jax.pretrained import load
from distil_jax.tokenizer import special_ids
from distil_jax.training import assemble
from distil_jax.training.parallel import Devices, shares
from distil_jax.training.precision import settled
from distil_jax.training.step import Constants, initial_state, train_step

ROWS, LENGTH, ROUNDS = 32, 128, 15


def main() -> None:
    config = settled(config_source.read("quickstart", []))
    teacher = load("builtin:teacher", require_head="masked_lm")
    shape, params = student_from_teacher(teacher.config, teacher.params, (0, 2, 4))
    special = special_ids(teacher.tokenizer)
    for count in sorted({1, jax.device_count()}):
        run = assemble.step_spec(
            config,
            student=shape,
            targets=assemble.live_targets(config, [assemble.TeacherShape(teacher.config)], shape),
            masking=Masking(shape.vocabulary, special.every, special.mask, 15, 80, 10),
            total_steps=1000,
            shares=shares(ROWS, 0, count),
        )
        theirs = assemble.cast(teacher.params, config.precision.teacher)
        seconds = measure(run, count, params, theirs, shape.vocabulary)
        rates = {mode: ROWS * LENGTH / statistics.median(s) for mode, s in seconds.items()}
        print(
            f"{count} device(s): jit {rates['jit']:,.0f} tokens/s, pmap {rates['pmap']:,.0f}, "
            f"pmap / jit {rates['pmap'] / rates['jit']:.3f}"
        )


def measure(run, count, params, teacher_params, vocabulary):
    """Seconds of each of `ROUNDS` steps by mode; one step before them compiles."""
    random = np.random.default_rng(0)
    batch = {
        "tokens": random.integers(5, vocabulary, (ROWS, LENGTH)).astype(np.int32),
        "segments": np.ones((ROWS, LENGTH), np.int32),
        "epoch": np.zeros(ROWS, np.int32),
        "row": np.arange(ROWS, dtype=np.int32),
    }
    sides = {}
    for mode in ("jit", "pmap"):
        devices = Devices(mode, tuple(jax.devices()[:count]))
        state = devices.replicate(initial_state(run.optimizer, jax.tree.map(np.array, params)))
        step = devices.map(partial(train_step, run), donate=True)
        sides[mode] = [devices, step, state, Constants(devices.replicate(teacher_params))]
    seconds = {mode: [] for mode in sides}
    for _ in range(ROUNDS + 1):
        for mode, side in sides.items():
            devices, step, state, constants = side
            began = time.perf_counter()
            side[2], values = step(state, constants, devices.split(batch))
            jax.block_until_ready(values)
            seconds[mode].append(time.perf_counter() - began)
    return {mode: times[1:] for mode, times in seconds.items()}


if __name__ == "__main__":
    main()
