"""What a run took, and where it ran."""

import os
import platform
import resource
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax

from distil_jax import __version__
from distil_jax.planning import chips
from distil_jax.planning.flops import TrainingFlops, config_flops
from distil_jax.run.setup import Setup
from distil_jax.training.targets import shapes_of

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "transformers", "numpy")


def environment() -> dict[str, str | int]:
    """Versions and devices of this process."""
    device = jax.devices()[0]
    return {
        "distil_jax": __version__,
        **{name: number for name in PACKAGES if (number := _version(name))},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device.device_kind,
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "cpu_cores": os.cpu_count() or 0,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def cost(setup: Setup, lines: Sequence[Mapping[str, Any]]) -> dict[str, float | int]:
    """Device-hours, tokens and FLOPs of the steps in metrics.jsonl.

    A line holds the tokens of its own step and the rate since the line before, so that a run which
    was stopped and started again is counted whole; the steps in between are taken to hold as many
    tokens, which packed rows do within a percent. Each line says on how many devices it ran.
    """
    tokens = seconds = device_seconds = 0.0
    before = 0
    for line in lines:
        tokens_since = (line["step"] - before) * line["tokens"]
        took = tokens_since / max(line["tokens_per_second"], 1e-9)
        tokens, seconds, before = tokens + tokens_since, seconds + took, line["step"]
        device_seconds += took * line.get("devices", setup.devices.count)
    flops = step_flops(setup)
    rows = setup.cursor.after(before, setup.config.batch.size)
    return {
        "devices": setup.devices.count,
        "device_hours": device_seconds / 3600,
        "tokens": round(tokens),
        "tokens_per_second": tokens / seconds if seconds else 0.0,
        "flops_per_token": flops.total,
        "flops": flops.total * rows * setup.train_data.length,
        "teacher_share": flops.teacher_share,
    }


def step_flops(setup: Setup) -> TrainingFlops:
    """FLOPs per token of the run's step."""
    teacher = setup.models.teacher
    return config_flops(
        setup.config,
        None if teacher is None else teacher.config,
        setup.models.student,
        length=setup.train_data.length,
        recomputed=setup.config.parallel.remat,  # type: ignore[arg-type]
        others=[each.config for each in setup.models.others],
        shapes=shapes_of(setup.spec.targets, setup.spec.objectives),
    )


def peak_rate(setup: Setup) -> float:
    """Tokens/s of the step's matmuls alone at the published peak of its devices; 0: unknown."""
    chip = chips.of_device(setup.devices.devices[0].device_kind)
    if chip is None:
        return 0.0
    return chip.flops * setup.devices.count / step_flops(setup).total


def peak_bytes() -> int:
    """The most memory that this process ever held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
