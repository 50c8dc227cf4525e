"""mirror: what changed goes to the bucket, in order; what is apart stays apart."""

from pathlib import Path

import pytest

from distil_jax.storage.bucket import Bucket
from distil_jax.storage.mirror import Mirror


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    made = Bucket(f"memory://bucket/{tmp_path.name}")
    made.write_all({"a": b"a", "deep/b": b"b", "checkpoints/1/x": b"c", "tensorboard/e": b"e"})
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def mirror(bucket: Bucket, folder: Path) -> Mirror:
    made = Mirror(
        bucket, folder, bucket_only=("checkpoints",), unread=("tensorboard",), last=("results",)
    )
    made.pull()
    return made


def contents(bucket: Bucket) -> dict[str, bytes]:
    return {name: bucket.read(name) for name in bucket.sizes()}


def test_what_belongs_here_comes_here(mirror: Mirror, folder: Path) -> None:
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert found == {"a", "deep/b"}
    assert (folder / "deep" / "b").read_bytes() == b"b"


def test_new_changed_and_removed_files_go_there(
    mirror: Mirror, bucket: Bucket, folder: Path
) -> None:
    (folder / "a").write_bytes(b"changed")
    (folder / "deep" / "b").unlink()
    for name in ("tensorboard", "checkpoints"):
        (folder / name).mkdir()
        (folder / name / "new").write_bytes(b"new")
    (folder / ".new.tmp").write_bytes(b"being written")
    mirror.push()
    assert contents(bucket) == {
        "a": b"changed",
        "checkpoints/1/x": b"c",
        "tensorboard/e": b"e",
        "tensorboard/new": b"new",
    }


def test_only_what_changed_is_written_and_the_last_comes_last(
    mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[list[str]] = []
    monkeypatch.setattr(Bucket, "write_all", lambda _, files: written.append(sorted(files)))
    mirror.push()
    assert written == []
    for name in ("a", "results", "z"):
        (folder / name).write_bytes(b"new content")
    mirror.push()
    mirror.push()
    assert written == [["a", "z"], ["results"]]


def test_a_large_file_is_not_read_into_memory(
    mirror: Mirror, bucket: Bucket, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("distil_jax.storage.mirror.SMALL_BYTES", 10)
    monkeypatch.setattr(Path, "read_bytes", None)
    (folder / "large").write_bytes(b"x" * 11)
    mirror.push()
    assert bucket.read("large") == b"x" * 11
