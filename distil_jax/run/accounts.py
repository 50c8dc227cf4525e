"""What a run took, and where it ran."""

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import jax

from distil_jax import __version__
from distil_jax.run.setup import Setup
from distil_jax.sizing.flops import TrainingFlops, training_flops

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "transformers", "numpy")


def environment() -> dict[str, str | int]:
    """Versions and devices of this process."""
    device = jax.devices()[0]
    return {
        "distil_jax": __version__,
        **{name: found for name in PACKAGES if (found := _version(name))},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device.device_kind,
        "devices": jax.device_count(),
        "processes": jax.process_count(),
        "cpu_cores": os.cpu_count() or 0,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def cost(setup: Setup, lines: Sequence[Mapping[str, Any]]) -> dict[str, float | int]:
    """Device-hours, tokens and FLOPs of the steps that metrics.jsonl tells of.

    A line holds the tokens of its own step and the rate since the line before, so that a run which
    was stopped and started again is counted whole; the steps in between are taken to hold as many
    tokens, which packed rows do within a percent.
    """
    tokens = seconds = 0.0
    before = 0
    for line in lines:
        here = (line["step"] - before) * line["tokens"]
        tokens, seconds, before = tokens + here, seconds + here / _rate(line), line["step"]
    flops = _flops(setup)
    computed = before * setup.config.batch.sequences * setup.train_data.length
    return {
        "devices": setup.devices.count,
        "device_hours": seconds * setup.devices.count / 3600,
        "tokens": round(tokens),
        "tokens_per_second": tokens / seconds if seconds else 0.0,
        "flops_per_token": flops.total,
        "flops": flops.total * computed,
        "teacher_share": flops.teacher_share,
    }


def _rate(line: Mapping[str, Any]) -> float:
    return max(line["tokens_per_second"], 1e-9)


def _flops(setup: Setup) -> TrainingFlops:
    config, teacher = setup.config, setup.models.teacher
    masked = config.masking.percent / 100
    everywhere = config.loss.positions == "all" and config.loss.soft_target > 0
    return training_flops(
        None if teacher is None else teacher.config,
        setup.models.student,
        length=setup.train_data.length,
        soft_target=config.loss.soft_target > 0,
        cosine=config.loss.cosine > 0,
        decoded_share=1.0 if everywhere else masked,
        recomputed=config.parallel.rematerialise,  # type: ignore[arg-type]
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
