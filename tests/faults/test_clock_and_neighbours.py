"""A clock that jumps, and a second run on the same workdir, change nothing."""

import itertools
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax.main import main

TIMING = re.compile("_seconds?$|^goodput$|^restarts$|^lost_steps$")

pytestmark = pytest.mark.usefixtures("blank_figures")


def untimed(workdir: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert all(line["tokens_per_second"] > 0 for line in lines)
    return [{k: v for k, v in line.items() if not TIMING.search(k)} for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("hours", [-1, 1], ids=["backwards", "forwards"])
def test_a_clock_that_jumps_at_every_look_changes_nothing(
    hours: int,
    tmp_path: Path,
    flags: Callable[..., list[str]],
    finished: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = itertools.count()
    start = time.time()
    monkeypatch.setattr(time, "time", lambda: start + 3600.0 * hours * next(looks))
    monkeypatch.setattr(
        time, "time_ns", lambda: int((start + 3600.0 * hours * next(looks)) * 1_000_000_000)
    )
    main(flags(tmp_path / "run"))
    assert next(looks) > 0
    assert untimed(tmp_path / "run") == untimed(finished)
    names = [
        sorted(path.name for path in (workdir / "checkpoints").iterdir())
        for workdir in (tmp_path / "run", finished)
    ]
    assert names[0] == names[1]


@pytest.mark.slow
def test_a_second_run_is_told_who_is_there_and_the_first_goes_on(
    tmp_path: Path, flags: Callable[..., list[str]], finished: Path
) -> None:
    command = [sys.executable, "-m", "distil_jax.main", *flags(tmp_path / "run")]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lock = tmp_path / "run" / "run.lock"
    while first.poll() is None and not (lock.exists() and lock.read_text()):
        time.sleep(0.01)
    first.send_signal(19)  # SIGSTOP: it must still be there when the second one asks
    second = subprocess.run(command, capture_output=True, text=True)
    first.send_signal(18)
    assert second.returncode == 1
    message = rf"error: {tmp_path}/run is in use by process {first.pid} on .*, started .*\n"
    assert re.fullmatch(message, second.stderr)
    assert first.communicate()[1] == ""
    assert first.returncode == 0
    assert untimed(tmp_path / "run") == untimed(finished)
    assert not lock.exists()
