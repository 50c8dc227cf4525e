"""gpu_node.sh against stand-ins of nvidia-smi and of the run."""

from pathlib import Path
from typing import Any

import pytest

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


def test_a_dry_run_starts_nothing(node: Any) -> None:
    done = run(node, "--dry-run", "--config=base", "--workdir=a b")
    assert done.stdout.startswith("JAX_PLATFORMS=cuda ")
    assert r"--workdir=a\ b" in done.stdout
    assert runs(node) == []


@pytest.mark.parametrize(
    ("arguments", "answer", "status", "told"),
    [
        (["--config=base"], "GPU 0: x\n", 2, "no --workdir=DIR"),
        (["--workdir=w"], "No devices were found\n", 1, "nvidia-smi lists no GPU"),
    ],
)
def test_what_is_wrong_is_told(
    arguments: list[str], answer: str, status: int, told: str, node: Any
) -> None:
    node.make("nvidia-smi", {"--list-gpus"}, answer)
    done = run(node, *arguments)
    assert done.returncode == status
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
