"""plan: the command, as a user types it, for chips that need no compiler."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from distil_jax import plan
from distil_jax.errors import UserError

COMMAND = [sys.executable, "-m", "distil_jax.plan"]


def run(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, "DISTIL_JAX_CACHE": "", **environment}
    return subprocess.run(
        [*COMMAND, *flags],
        capture_output=True,
        text=True,
        env=variables,
        cwd=Path(__file__).parents[1],
        check=False,
    )


def test_without_a_compiler_the_step_is_still_the_chips() -> None:
    flags = ["--config=gpu_h100", "--topology=h100-8", "--json", "--no-compile"]
    chosen = [f"--config.parallel.attention={how}" for how in ("kernel", "plain")]
    kernel, plain = (run(*flags, how) for how in chosen)
    assert (kernel.returncode, plain.returncode) == (0, 0), kernel.stderr
    saved = [json.loads(done.stdout)["memory_bytes"]["activations"] for done in (kernel, plain)]
    assert saved[0] < 0.6 * saved[1]


def test_where_the_tpus_compiler_is_missing_both_ways_on_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("distil_jax.planning.tpu_compiler.is_installed", lambda: False)
    with pytest.raises(UserError, match=r"pip install .*\[tpu\]'; or .*--no-compile$"):
        plan.main(["--config=tpu_v5e", "--topology=v5e-4", "--no-search"])


def test_a_plan_needs_neither_teacher_nor_rows() -> None:
    flags = ["--config=gpu_h100", "--topology=h100-8", "--json", "--no-compile"]
    done = run(*flags, "--corpus-tokens=1e9")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["fits"]
    assert found["chips"] == 8
    assert found["total_steps"] == round(3 * round(1e9 / 512) / 4096)


def test_one_device_has_no_network(capsys: pytest.CaptureFixture[str]) -> None:
    plan.main(["--config=gpu_h100", "--topology=l4-1", "--no-compile", "--corpus-tokens=1e9"])
    said = capsys.readouterr().out
    assert "network: one device sends nothing" in said
    assert "takes over" not in said
    assert re.search(r"3\.00 G tokens\n  at the peaks +\d+\.\d\d h ", said)


def test_a_short_run_takes_minutes(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--config=quickstart", "--topology=l4-1", "--no-compile", "--no-search"]
    plan.main([*flags, "--config.teacher=bert-base"])
    said = capsys.readouterr().out
    assert re.search(r"300 steps, 0\.61 M tokens\n  at the peaks +0\.\d+ minutes", said)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--config=gpu_h100", "--topology=v4-31"], "the nearest is v4-32"),
        (["--config=gpu_h10", "--topology=v4-8"], "did you mean gpu_h100?"),
        (["--config=gpu_h100"], "--topology"),
        (["--config=gpu_h100", "--topology=h100-8", "--config.batch.mikro=1"], "batch.micro_size"),
        (
            [
                "--config=distilbert",
                "--topology=v4-8",
                "--config.teachers=bert-base=1,bert-large=1",
                "--config.student.vocabulary=8000",
            ],
            "goes with one live teacher",
        ),
        (["--config=gpu_h100", "--topology=h100-8", "--utilisation=0"], "a number above 0"),
        (["--config=gpu_h100", "--topology=h100-8", "--corpus-tokens=x"], "--corpus-tokens"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_status_2(flags: list[str], message: str) -> None:
    done = run(*flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_wrong_teacher_is_one_line_and_status_1() -> None:
    done = run("--config=gpu_h100", "--topology=h100-8", "--teacher=bert-lagre")
    assert (done.returncode, done.stdout) == (1, "")
    assert "did you mean bert-large" in done.stderr
    assert done.stderr.count("\n") == 1
