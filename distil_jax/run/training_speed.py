"""Training speed of a config here: its own step on its own rows, without a run around it."""

import itertools
import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import jax

from distil_jax.configuration.schema import Config
from distil_jax.data import loader
from distil_jax.data.store import Split
from distil_jax.planning import chips
from distil_jax.planning.flops import config_flops
from distil_jax.planning.forecast import Forecast, forecast
from distil_jax.planning.kernel_flops import kernel_flops
from distil_jax.profiling.timing import StepTiming, matmul_throughput, time_steps
from distil_jax.run import resource_usage
from distil_jax.run.data import prepare_rows
from distil_jax.run.data_cursor import START, total_steps
from distil_jax.run.placement import put_on_devices
from distil_jax.run.setup import RunInputs, load_inputs, step_spec
from distil_jax.training.parallel import Devices
from distil_jax.training.step import initial_state, train_step
from distil_jax.training.targets import shapes_of
from distil_jax.training.workdir import resolve


def measure_training(config: Config, folder: Path, *, steps: int) -> dict[str, Any]:
    """Tokens per second, model FLOPs, memory and input wait of `steps` steps, as plain values.

    Text is prepared in `folder` first; nothing else is written. Raises `UserError` as a run does.
    """
    inputs = load_inputs(config)
    config = inputs.config
    devices, shares, models = inputs.devices, inputs.shares, inputs.models
    data, _ = prepare_rows(config, resolve(folder), models.tokenizer, inputs.rows)
    timing, program = _time(inputs, data, steps)
    expected = program and program.as_dict(timing.tokens / steps)
    teacher = None if models.teacher is None else models.teacher.config
    others = [each.config for each in models.others]
    spec = step_spec(inputs, data, steps)
    flops = config_flops(
        config,
        teacher,
        models.student,
        length=data.length,
        others=others,
        shapes=shapes_of(spec.targets, spec.objectives),
    ).total
    positions = shares.rows * data.length * steps
    return {
        "teacher": config.teacher,
        "layers": models.student.layers,
        "rows": shares.rows,
        "micro_rows": shares.micro_rows,
        "length": data.length,
        "steps": steps,
        "compute": config.precision.compute,
        "tokens_per_second": timing.tokens / timing.seconds,
        "step_seconds": timing.seconds / steps,
        "input_wait": timing.waited_seconds / timing.seconds,
        "first_step_seconds": timing.first_seconds,
        **_utilisation(config, devices, flops, positions / timing.seconds),
        **_memory(devices),
        **(expected or {}),
        "device": f"{devices.count} x {devices.devices[0].device_kind}, {os.cpu_count()} cores",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _time(inputs: RunInputs, data: Split, steps: int) -> tuple[StepTiming, Forecast | None]:
    """The steps' times, and what their program lets expect; None for pmap's, which has no text."""
    config, devices = inputs.config, inputs.devices
    stored = inputs.models.stored
    batches = loader.training_batches(
        data,
        batch=inputs.shares.rows,
        seed=config.seed,
        mask_epochs=config.masking.epochs,
        beside=None if stored is None else stored.training,
    )
    spec = step_spec(inputs, data, total_steps(START, config, data))
    constants, params = put_on_devices(inputs.models, spec, devices, config.precision)
    state = devices.replicate(initial_state(spec.optimizer, params))
    step: Any = devices.map(partial(train_step, spec), donate=True)
    first, program = next(batches), None
    start = time.perf_counter()
    if devices.mode == "jit":
        traced = step.trace(state, constants, devices.split(first))
        step = traced.lower().compile()
    compile_seconds = time.perf_counter() - start
    if devices.mode == "jit":
        chip = chips.of_device(devices.devices[0].device_kind)
        inside = kernel_flops(traced.jaxpr)
        program = forecast(step.as_text(), chip, devices.count, kernel_flops=inside)
    rows = itertools.chain([first], batches)
    timing = time_steps(step, state, constants, rows, devices, steps=steps)
    batches.close()
    first_seconds = compile_seconds + timing.first_seconds
    return replace(timing, first_seconds=first_seconds), program


def _utilisation(
    config: Config, devices: Devices, flops: float, positions_per_second: float
) -> dict[str, Any]:
    """The step's own matmuls, recomputation not counted, beside what the devices could do."""
    rate = flops * positions_per_second
    chip = chips.of_device(devices.devices[0].device_kind)
    peak = None if chip is None else chip.flops * devices.count
    throughput = matmul_throughput(config.precision.compute)
    # Simulated devices share one CPU, whose matmuls already use all its cores.
    total_throughput = throughput if jax.default_backend() == "cpu" else throughput * devices.count
    return {
        "model_flops_per_token": flops,
        "model_flops_per_second": rate,
        "peak_flops_per_second": peak,
        "utilisation": None if peak is None else rate / peak,
        "product_flops_per_second": total_throughput,
        "share_of_products": rate / total_throughput,
    }


def _memory(devices: Devices) -> dict[str, Any]:
    """The most bytes in use at one time: of the fullest device, else of this process."""
    stats = [device.memory_stats() for device in devices.devices if device.platform != "cpu"]
    if stats and all(stats):
        return {
            "memory_of": "the fullest device",
            "peak_bytes": max(each["peak_bytes_in_use"] for each in stats),
        }
    return {"memory_of": "the process", "peak_bytes": resource_usage.peak_bytes()}
