"""Training speed of a config here: its own step on its own rows, without a run around it."""

import os
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import jax

from distil_jax.configuration.schema import Config
from distil_jax.data import loader
from distil_jax.models.stacking import stack, unstack
from distil_jax.planning import chips
from distil_jax.planning.flops import config_flops
from distil_jax.profiling.timing import StepTiming, matmul_throughput, time_steps
from distil_jax.run import resource_usage, rows
from distil_jax.training import assemble, parallel
from distil_jax.training.assemble import Models
from distil_jax.training.parallel import Devices
from distil_jax.training.step import Constants, initial_state, train_step
from distil_jax.training.workdir import resolve


def measure_training(config: Config, folder: Path, *, steps: int) -> dict[str, Any]:
    """Tokens per second, model FLOPs, memory and input wait of `steps` steps, as plain values.

    Text is prepared in `folder` first; nothing else is written. Raises `UserError` as a run does.
    """
    devices = parallel.devices(config.parallel)
    shares = parallel.shares(config.batch.size, config.batch.micro_size, devices.count)
    models = assemble.models(config)
    data, _ = rows.prepare(config, resolve(folder), models, rows.find(config, models))
    batches = loader.training_batches(data, batch=shares.rows, seed=config.seed)
    timing = _time(config, models, data, shares, devices, batches, steps)
    batches.close()
    teacher = None if models.teacher is None else models.teacher.config
    flops = config_flops(config, teacher, models.student, length=data.length).total
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
        "device": f"{devices.count} x {devices.devices[0].device_kind}, {os.cpu_count()} cores",
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _time(
    config: Config,
    models: Models,
    data: Any,
    shares: parallel.Shares,
    devices: Devices,
    batches: Any,
    steps: int,
) -> StepTiming:
    run = assemble.distillation(config, models, data, shares)
    layout = stack if run.student.scan else unstack
    teacher = models.teacher
    teacher_params = devices.replicate(
        {} if teacher is None else layout(assemble.cast(teacher.params, config.precision.teacher))
    )
    params = devices.replicate(layout(assemble.cast(models.params, config.precision.parameters)))
    return time_steps(
        devices.map(partial(train_step, run), donate=True),
        devices.replicate(initial_state(run.optimizer, params)),
        Constants(teacher_params),
        batches,
        devices,
        steps=steps,
    )


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
