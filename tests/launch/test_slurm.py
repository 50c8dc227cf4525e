"""slurm.sh against stand-ins that know the flags of Slurm's manual."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

SBATCH = {
    "--parsable", "--job-name", "--nodes", "--ntasks-per-node", "--gpus-per-node", "--time",
    "--requeue", "--open-mode", "--signal", "--output", "--partition", "--account",
}  # fmt: skip
SQUEUE = {"--noheader", "--me", "--name", "--format"}
SRUN = """#!/usr/bin/env bash
for word in "$@"; do
    case $word in --label|--kill-on-bad-exit=0) ;; --*) exit 2 ;; *) break ;; esac
done
printf '%s\\n' "$@" > "$PLACE/srun"
trap 'exit 143' TERM
touch "$PLACE/started"
for _ in $(seq 200); do [[ -z ${STAY:-} ]] && exit "${STATUS:-0}"; sleep 0.05; done
"""


@pytest.fixture
def slurm(tools: Any) -> Any:
    tools.make("sbatch", SBATCH, "4711;cluster\n")
    tools.make("squeue", SQUEUE)
    return tools


def test_a_job_is_submitted_with_all_that_was_asked(slurm: Any) -> None:
    done = slurm.run(
        "slurm.sh", "--nodes=2", "--gpus=4", "--time=1:00:00", "--partition=gpu", "--account=me",
        "--", "--config=gpu_h100", "--workdir=/shared/a run", "--config.data.train=x*y",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "job 4711 is submitted; log: distil_jax-4711.log\n"
    ((arguments, script),) = slurm.calls("sbatch")
    assert {"--nodes=2", "--ntasks-per-node=4", "--gpus-per-node=4", "--time=1:00:00",
            "--partition=gpu", "--account=me", "--requeue"} < set(arguments)  # fmt: skip
    assert "--config.processes.coordinator=auto" in script
    assert r"--workdir=/shared/a\ run --config.data.train=x\*y" in script


def test_a_job_that_is_there_is_not_submitted_twice(slurm: Any) -> None:
    slurm.make("squeue", SQUEUE, "4711\n")
    done = slurm.run("slurm.sh", "--", "--config=base", "--workdir=w")
    assert done.returncode == 0
    assert "job 4711 is queued or running already" in done.stdout
    assert slurm.calls("sbatch") == []


def test_a_dry_run_submits_nothing_and_can_be_pasted(slurm: Any) -> None:
    done = slurm.run("slurm.sh", "--dry-run", "--", "--config=base", "--workdir=a w")
    assert done.returncode == 0
    assert done.stdout.startswith("sbatch --parsable --job-name=distil_jax --nodes=1 ")
    assert "srun --label" in done.stdout
    assert (slurm.calls("sbatch"), slurm.calls("squeue")) == ([], [])
    assert slurm.paste(done.stdout).returncode == 0
    slurm.run("slurm.sh", "--", "--config=base", "--workdir=a w")
    (pasted, script), (submitted, expected) = slurm.calls("sbatch")
    assert (pasted, script) == (submitted, expected.removesuffix("\n"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config=base"], "unknown option --config=base; what distil_jax.main gets comes after"),
        (["--", "--config=base"], "no --workdir=DIR after --"),
        (["--nodes=0", "--", "--workdir=w"], "--nodes=0 must be a number above 0"),
        (["--gpus=x", "--", "--workdir=w"], "--gpus=x must be a number above 0"),
    ],
)
def test_what_is_wrong_is_reported(arguments: list[str], message: str, slurm: Any) -> None:
    done = slurm.run("slurm.sh", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert slurm.calls("sbatch") == []


@pytest.mark.parametrize("tool", ["sbatch", "squeue"])
def test_a_tool_that_fails_fails_the_script(tool: str, slurm: Any) -> None:
    slurm.make(tool, SBATCH | SQUEUE, "", 1)
    done = slurm.run("slurm.sh", "--", "--config=base", "--workdir=w")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == f"{tool}: error: refused"
    assert done.stderr.splitlines()[-1].startswith("error: ")


def batch_script(slurm: Any, folder: Path) -> Path:
    slurm.run("slurm.sh", "--", "--config=base", "--workdir=a b")
    ((_, script),) = slurm.calls("sbatch")
    (folder / "job.sh").write_text(script)
    for name, text in (("srun", SRUN), ("scontrol", '#!/bin/sh\necho "$@" > "$PLACE/scontrol"\n')):
        (slurm.folder / name).write_text(text)
        (slurm.folder / name).chmod(0o755)
    return folder / "job.sh"


def start(slurm: Any, job: Path, **variables: str) -> subprocess.Popen[str]:
    environment = os.environ | variables | {
        "PATH": f"{slurm.folder}:{os.environ['PATH']}",
        "PLACE": str(job.parent),
        "SLURM_JOB_ID": "4711",
    }  # fmt: skip
    return subprocess.Popen(["bash", job], env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("status", [0, 1, 3])
def test_the_job_ends_as_its_step_does(status: int, slurm: Any, tmp_path: Path) -> None:
    process = start(slurm, batch_script(slurm, tmp_path), STATUS=str(status))
    assert process.communicate(timeout=20)[1] == ""
    assert process.returncode == status
    assert "--workdir=a b" in (tmp_path / "srun").read_text().splitlines()
    assert not (tmp_path / "scontrol").exists()


def test_preempted_it_saves_and_is_queued_again(slurm: Any, tmp_path: Path) -> None:
    process = start(slurm, batch_script(slurm, tmp_path), STAY="yes")
    until = time.monotonic() + 20
    while not (tmp_path / "started").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 143
    assert (tmp_path / "scontrol").read_text() == "requeue 4711\n"
