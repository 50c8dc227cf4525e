"""SIGKILL at random moments of a real run, again and again: is anything ever lost or changed?

    python tests/faults/kill_often.py --kills=20 [--modes=jit,pmap] [--devices=2] [--seed=0]

A small run through `python -m distil_jax.main`, dropout on, is done once undisturbed. The same run
is then killed at random moments (in turn: of its whole life, in the writing of a checkpoint, after
some step, in the final export) and started again until it is through; with kills left, another
such run begins. Each survivor must equal the undisturbed run: metrics.jsonl line for
line (timings apart), the figures, every byte of the student, and the names of all files. Exit
status 0 only if all do.
"""

import argparse
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from distil_jax.pretrained.families import make_config

REPOSITORY = Path(__file__).parents[2]
STEPS, CHECKPOINT_STEPS = 60, 10
TIMING = re.compile("_seconds?$|^(goodput|restarts|lost_steps|device_hours|date)$")
POLL_SECONDS = 0.0005


@dataclass(frozen=True)
class Trial:
    """One run's command line and the environment it is started in."""

    arguments: list[str]
    environment: dict[str, str]

    def start(self, workdir: Path) -> subprocess.Popen[bytes]:
        """Start or resume; standard output and error go to files beside the workdir."""
        command = [sys.executable, "-m", "distil_jax.main", *self.arguments]
        with said(workdir).open("wb") as out, said(workdir, "err").open("wb") as err:
            return subprocess.Popen(
                [*command, f"--workdir={workdir}"],
                stdout=out,
                stderr=err,
                env=self.environment,
                cwd=REPOSITORY,
            )


def said(workdir: Path, stream: str = "out") -> Path:
    """What the latest attempt wrote."""
    return workdir.with_suffix(f".{stream}")


def prepare(folder: Path) -> None:
    """A tiny random teacher under the built-in tokenizer, and a text of its words."""
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


def trial(folder: Path, mode: str, devices: int) -> Trial:
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
        "parallel.mode": mode,
        "parallel.devices": devices,
    }
    flags = [f"--config.{key}={value}" for key, value in values.items()]
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        # XLA makes as many threads as there are devices, and deadlocks on two cores with two.
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={4 * devices}",
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": str(REPOSITORY),
        "DISTIL_JAX_CACHE": str(folder / "cache"),
    }
    return Trial(["--config=base", *flags], environment)


def finish(trial: Trial, workdir: Path) -> float:
    """Let a run go through; its seconds. An exit status other than 0 ends this program."""
    began = time.monotonic()
    check_status(trial.start(workdir).wait(), workdir)
    return time.monotonic() - began


def check_status(status: int, workdir: Path) -> None:
    if status or said(workdir, "err").read_bytes():
        sys.exit(f"exit status {status}: {said(workdir, 'err').read_text()}")


def killed(trial: Trial, workdir: Path, is_time: Callable[[float], bool]) -> bool:
    """Start, and kill once `is_time(seconds)`; False if the run was through before."""
    process, began = trial.start(workdir), time.monotonic()
    while process.poll() is None and not is_time(time.monotonic() - began):
        time.sleep(POLL_SECONDS)
    process.kill()
    status = process.wait()
    if status != -9:
        check_status(status, workdir)
    return status == -9


def moment(kind: int, chosen: random.Random, workdir: Path, life: float) -> Callable:
    """When the next kill comes: any time, in a checkpoint's writing, at a step, in the export."""
    begins = {
        0: lambda: True,
        1: lambda: chosen.random() < 0.1 and is_writing(workdir),
        2: partial(has_done, workdir, chosen.randint(1, STEPS)),
        3: lambda: is_trained(workdir),
    }[kind % 4]
    later = chosen.uniform(0, (life / 2, 0.002, 0.2, life / 8)[kind % 4])
    since: list[float] = []

    def is_time(seconds: float) -> bool:
        if not since and begins():
            since.append(seconds)
        return bool(since) and seconds - since[0] >= later

    return is_time


def has_done(workdir: Path, step: int) -> bool:
    return f"\nstep {step}/" in said(workdir).read_text()


def is_writing(workdir: Path) -> bool:
    return any((workdir / "checkpoints").glob(".writing-*"))


def is_trained(workdir: Path) -> bool:
    return (workdir / "checkpoints" / str(STEPS)).is_dir()


def phase(workdir: Path) -> str:
    """Where the run was when it was killed, as what it left tells."""
    has_trained = "\nstep " in said(workdir).read_text()
    if is_writing(workdir) and has_trained:
        return "checkpoint write"
    if is_trained(workdir):
        return "final export"
    return "training" if has_trained else "start"


def left(workdir: Path) -> dict[str, Any]:
    """What two runs must agree on."""
    student = (workdir / "student" / "model.safetensors").read_bytes()
    names = sorted(str(path.relative_to(workdir)) for path in workdir.glob("*"))
    names += sorted(str(path.relative_to(workdir)) for path in (workdir / "checkpoints").glob("*"))
    return {
        "metrics": [_untimed(json.loads(line)) for line in open(workdir / "metrics.jsonl")],
        "results": _untimed(json.loads((workdir / "results.json").read_text())),
        "health": _untimed(json.loads((workdir / "health.json").read_text())),
        "student": hashlib.sha256(student).hexdigest(),
        "names": names,
    }


def _untimed(content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    return {key: _untimed(value) for key, value in content.items() if not TIMING.search(key)}


def compare(workdir: Path, expected: dict[str, Any]) -> None:
    """End this program unless a run left what the undisturbed one did."""
    found = left(workdir)
    steps = [line["step"] for line in found["metrics"]]
    if steps != list(range(1, STEPS + 1)):
        sys.exit(f"{workdir}/metrics.jsonl has the steps {steps}")
    for name, value in expected.items():
        if found[name] != value:
            sys.exit(f"{workdir} differs from the undisturbed run in its {name}")


def torture(folder: Path, mode: str, devices: int, kills: int, chosen: random.Random) -> None:
    """All kills of one mode, and a line of figures."""
    began = time.monotonic()
    run = trial(folder, mode, devices)
    finish(run, folder / f"{mode}-compiling")
    life = finish(run, folder / f"{mode}-undisturbed")
    expected = left(folder / f"{mode}-undisturbed")
    phases: Counter[str] = Counter()
    survivors = 0
    while phases.total() < kills:
        workdir = folder / f"{mode}-killed-{survivors}"
        while phases.total() < kills:
            is_time = moment(phases.total(), chosen, workdir, life)
            if not killed(run, workdir, is_time):
                break
            phases[phase(workdir)] += 1
        else:
            finish(run, workdir)
        compare(workdir, expected)
        survivors += 1
    seconds = time.monotonic() - began
    counts = ", ".join(f"{count} in {name}" for name, count in sorted(phases.items()))
    print(
        f"{mode} on {devices} devices: {kills} kills ({counts}) in {survivors} runs of "
        f"{STEPS} steps ({life:.1f} s undisturbed): "
        f"every survivor equal bit for bit; {seconds:.0f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, help="in each mode")
    parser.add_argument("--modes", default="jit,pmap")
    parser.add_argument("--devices", type=int, default=2, help="simulated")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    os.environ["JAX_PLATFORMS"] = "cpu"
    sys.path.insert(0, str(REPOSITORY))
    with tempfile.TemporaryDirectory(prefix="kill_often_") as name:
        prepare(Path(name))
        for mode in flags.modes.split(","):
            torture(Path(name), mode, flags.devices, flags.kills, random.Random(flags.seed))


if __name__ == "__main__":
    main()
