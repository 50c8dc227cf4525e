"""One workdir on 8, 4 and 16 devices; and on another batch, if that is allowed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from distil_jax.errors import Stopped, UserError
from distil_jax.main import main
from distil_jax.run.setup import Setup
from tests import code_generation

Flags = Callable[..., list[str]]
STILL = {"student.dropout": 0.0, "student.attention_dropout": 0.0, "batch.size": 16}

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("blank_figures")]


def lines(workdir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def stopped_after(step: int, arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM arrives while this step's batch is on its way."""
    unpatched = Setup.training_batches

    def batches(setup: Any, first_step: int) -> Iterator[Any]:
        for number, batch in enumerate(unpatched(setup, first_step), start=first_step + 1):
            if number == step:
                os.kill(os.getpid(), signal.SIGTERM)
            yield batch

    with monkeypatch.context() as patched:
        patched.setattr(Setup, "training_batches", batches)
        with pytest.raises(Stopped, match=f"after step {step} "):
            main(arguments)


def test_eight_then_four_then_sixteen_devices_give_the_losses_of_one(
    tmp_path: Path, flags: Flags, monkeypatch: pytest.MonkeyPatch
) -> None:
    main(flags(tmp_path / "whole", **STILL))
    run = tmp_path / "run"
    stopped_after(3, flags(run, **STILL | {"parallel.devices": 8}), monkeypatch)
    stopped_after(7, flags(run, **STILL | {"parallel.devices": 4}), monkeypatch)
    sixteen = flags(run, **STILL | {"parallel.devices": 16})
    done = subprocess.run(
        [sys.executable, "-m", "distil_jax.main", *sixteen],
        env=os.environ | {"XLA_FLAGS": code_generation.flags(16)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "resuming from the checkpoint of step 7" in done.stdout
    assert "(1 a device, in 1 micro-batch of 1) on 16 x" in done.stdout
    for ours, expected in zip(lines(run), lines(tmp_path / "whole"), strict=True):
        for name in ("loss", "soft_target", "masked_lm", "cosine", "tokens"):
            # A copy's first soft target is next to nothing: rounding is the whole loss's.
            rounding = 0.0 if name == "tokens" else 1e-7 * expected["loss"]
            assert ours[name] == pytest.approx(expected[name], rel=1e-5, abs=rounding)


def test_another_batch_goes_on_with_the_flag_where_the_rows_were_left(
    tmp_path: Path,
    flags: Flags,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After 3 steps of 8 rows, 16 rows a step: rows 24, 40, ... of the same endless order."""
    run, whole = tmp_path / "run", tmp_path / "whole"
    constant = {"optimizer.warmup": 0.0, "eval.every_steps": 20}
    stopped_after(3, flags(run, **constant), monkeypatch)
    changed = constant | {"batch.size": 16}
    with pytest.raises(UserError, match=r"batch.size was 8 and is 16.*allow_batch_change"):
        main(flags(run, **changed))
    seen: list[list[int]] = []
    unpatched = Setup.training_batches

    def batches(setup: Any, first_step: int) -> Iterator[Any]:
        for batch in unpatched(setup, first_step):
            seen.append(batch["row"].tolist())
            yield batch

    monkeypatch.setattr(Setup, "training_batches", batches)
    main(flags(whole, **constant, total_steps=20))
    order = [row for part in seen for row in part]
    seen.clear()
    capsys.readouterr()
    main(flags(run, **changed, **{"checkpoint.allow_batch_change": True}))
    assert [row for part in seen for row in part][:80] == order[24 : 24 + 80]
    out = capsys.readouterr().out
    assert "the batch is another from step 3 on: 16 rows a step, 12 steps in all" in out
    found = lines(run)
    assert [line["step"] for line in found] == list(range(1, 13))
    assert found[3]["tokens"] > 1.5 * found[2]["tokens"]
