"""Several real processes are one run: its losses, its checkpoints, and its end if one is lost."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distil_jax.main import main
from tests import code_generation

ROOT = Path(__file__).parents[2]
STILL = {"student.dropout": 0.0, "student.attention_dropout": 0.0, "parallel.devices": 0}
LONG = {**STILL, "total_steps": 60, "eval.every_steps": 60, "checkpoint.every_steps": 10}
FIGURES = ("loss", "soft_target", "masked_lm", "cosine", "learning_rate", "tokens")
STAMPED = r"\[\d\d:\d\d:\d\d process {}/{} step \d+\] "

Flags = Callable[..., list[str]]

pytestmark = pytest.mark.usefixtures("blank_figures")


def figures(workdir: Path) -> list[list[float]]:
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    return [[line[name] for name in FIGURES] for line in lines]


def steps(workdir: Path) -> list[int]:
    return sorted(int(path.name) for path in (workdir / "checkpoints").glob("[0-9]*"))


@pytest.mark.slow
def test_four_processes_then_two_then_one_go_through_like_one_alone(
    tmp_path: Path, flags: Flags, cluster: Callable[..., Any]
) -> None:
    """The first is stopped by SIGTERM to one process, the second loses one; one alone finishes."""
    main(flags(tmp_path / "alone", **LONG | {"parallel.devices": 4}))
    workdir = tmp_path / "run"

    four = cluster(4, flags(workdir, **LONG))
    four.until("step 3/60")
    os.kill(four.parent(2), signal.SIGTERM)
    status, out, err = four.end()
    assert status == 143
    saved = steps(workdir)[-1]
    stopped = rf"error: stopped by SIGTERM after step {saved} of 60, which is saved"
    for index in range(4):
        assert len(re.findall(STAMPED.format(index, 4) + stopped, err)) == 1, err
    assert err.count("\n") == 4
    assert all(re.match(STAMPED.format(0, 4), line) for line in out.splitlines())

    two = cluster(2, flags(workdir, **LONG), devices=2)
    two.until(f"resuming from the checkpoint of step {saved}")
    two.until(f"step {saved // 10 * 10 + 15}/60")  # between two checkpoints
    os.kill(two.worker(1), signal.SIGKILL)
    began = time.monotonic()
    status, _, err = two.end()
    assert time.monotonic() - began < 120
    assert status == 1
    assert err.count("\n") == 2
    assert re.search(STAMPED.format(0, 2) + "error: .*gone.*start all processes again", err)
    assert re.search(STAMPED.format(1, 2) + r"error: killed \(SIGKILL\)", err)

    main(flags(workdir, **LONG | {"parallel.devices": 1}))
    assert max(map(len, (figures(workdir), figures(tmp_path / "alone")))) == 60
    for ours, expected in zip(figures(workdir), figures(tmp_path / "alone"), strict=True):
        assert ours == pytest.approx(expected, rel=1e-5)
    last = json.loads((workdir / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["restarts"], last["lost_steps"] > 0) == (2, True)
    assert 0 < last["goodput"] < 1


@pytest.mark.slow
def test_pmap_over_two_processes_that_prepare_text_finishes(
    tmp_path: Path, flags: Flags, text_file: Path, cluster: Callable[..., Any]
) -> None:
    text = {"data.train": text_file, "data.heldout": 0.1, "parallel.mode": "pmap"}
    main(flags(tmp_path / "alone", **STILL | text | {"parallel.devices": 2}))
    two = cluster(2, flags(tmp_path / "run", **STILL | text))
    status, out, err = two.end()
    assert (status, err) == (0, "")
    assert "student: " in out
    for ours, expected in zip(figures(tmp_path / "run"), figures(tmp_path / "alone"), strict=True):
        assert ours == pytest.approx(expected, rel=1e-5)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert (results["environment"]["processes"], results["environment"]["devices"]) == (2, 2)
    assert (tmp_path / "run" / "student" / "model.safetensors").is_file()


def start(index: int, count: int, port: int, arguments: list[str]) -> subprocess.Popen[str]:
    where = {
        "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
        "JAX_NUM_PROCESSES": str(count),
        "JAX_PROCESS_ID": str(index),
        "XLA_FLAGS": code_generation.FLAGS,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "distil_jax.main", *arguments],
        env=os.environ | where,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


@pytest.mark.slow
def test_processes_with_different_workdirs_are_told_to_share_one(
    tmp_path: Path, flags: Flags, free_port: int
) -> None:
    both = [start(index, 2, free_port, flags(tmp_path / str(index), **STILL)) for index in range(2)]
    ends = [process.communicate(timeout=600) for process in both]
    assert [process.returncode for process in both] == [1, 1]
    assert "all processes need the same --workdir" in ends[1][1]
    assert ends[1][1].count("\n") == 1
    assert re.fullmatch(STAMPED.format(0, 2) + "error: .*\n", ends[0][1])
    assert ends[1][0] == ""


@pytest.mark.slow
def test_a_batch_that_the_processes_cannot_share_is_refused_by_each(
    tmp_path: Path, flags: Flags, free_port: int
) -> None:
    changes = STILL | {"batch.size": 7}
    both = [start(index, 2, free_port, flags(tmp_path / "run", **changes)) for index in range(2)]
    ends = [process.communicate(timeout=600) for process in both]
    assert 1 in [process.returncode for process in both]
    assert any("config.batch.size=7 does not divide by 2 devices" in err for _, err in ends)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("variables", "changes", "message"),
    [
        ({"JAX_COORDINATOR_ADDRESS": "localhost:1"}, {}, "$JAX_NUM_PROCESSES is not set"),
        ({}, {"processes.coordinator": "localhost"}, "=localhost must be HOST:PORT, or auto"),
        ({}, {"processes.count": 2}, "config.processes.coordinator is empty"),
        (
            {},
            {"processes.coordinator": "h:1", "processes.count": 2, "processes.index": 2},
            "config.processes.index=2 of 2: they count from 0 to 1",
        ),
        (
            {"JAX_PROCESS_ID": "x"},
            {"processes.coordinator": "h:1", "processes.count": 2},
            "$JAX_PROCESS_ID='x' is not a number",
        ),
    ],
)
def test_a_description_that_is_incomplete_is_one_line_and_2(
    variables: dict[str, str],
    changes: dict[str, object],
    message: str,
    tmp_path: Path,
    flags: Flags,
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "distil_jax.main", *flags(tmp_path / "run", **changes)],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_coordinator_that_does_not_answer_is_one_line(
    tmp_path: Path, flags: Flags, free_port: int
) -> None:
    process = start(1, 2, free_port, flags(tmp_path / "run", **{"processes.join_seconds": 2}))
    _, err = process.communicate(timeout=600)
    assert process.returncode == 1
    assert err.count("\n") == 1
    assert f"localhost:{free_port}" in err
    assert not (tmp_path / "run").exists()
