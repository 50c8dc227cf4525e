"""workdir: one process at a time, whatever ended the one before, and no half-written files."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from distil_jax.errors import UserError
from distil_jax.training import workdir

HOLDER = """
import os, pathlib, signal, sys
from distil_jax.training.workdir import claim
with claim(pathlib.Path(sys.argv[1])):
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
    before = (tmp_path / workdir.LOCK).read_bytes()
    try:
        with (
            pytest.raises(
                UserError,
                match=rf"in use by process {holder.pid} on .*, started 20.* name another folder",
            ),
            workdir.claim(tmp_path),
        ):
            pass
        assert (tmp_path / workdir.LOCK).read_bytes() == before
    finally:
        _kill(holder)


def test_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    holder, _ = _hold(tmp_path)
    _kill(holder)
    assert (tmp_path / workdir.LOCK).exists()
    with workdir.claim(tmp_path):
        assert json.loads((tmp_path / workdir.LOCK).read_text())["pid"] == os.getpid()


def test_forked_worker_that_outlives_its_run_does_not_keep_the_lock(tmp_path: Path) -> None:
    holder, child = _hold(tmp_path, "fork")
    holder.kill()
    holder.wait()
    try:
        with workdir.claim(tmp_path):
            os.kill(int(child), 0)  # still there
    finally:
        os.kill(int(child), signal.SIGKILL)
        holder.communicate()


def test_claim_within_a_claim_is_refused(tmp_path: Path) -> None:
    with workdir.claim(tmp_path):
        with pytest.raises(UserError, match="in use by process"), workdir.claim(tmp_path):
            pass
        with pytest.raises(UserError, match="in use by process"), workdir.claim(tmp_path):
            pass


def test_empty_workdir_goes_again_and_a_used_one_stays(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="bad"), workdir.claim(tmp_path / "a" / "b"):
        raise UserError("bad")
    assert list(tmp_path.iterdir()) == []
    with workdir.claim(tmp_path / "a" / "b") as folder:
        (folder / "metrics.jsonl").write_text("{}")
    assert [path.name for path in tmp_path.rglob("*")] == ["a", "b", "metrics.jsonl"]


def test_unwritable_workdir_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "run", Path("/sys/run")):
        with (
            pytest.raises(UserError, match=f"{path} cannot be written: .*; make it writable or"),
            workdir.claim(path),
        ):
            pass
    assert (tmp_path / "file").read_text() == "x"


def test_full_disk_is_told_apart(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="No space left on device; free some space"),
        workdir.writing(tmp_path),
    ):
        Path("/dev/full").write_text("x")


def test_a_full_disk_that_names_no_file_is_named_by_the_workdir(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=f"^{tmp_path} cannot be written: No space left"),
        workdir.full_disk_named(tmp_path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    for other in (OSError(errno.EIO, "x"), OSError(errno.ENOSPC, "x", "elsewhere")):
        with pytest.raises(OSError, match="x") as raised, workdir.full_disk_named(tmp_path):
            raise other
        assert raised.value is other


def test_text_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    workdir.write_text(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        workdir.write_text(tmp_path / "a", "new \ud800")
    assert (tmp_path / "a").read_text() == "old"
    workdir.write_text(tmp_path / "a", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "new")]


def test_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    def fill(text: str, *, fail: bool = False) -> None:
        with workdir.replacing(tmp_path / "student") as folder:
            (folder / "deep").mkdir()
            (folder / "deep" / "file").write_text(text)
            if fail:
                raise RuntimeError("half way")

    fill("old")
    with pytest.raises(RuntimeError):
        fill("half", fail=True)
    assert (tmp_path / "student" / "deep" / "file").read_text() == "old"
    fill("new")
    assert (tmp_path / "student" / "deep" / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["student"]
