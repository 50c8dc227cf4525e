"""SIGKILL at random moments of a real run, again and again: is anything ever lost or changed?

    python tests/faults/kill_often.py --kills=20 [--trials=jit,pmap,objectives,cache,fine_tune]
        [--devices=2] [--seed=0]

A small run of a command is done once undisturbed: a distillation (`jit`, `pmap`), one with other
objectives into a narrower student (`objectives`), a folder of targets (`cache`), a fine-tuning of
two seeds (`fine_tune`); dropout is on. The same run is then killed at random moments (in turn: of
its whole life, in a write that must be whole, after some step, at its end) and started again until
it is through; with kills left, another such run begins. Each survivor must equal the undisturbed
run: metrics line for line (timings apart), the figures, every byte of the model or the targets, and
the names of all files. Exit status 0 only if all do.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kill_trials import REPOSITORY, Trial, prepare, said, trials

POLL_SECONDS = 0.0005


def finish(trial: Trial, folder: Path) -> float:
    """Let a run go through; its seconds. An exit status other than 0 ends this program."""
    began = time.monotonic()
    check_status(trial.start(folder).wait(), folder)
    return time.monotonic() - began


def check_status(status: int, folder: Path) -> None:
    if status or said(folder, "err").read_bytes():
        sys.exit(f"exit status {status}: {said(folder, 'err').read_text()}")


def killed(trial: Trial, folder: Path, is_time: Callable[[float], bool]) -> bool:
    """Start, and kill once `is_time(seconds)`; False if the run was through before."""
    process, began = trial.start(folder), time.monotonic()
    while process.poll() is None and not is_time(time.monotonic() - began):
        time.sleep(POLL_SECONDS)
    process.kill()
    status = process.wait()
    if status != -9:
        check_status(status, folder)
    return status == -9


def moment(
    trial: Trial, kind: int, chosen: random.Random, folder: Path, life: float
) -> Callable[[float], bool]:
    """When the next kill comes: any time, in a write, after some more steps, at the end."""
    steps = _steps_of_this_attempt(trial, folder)
    more = chosen.randint(1, max(1, (trial.steps - trial.done(folder)) // 2))
    begins = {
        0: lambda: True,
        1: lambda: chosen.random() < 0.1 and trial.is_writing(folder),
        2: lambda: steps() >= more,
        3: lambda: trial.done(folder) >= trial.steps,
    }[kind % 4]
    later = chosen.uniform(0, (life / 2, 0.002, 0.2, life / 8)[kind % 4])
    since: list[float] = []

    def is_time(seconds: float) -> bool:
        if not since and begins():
            since.append(seconds)
        return bool(since) and seconds - since[0] >= later

    return is_time


def _steps_of_this_attempt(trial: Trial, folder: Path) -> Callable[[], int]:
    """How many were done since; a resumed run first takes back those after its checkpoint."""
    last, count = trial.done(folder), 0

    def steps() -> int:
        nonlocal last, count
        done = trial.done(folder)
        count, last = count + max(0, done - last), done
        return count

    return steps


def phase(trial: Trial, folder: Path, before: int) -> str:
    """Where the run was when it was killed, as what it left tells."""
    done = trial.done(folder)
    if done != before and trial.is_writing(folder):
        return "a write"
    if done >= trial.steps:
        return "the end"
    return "its steps" if done != before else "the start"


def compare(trial: Trial, folder: Path, expected: dict[str, Any]) -> None:
    """End this program unless a run left what the undisturbed one did."""
    found = trial.left(folder)
    for name in sorted({*expected, *found}):
        if found.get(name) != expected.get(name):
            sys.exit(f"{folder} differs from the undisturbed run in its {name}")


def torture(folder: Path, trial: Trial, kills: int, chosen: random.Random) -> None:
    """All kills of one trial, and a line of figures."""
    began = time.monotonic()
    finish(trial, folder / f"{trial.name}-compiling")
    life = finish(trial, folder / f"{trial.name}-undisturbed")
    expected = trial.left(folder / f"{trial.name}-undisturbed")
    phases: Counter[str] = Counter()
    survivors = 0
    while phases.total() < kills:
        workdir = folder / f"{trial.name}-killed-{survivors}"
        while phases.total() < kills:
            before = trial.done(workdir)
            is_time = moment(trial, phases.total(), chosen, workdir, life)
            if not killed(trial, workdir, is_time):
                break
            phases[phase(trial, workdir, before)] += 1
        else:
            finish(trial, workdir)
        compare(trial, workdir, expected)
        survivors += 1
    seconds = time.monotonic() - began
    counts = ", ".join(f"{count} in {name}" for name, count in sorted(phases.items()))
    print(
        f"{trial.name}: {kills} kills ({counts}) in {survivors} runs ({life:.1f} s undisturbed): "
        f"every survivor equal bit for bit; {seconds:.0f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, help="in each trial")
    parser.add_argument("--trials", default="jit,pmap,objectives,cache,fine_tune")
    parser.add_argument("--devices", type=int, default=2, help="simulated")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()
    os.environ["JAX_PLATFORMS"] = "cpu"
    sys.path.insert(0, str(REPOSITORY))
    with tempfile.TemporaryDirectory(prefix="kill_often_") as name:
        prepare(Path(name))
        every = trials(Path(name), flags.devices)
        for trial in flags.trials.split(","):
            torture(Path(name), every[trial], flags.kills, random.Random(flags.seed))


if __name__ == "__main__":
    main()
