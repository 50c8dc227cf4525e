"""The trials of several learning rates with the first seed, and which is the best."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from distil_jax.errors import Diverged
from distil_jax.evaluation.fine_tuner import FineTuner
from distil_jax.evaluation.seed import score_main, train
from distil_jax.storage.atomic import write_text
from distil_jax.tasks.files import read_json

FILE = "grid.json"


def learning_rate(tuner: FineTuner, folder: Path, first_seed: Path) -> float:
    """The only learning rate, or the best of the grid, tried with seed 0 and kept in grid.json.

    What seed 0 has learnt with the best one becomes `first_seed`, where it goes on from.
    """
    rates = tuner.plan.settings.learning_rates
    if len(rates) == 1 or not tuner.plan.epochs:
        return rates[0]
    tried, trials = read(folder), folder / "grid"
    for rate in rates[len(tried) :]:
        tried.append({"learning_rate": rate, **_trial(tuner, rate, trials / f"{rate:g}")})
        write_text(folder / FILE, json.dumps(tried) + "\n")
        for other in {f"{entry['learning_rate']:g}" for entry in tried} - {_best(tried)}:
            shutil.rmtree(trials / other, ignore_errors=True)
    best = _best(tried)
    if not best:
        shutil.rmtree(trials, ignore_errors=True)
        raise Diverged("every --learning-rate diverged; give lower ones, with another --output")
    if (trials / best).is_dir() and not first_seed.exists():
        (trials / best).rename(first_seed)
    shutil.rmtree(trials, ignore_errors=True)
    return next(rate for rate in rates if f"{rate:g}" == best)


def _best(tried: Sequence[Mapping[str, Any]]) -> str:
    """The name of the first rate of the best score; empty where all have diverged."""
    scored = [entry for entry in tried if "score" in entry]
    best = max(scored, key=lambda entry: entry["score"], default=None)
    return f"{best['learning_rate']:g}" if best else ""


def _trial(tuner: FineTuner, rate: float, folder: Path) -> dict[str, Any]:
    """Seed 0's score with a learning rate, or where it diverged."""
    try:
        trained = train(tuner, 0, rate, folder, saves_last=True)
    except Diverged as error:
        tuner.display.say(f"learning rate {rate:g}: diverged")
        return {"diverged": str(error)}
    metrics, _ = score_main(tuner.plan.data, tuner.predictor(trained.params))
    score = metrics[tuner.plan.task.score]
    tuner.display.say(f"learning rate {rate:g}: {score:.2f}")
    return {"score": score}


def read(folder: Path) -> list[dict[str, Any]]:
    """What was tried so far: each rate with its score, or with how it diverged."""
    file = folder / FILE
    return read_json(file) if file.is_file() else []
