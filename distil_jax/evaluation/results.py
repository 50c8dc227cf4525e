"""results.json: the scores of all seeds, their median and spread, and where they come from."""

import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

import distil_jax
from distil_jax.evaluation.fine_tuning_plan import FineTuningPlan
from distil_jax.evaluation.initial import initial_params
from distil_jax.tasks.task_scores import DEFINITIONS

Seed = Mapping[str, Any]


def gather(
    plan: FineTuningPlan, seeds: Sequence[Seed], grid: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The content of results.json; scores are in points."""
    scores = [seed["score"] for seed in seeds]
    best = max(seeds, key=lambda seed: seed["score"])
    padding = [seed["padding_share"] for seed in seeds if seed["padding_share"] is not None]
    leaves = jax.tree.leaves(initial_params(plan, 0))
    return {
        "task": plan.settings.task,
        "model": plan.settings.model,
        "teacher": plan.settings.teacher or None,
        "metric": plan.task.score,
        "metric_definition": DEFINITIONS[plan.task.score],
        "score": statistics.median(scores),
        "spread": {
            "min": min(scores),
            "max": max(scores),
            "std": statistics.stdev(scores) if len(scores) > 1 else 0.0,
        },
        "metrics": medians([seed["metrics"] for seed in seeds]),
        "seeds": list(seeds),
        "best_seed": best["seed"],
        "best_model": f"seed-{best['seed']}/model" if plan.epochs else plan.settings.model,
        "learning_rate_grid": list(grid),
        "labels": list(plan.data.labels),
        "parameters": sum(leaf.size for leaf in leaves),
        "bytes": sum(leaf.size * 4 for leaf in leaves),
        "counts": {
            **plan.data.counts,
            "padding_share": statistics.median(padding) if padding else None,
        },
        "settings": dict(plan.identity),
        "environment": environment(plan),
    }


def medians(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of every metric over the seeds."""
    return {name: float(np.median([seed[name] for seed in metrics])) for name in metrics[0]}


def environment(plan: FineTuningPlan) -> dict[str, Any]:
    """What the scores were computed with."""
    return {
        "distil_jax": distil_jax.__version__,
        "jax": jax.__version__,
        "python": platform.python_version(),
        "device": plan.devices.devices[0].device_kind,
        "devices": plan.devices.count,
        "processors": os.cpu_count(),
        "machine": platform.machine(),
        "system": sys.platform,
    }
