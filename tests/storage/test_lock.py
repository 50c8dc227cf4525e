"""lock: one process at a time in a folder, whatever ended the one before."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from distil_jax.errors import UserError
from distil_jax.storage import atomic, lock

HOLDER = """
import os, pathlib, signal, sys
from distil_jax.storage.lock import lock
with lock(pathlib.Path(sys.argv[1])):
    child = os.fork() if len(sys.argv) > 2 else None
    if not child:  # a forked child says so itself: by then it has let go of the lock
        print(os.getpid(), flush=True)
    signal.pause()
"""


def _hold(path: Path, *more: str) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-c", HOLDER, str(path), *more]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    return holder, holder.stdout.readline().strip()


def _kill(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.communicate()


def test_second_process_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    holder, _ = _hold(tmp_path)
    before = (tmp_path / lock.FILE).read_bytes()
    try:
        with (
            pytest.raises(
                UserError,
                match=rf"in use by process {holder.pid} on .*, started 20.* name another folder",
            ),
            lock.lock(tmp_path),
        ):
            pass
        assert (tmp_path / lock.FILE).read_bytes() == before
    finally:
        _kill(holder)


def test_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    holder, _ = _hold(tmp_path)
    _kill(holder)
    assert (tmp_path / lock.FILE).exists()
    with lock.lock(tmp_path):
        assert json.loads((tmp_path / lock.FILE).read_text())["pid"] == os.getpid()


def test_forked_worker_that_outlives_its_run_does_not_keep_the_lock(tmp_path: Path) -> None:
    holder, child = _hold(tmp_path, "fork")
    holder.kill()
    holder.wait()
    try:
        with lock.lock(tmp_path):
            os.kill(int(child), 0)  # still there
    finally:
        os.kill(int(child), signal.SIGKILL)
        holder.communicate()


def test_a_lock_within_a_lock_is_refused(tmp_path: Path) -> None:
    with lock.lock(tmp_path):
        with pytest.raises(UserError, match="in use by process"), lock.lock(tmp_path):
            pass
        with pytest.raises(UserError, match="in use by process"), lock.lock(tmp_path):
            pass


def test_empty_workdir_goes_again_and_a_used_one_stays(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="bad"), lock.lock(tmp_path / "a" / "b"):
        raise UserError("bad")
    assert list(tmp_path.iterdir()) == []
    with lock.lock(tmp_path / "a" / "b") as folder:
        (folder / "metrics.jsonl").write_text("{}")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "b", "metrics.jsonl"]


def test_unwritable_workdir_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "run", Path("/sys/run")):
        with (
            pytest.raises(UserError, match=f"{path} cannot be written: .*; make it writable or"),
            lock.lock(path),
        ):
            pass
    assert (tmp_path / "file").read_text() == "x"


def test_what_a_killed_run_was_writing_goes(tmp_path: Path) -> None:
    (tmp_path / f"{atomic.MARK}0123-results.json").write_text("{")
    (tmp_path / f"{atomic.MARK}4567-student").mkdir()
    (tmp_path / "results.json").write_text("{}")
    with lock.lock(tmp_path):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json", lock.FILE]
