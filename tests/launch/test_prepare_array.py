"""prepare_array.sh against stand-ins of Slurm's tools; its tasks prepare a real, small corpus."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SBATCH = {
    "--parsable", "--job-name", "--array", "--ntasks", "--cpus-per-task", "--mem", "--time",
    "--requeue", "--open-mode", "--output", "--partition", "--account",
}  # fmt: skip
SQUEUE = {"--noheader", "--me", "--name", "--format"}
FLAGS = ("--input=*.txt", "--tokenizer=builtin:teacher", "--length=64")


@pytest.fixture
def slurm(tools: Any) -> Any:
    tools.make("sbatch", SBATCH, "4711;cluster\n")
    tools.make("squeue", SQUEUE)
    return tools


def task(script: str, index: int, folder: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"SLURM_ARRAY_TASK_ID": str(index)}
    return subprocess.run(
        ["bash", "-c", script], env=environment, cwd=folder, capture_output=True, text=True
    )


def test_every_task_makes_its_share(slurm: Any, tmp_path: Path) -> None:
    for name in ("a", "b"):
        text = "\n".join(f"Sentence {i} of file {name} says nothing new." for i in range(200))
        (tmp_path / f"{name}.txt").write_text(text)
    done = slurm.run(
        "prepare_array.sh", "--shards=2", "--parallel=1", "--partition=p", "--account=a",
        "--", *FLAGS, "--output=the rows",
    )  # fmt: skip
    message = "job 4711 is submitted, 2 shares; logs: distil_jax_prepare-4711_*.log\n"
    assert (done.returncode, done.stderr, done.stdout) == (0, "", message)
    ((arguments, script),) = slurm.calls("sbatch")
    assert {"--array=0-1%1", "--partition=p", "--account=a", "--requeue"} < set(arguments)
    first, last = (task(script, index, tmp_path) for index in (1, 0))
    assert (first.returncode, last.returncode) == (0, 0), first.stderr + last.stderr
    assert "not yet finished: shard_index 0" in first.stdout
    assert (tmp_path / "the rows/manifest.json").is_file()


def test_a_job_that_is_there_is_not_submitted_twice(slurm: Any) -> None:
    slurm.make("squeue", SQUEUE, "4711\n4711\n")
    done = slurm.run("prepare_array.sh", "--shards=2", "--", "--output=rows")
    assert done.returncode == 0
    assert done.stdout.startswith("job 4711 is queued or running already")
    assert slurm.calls("sbatch") == []


def test_a_dry_run_submits_nothing_and_can_be_pasted(slurm: Any) -> None:
    done = slurm.run("prepare_array.sh", "--shards=64", "--dry-run", "--", "--output=a b")
    assert done.returncode == 0
    assert "--array=0-63 " in done.stdout
    assert rf"exec {sys.executable} -m distil_jax.prepare --output=a\ b" in done.stdout
    assert (slurm.calls("sbatch"), slurm.calls("squeue")) == ([], [])
    assert slurm.paste(done.stdout).returncode == 0
    slurm.run("prepare_array.sh", "--shards=64", "--", "--output=a b")
    (pasted, script), (submitted, expected) = slurm.calls("sbatch")
    assert (pasted, script) == (submitted, expected.removesuffix("\n"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--", "--output=rows"], "--shards= must be a number above 0"),
        (["--shards=2", "--parallel=x", "--", "--output=rows"], "--parallel=x must be a number"),
        (["--shards=2", "--", "--input=x"], "no --output=DIR after --"),
        (["--shards=2", "--output=rows"], "unknown option --output=rows; what distil_jax.prepare"),
    ],
)
def test_what_is_wrong_is_reported(arguments: list[str], message: str, slurm: Any) -> None:
    done = slurm.run("prepare_array.sh", *arguments)
    assert (done.returncode, message in done.stderr, done.stderr.count("\n")) == (2, True, 1)
    assert slurm.calls("sbatch") == []
