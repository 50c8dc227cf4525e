"""lease: one process at a time, what a killed one left is seen to be left."""

import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from distil_jax.errors import UserError
from distil_jax.storage import lease
from distil_jax.storage.bucket import Bucket


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(lease, "WATCH_SECONDS", 0.5)
    return Bucket(f"memory://bucket/{tmp_path.name}")


def lock(**changes: object) -> bytes:
    return json.dumps({**lease._this_process(), "id": "other", **changes}).encode()


def test_it_is_written_renewed_and_removed(bucket: Bucket) -> None:
    with lease.hold(bucket) as held:
        first = json.loads(bucket.read(lease.FILE))
        assert first["pid"] == os.getpid()
        until = time.monotonic() + 20
        while json.loads(bucket.read(lease.FILE))["beat"] == first["beat"]:
            assert time.monotonic() < until
            time.sleep(0.02)
        held.check()
    assert not bucket.has(lease.FILE)


def test_a_living_holder_is_named(bucket: Bucket) -> None:
    who = re.escape(f"process {os.getpid()} on ")
    with (
        lease.hold(bucket),
        pytest.raises(UserError, match=f"is in use by {who}.*another --workdir"),
        lease.hold(bucket),
    ):
        pass
    assert not bucket.has(lease.FILE)


def test_what_another_machine_left_is_taken_over_once_it_is_seen_not_to_change(
    bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket.write(lease.FILE, lock(host="elsewhere"))
    began = time.monotonic()
    with lease.hold(bucket):
        assert time.monotonic() - began >= 0.5
    assert "on elsewhere" in capsys.readouterr().out


def test_a_process_of_this_machine_that_is_gone_is_not_waited_for(
    bucket: Bucket, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    bucket.write(lease.FILE, lock(pid=int(gone.stdout)))
    with lease.hold(bucket):
        pass
    assert "waiting for a sign of life" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}'])
def test_a_damaged_lock_is_taken_over(bucket: Bucket, content: bytes) -> None:
    bucket.write(lease.FILE, content)
    with lease.hold(bucket):
        pass


def test_who_was_silent_too_long_is_told_and_leaves_the_other_alone(bucket: Bucket) -> None:
    with lease.hold(bucket) as held:
        bucket.write(lease.FILE, lock(host="elsewhere"))
        with pytest.raises(UserError, match=r"taken over by process .* on elsewhere"):
            held.check()
    assert json.loads(bucket.read(lease.FILE))["id"] == "other"


def test_who_was_silent_while_another_came_and_went_is_told(bucket: Bucket) -> None:
    with lease.hold(bucket) as held:
        bucket.write(lease.FILE, lock(host="elsewhere"))
        bucket.remove(lease.FILE)
        time.sleep(0.3)
        assert not bucket.has(lease.FILE)
        with pytest.raises(UserError, match=r"run\.lock is gone"):
            held.check()


def test_of_many_at_once_one_gets_it(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[bool] = []
    one_by_one, create, refused = threading.Lock(), Bucket.create, threading.Semaphore(0)

    def create_as_a_store_does(*arguments: object) -> None:  # fsspec's memory looks, then writes
        with one_by_one:
            create(*arguments)

    monkeypatch.setattr(Bucket, "create", create_as_a_store_does)
    monkeypatch.setattr(lease, "WATCH_SECONDS", 20)

    def try_it() -> None:
        try:
            with lease.hold(bucket):
                got.append(True)
                for _ in range(4):
                    refused.acquire(timeout=20)
        except UserError:
            got.append(False)
            refused.release()

    threads = [threading.Thread(target=try_it) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False] * 4 + [True]
