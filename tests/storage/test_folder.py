"""folder, here, bucket: the same deeds on a disk and in a bucket, and the bucket's refusals."""

import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from distil_jax.errors import UserError
from distil_jax.storage.bucket import Bucket
from distil_jax.storage.folder import Folder, open_folder


@pytest.fixture(params=["here", "gs", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    if request.param == "here":
        return open_folder(tmp_path / "deep" / "folder")
    if request.param == "memory":
        return open_folder(f"memory://bucket/{tmp_path.name}/folder")
    return open_folder(f"{request.getfixturevalue('bucket')}/deep/folder")


def test_files_are_written_read_listed_and_removed(folder: Folder) -> None:
    assert folder.is_empty()
    folder.make("train")
    folder.write("train/a", b"first")
    folder.write("train/a", memoryview(b"second"))
    folder.write("b", b"")
    assert folder.read("train/a") == b"second"
    assert folder.sizes() == {"train/a": 6, "b": 0}
    assert folder.sizes("train") == {"train/a": 6}
    assert [folder.has(name) for name in ("b", "train/a", "train", "c")] == [
        True,
        True,
        False,
        False,
    ]
    assert not folder.is_empty()
    assert not folder.is_file()
    assert open_folder(f"{folder.address}/b").is_file()
    folder.remove("b")
    folder.remove("b")
    folder.remove_all("train")
    assert folder.sizes() == {}
    with pytest.raises(FileNotFoundError):
        folder.read("b")


def test_names_that_begin_alike_are_kept_apart(folder: Folder) -> None:
    folder.make("1", "12")
    folder.write("1/a", b"one")
    folder.write("12/a", b"twelve")
    assert folder.sizes("1") == {"1/a": 3}
    folder.remove_all("1")
    assert folder.sizes() == {"12/a": 6}


@pytest.mark.parametrize("kind", ["gs", "memory"])
def test_only_one_creates_an_object(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    memory = f"memory://bucket/{tmp_path.name}"
    bucket = Bucket(memory if kind == "memory" else request.getfixturevalue("bucket"))
    bucket.create("lock", b"mine")
    with pytest.raises(FileExistsError):
        bucket.create("lock", b"yours")
    assert bucket.read("lock") == b"mine"


def test_no_such_bucket(fake_gcs: str) -> None:
    missing = Bucket("gs://nobody-made-this/folder")
    create = "gcloud storage buckets create gs://nobody-made-this"
    for use in (missing.sizes, missing.is_empty, lambda: missing.write("a", b"x")):
        with pytest.raises(UserError, match=f"there is no bucket nobody-made-this .*{create}"):
            use()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (403, r"gs://b/x is not allowed to this account .*let it read and write objects of gs://b"),
        (401, r"gs://b/x needs credentials .*gcloud auth application-default login"),
    ],
)
def test_refusals_say_what_to_do(
    refusing: Callable[[int], None], status: int, message: str
) -> None:
    refusing(status)
    folder = Bucket("gs://b/x")
    for use in (folder.sizes, lambda: folder.has("a"), lambda: folder.write("a", b"x")):
        with pytest.raises(UserError, match=message):
            use()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gs://", "names no bucket; write gs://BUCKET/FOLDER"),
        ("nosuch://a/b", "not a URL of a known kind"),
        ("gs://b/x", r"not installed .*pip install -e '\.\[gcs\]'"),
    ],
)
def test_urls_that_cannot_be_opened(
    url: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    for name in ("gs", "gcs"):
        monkeypatch.delitem(import_module("fsspec.registry")._registry, name, raising=False)
    with pytest.raises(UserError, match=message):
        Bucket(url)
