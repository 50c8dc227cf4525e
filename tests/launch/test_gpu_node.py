"""gpu_node.sh against stand-ins of nvidia-smi and of the run."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

LAUNCH = Path(__file__).parents[2] / "launch"
RUN = """#!/usr/bin/env bash
echo "$JAX_PLATFORMS $*" >> "$PLACE/runs"
statuses=($STATUSES)
number=$(wc -l < "$PLACE/runs")
status=${statuses[$((number - 1))]}
if ((status > 128 && status != 143)); then kill -9 $$; fi
exit "$status"
"""


@pytest.fixture
def node(tools: Any) -> Any:
    tools.make("nvidia-smi", {"--list-gpus"}, "GPU 0: NVIDIA H100\nGPU 1: NVIDIA H100\n")
    (tools.folder / "python").write_text(RUN)
    (tools.folder / "python").chmod(0o755)
    return tools


def run(node: Any, *arguments: str, statuses: str = "0", **variables: str) -> Any:
    python = str(node.folder / "python")
    place = {"PLACE": str(node.folder), "STATUSES": statuses, "DISTIL_JAX_PYTHON": python}
    return node.run("gpu_node.sh", *arguments, **place, **variables)


def runs(node: Any) -> list[str]:
    path = Path(node.folder / "runs")
    return path.read_text().splitlines() if path.exists() else []


def test_one_process_gets_the_flags(node: Any) -> None:
    done = run(node, "--config=gpu_h100", "--workdir=w")
    assert (done.returncode, done.stdout, done.stderr) == (0, "gpu_node: 2 GPUs\n", "")
    assert runs(node) == ["cuda -m distil_jax.main --config=gpu_h100 --workdir=w"]


@pytest.mark.parametrize("status", [1, 2, 3, 143])
def test_what_a_restart_does_not_mend_is_not_restarted(status: int, node: Any) -> None:
    assert run(node, "--workdir=w", statuses=f"{status} 0").returncode == status
    assert len(runs(node)) == 1


def test_a_lost_run_goes_on(node: Any) -> None:
    done = run(node, "--workdir=w", statuses="137 137 0")
    assert (done.returncode, len(runs(node))) == (0, 3)
    assert "restart 2 of 3" in done.stdout
    assert done.stderr == ""


def test_not_for_ever(node: Any) -> None:
    done = run(node, "--workdir=w", statuses="137 137 137", RESTARTS="1")
    assert (done.returncode, len(runs(node))) == (137, 2)


def test_ctrl_c_reaches_a_run_that_bash_put_in_the_background(node: Any) -> None:
    """A program that bash starts with & ignores SIGINT: as Python does, it is sent SIGTERM."""
    waiting = "import signal, sys, time\nsignal.signal(15, lambda *_: sys.exit(143))\n"
    waiting += 'print("waits", flush=True)\ntime.sleep(60)\n'
    (node.folder / "python").write_text(f"#!{sys.executable}\n{waiting}")
    variables = {"PATH": f"{node.folder}:{os.environ['PATH']}"}
    variables |= {"DISTIL_JAX_PYTHON": str(node.folder / "python")}
    with subprocess.Popen(
        # Whoever started the tests may have had SIGINT ignored, which bash could not trap then.
        ["env", "--default-signal=INT", str(LAUNCH / "gpu_node.sh"), "--workdir=w"],
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        assert "waits\n" in (started.stdout.readline(), started.stdout.readline())
        began = time.monotonic()
        started.send_signal(signal.SIGINT)
        assert started.wait(timeout=30) == 143
        assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "script", ["gpu_node", "local_cluster", "slurm", "prepare_array", "quickstart", "test"]
)
def test_help_is_the_scripts_head(script: str, node: Any) -> None:
    done = node.run(f"{script}.sh", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"./launch/{script}.sh" in done.stdout


def test_a_dry_run_starts_nothing(node: Any) -> None:
    done = run(node, "--dry-run", "--config=base", "--workdir=a b")
    assert done.stdout.startswith("JAX_PLATFORMS=cuda ")
    assert r"--workdir=a\ b" in done.stdout
    assert runs(node) == []


@pytest.mark.parametrize(
    ("arguments", "answer", "status", "message"),
    [
        (["--config=base"], "GPU 0: x\n", 2, "no --workdir=DIR"),
        (["--workdir=w"], "No devices were found\n", 1, "nvidia-smi lists no GPU"),
    ],
)
def test_what_is_wrong_is_reported(
    arguments: list[str], answer: str, status: int, message: str, node: Any
) -> None:
    node.make("nvidia-smi", {"--list-gpus"}, answer)
    done = run(node, *arguments)
    assert done.returncode == status
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
