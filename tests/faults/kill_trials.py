"""The commands that `kill_often` kills: their flags, how far they are, and what they leave."""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distil_jax.pretrained.families import make_config

REPOSITORY = Path(__file__).parents[2]
STEPS, CHECKPOINT_STEPS = 60, 10
SEEDS, EPOCHS, EXAMPLES, BATCH = 2, 3, 64, 8
CACHED_EPOCHS = 6
TIMING = re.compile("_seconds?$|^(seconds|goodput|restarts|lost_steps|device_hours|date)$")
OBJECTIVES = {
    "loss.hidden_mse": 1.0,
    "loss.attention_mse": 1.0,
    "loss.relations": 1.0,
    "loss.options.soft_target.divergence": "reverse",
    "student.hidden_size": 16,
    "student.heads": 4,
    "student.initialize": "slice",
    "loss.cosine": 0.0,
}


@dataclass(frozen=True)
class Trial:
    """A command that is killed.

    Attributes:
      steps: how many `done` counts, of all attempts together.
      is_writing: whether something that must appear whole is being written.
      left: what two finished runs must agree on.
    """

    name: str
    module: str
    arguments: list[str]
    folder_flag: str
    environment: dict[str, str]
    steps: int
    done: Callable[[Path], int]
    is_writing: Callable[[Path], bool]
    left: Callable[[Path], dict[str, Any]]

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        """Start or resume; standard output and error go to files beside the folder."""
        command = [sys.executable, "-m", f"distil_jax.{self.module}", *self.arguments]
        with said(folder).open("wb") as out, said(folder, "err").open("wb") as err:
            return subprocess.Popen(
                [*command, f"--{self.folder_flag}={folder}"],
                stdout=out,
                stderr=err,
                env=self.environment,
                cwd=REPOSITORY,
            )


def said(folder: Path, stream: str = "out") -> Path:
    """What the latest attempt wrote."""
    return folder.with_suffix(f".{stream}")


def prepare(folder: Path) -> None:
    """A tiny random teacher under the built-in tokenizer, a text of its words, and a task."""
    import jax

    from distil_jax import models, pretrained, tokenizer

    known = tokenizer.load("builtin:teacher")
    shape = make_config(
        model_type="bert", vocabulary=len(known), hidden_size=32, layers=4, heads=4, mlp_size=64,
        positions=64, token_types=2,
    )  # fmt: skip
    params = models.initialize(shape, jax.random.key(0))
    teacher = pretrained.Pretrained(shape, params, "masked_lm", (), known)
    pretrained.save(folder / "teacher", teacher)
    words = [word for word in sorted(known.get_vocab()) if word.isalpha()]
    chosen = random.Random(0)
    lines = [" ".join(chosen.choices(words, k=chosen.randint(12, 40))) for _ in range(600)]
    (folder / "text.txt").write_text("\n".join(lines))
    for split in ("train", "validation"):
        rows = [{"text": chosen.choice(lines[:20]), "label": n % 2} for n in range(EXAMPLES)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def trials(folder: Path, devices: int) -> dict[str, Trial]:
    """All trials by their names."""
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        # XLA makes as many threads as there are devices, and deadlocks on two cores with two.
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={4 * devices}",
        # A start is mostly compilation: that takes a fifth so, and is not what is looked at here.
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        # XLA complains of compilations that take minutes, as they may on a busy machine.
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(REPOSITORY),
        "DISTIL_JAX_CACHE": str(folder / "cache"),
    }

    def distilling(name: str, mode: str, changes: dict[str, Any]) -> Trial:
        flags = ["--config=base", *_keys(folder, {"parallel.mode": mode, **changes}, devices)]
        of_run = (_steps_done, _is_writing_checkpoint, _left_by_run)
        return Trial(name, "main", flags, "workdir", environment, STEPS, *of_run)

    every = (
        distilling("jit", "jit", {}),
        distilling("pmap", "pmap", {}),
        distilling("objectives", "jit", OBJECTIVES),
        _caching(folder, environment, devices),
        _fine_tuning(folder, environment, devices),
    )
    return {trial.name: trial for trial in every}


def _keys(folder: Path, changes: dict[str, Any], devices: int) -> list[str]:
    """A run that prepares its text, checkpoints often and draws dropout."""
    values = {
        "teacher": folder / "teacher",
        "data.train": folder / "text.txt",
        "data.heldout": 0.1,
        "batch.size": 8,
        "batch.length": 32,
        "batch.micro_size": 2,
        "total_steps": STEPS,
        "log.every_steps": 1,
        "log.tensorboard": True,
        "eval.every_steps": 2 * CHECKPOINT_STEPS,
        "checkpoint.every_steps": CHECKPOINT_STEPS,
        "parallel.devices": devices,
        **changes,
    }
    return [f"--config.{key}={value}" for key, value in values.items()]


def _caching(folder: Path, environment: dict[str, str], devices: int) -> Trial:
    flags = ["--config=base", *_keys(folder, {}, devices), f"--epochs={CACHED_EPOCHS}"]
    of_cache = (_shards_done, _is_writing_anything, _left_by_cache)
    shards = CACHED_EPOCHS + 1
    return Trial("cache", "cache", flags, "output", environment, shards, *of_cache)


def _fine_tuning(folder: Path, environment: dict[str, str], devices: int) -> Trial:
    flags = [
        f"--model={folder / 'teacher'}",
        "--task=classification",
        f"--data={folder}",
        f"--epochs={EPOCHS}",
        f"--seeds={SEEDS}",
        f"--batch={BATCH}",
        "--length=48",
        f"--patience={EPOCHS}",
        f"--devices={devices}",
    ]
    of_seeds = (_seeds_steps_done, _is_writing_checkpoint, _left_by_seeds)
    steps = SEEDS * EPOCHS * EXAMPLES // BATCH
    return Trial("fine_tune", "evaluate", flags, "output", environment, steps, *of_seeds)


def _lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.is_file() else 0


def _steps_done(workdir: Path) -> int:
    return _lines(workdir / "metrics.jsonl")


def _seeds_steps_done(output: Path) -> int:
    return sum(_lines(file) for file in output.glob("seed-*/metrics.jsonl"))


def _shards_done(output: Path) -> int:
    return sum(1 for _ in output.glob("unfinished/*-*.json"))


def _is_writing_checkpoint(folder: Path) -> bool:
    return _holds(folder, ".writing-")


def _is_writing_anything(folder: Path) -> bool:
    return _holds(folder, ".unfinished-")


def _holds(folder: Path, prefix: str) -> bool:
    """Whether a name below begins so, while files come and go."""
    found = (name for _, folders, files in os.walk(folder) for name in (*folders, *files))
    return any(name.startswith(prefix) for name in found)


def _left_by_run(workdir: Path) -> dict[str, Any]:
    return {
        "metrics": _untimed_lines(workdir / "metrics.jsonl"),
        "results": _untimed(json.loads((workdir / "results.json").read_text())),
        "health": _untimed(json.loads((workdir / "health.json").read_text())),
        "student": _digest(workdir / "student" / "model.safetensors"),
        "names": [*_names(workdir), *_names(workdir / "checkpoints")],
    }


def _left_by_cache(output: Path) -> dict[str, Any]:
    return {name: _digest(output / name) for name in _files(output)}


def _left_by_seeds(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = {"names": [n for n in _files(output) if "/tensorboard/" not in n]}
    for name in found["names"]:
        file = output / name
        if file.suffix == ".safetensors" or file.name == "predictions.jsonl":
            found[name] = _digest(file)
        elif file.name == "metrics.jsonl":
            found[name] = _untimed_lines(file)
        elif file.name in ("result.json", "results.json", "health.json"):
            found[name] = _untimed(json.loads(file.read_text()))
    return found


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


def _files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in _every_file(folder))


def _every_file(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _untimed_lines(file: Path) -> list[Any]:
    return [_untimed(json.loads(line)) for line in file.read_text().splitlines()]


def _untimed(content: Any) -> Any:
    if isinstance(content, list):
        return [_untimed(value) for value in content]
    if not isinstance(content, dict):
        return content
    return {key: _untimed(value) for key, value in content.items() if not TIMING.search(key)}
