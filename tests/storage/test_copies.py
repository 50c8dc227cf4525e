"""copies: made once, used only while whole, and never partial."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax.errors import UserError
from distil_jax.storage import copies
from distil_jax.storage.bucket import Bucket

CONTENT = bytes(range(256)) * 4
URL = "gs://bucket/rows/a.arrow"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISTIL_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Download:
    """Writes `content`, and counts."""

    def __init__(self, content: bytes) -> None:
        self.content, self.times = content, 0

    def __call__(self, path: Path) -> None:
        self.times += 1
        path.write_bytes(self.content)


def copy(download: Callable[[Path], None], url: str = URL) -> Path:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return copies.file(url, download, size_bytes=len(CONTENT), sha256=digest)


def test_a_file_is_copied_once(cache: Path) -> None:
    download = Download(CONTENT)
    first = copy(download)
    assert first.read_bytes() == CONTENT
    assert copy(download) == first
    assert download.times == 1
    assert copy(download, "gs://other/rows/a.arrow") != first


@pytest.mark.parametrize("content", [CONTENT[:-1], b"x" + CONTENT[1:], b""])
def test_a_damaged_copy_is_made_again(content: bytes) -> None:
    download = Download(CONTENT)
    copy(download).write_bytes(content)
    assert copy(download).read_bytes() == CONTENT
    assert download.times == 2


def test_what_comes_with_another_checksum_is_not_kept(cache: Path) -> None:
    with pytest.raises(ValueError, match="checksum differs"):
        copy(Download(CONTENT[:-1]))
    assert not [path for path in cache.rglob("*.arrow") if path.is_file()]


def test_a_copy_that_was_killed_is_not_used() -> None:
    def killed(path: Path) -> None:
        path.write_bytes(CONTENT[:100])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(killed)
    assert copy(Download(CONTENT)).read_bytes() == CONTENT


def test_no_space_says_how_much_and_where(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(UserError, match=rf"{URL} does not fit .*{cache}.*DISTIL_JAX_CACHE"):
        copy(Download(CONTENT))


def test_a_full_disk_says_the_same() -> None:
    def full(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="does not fit on this disk"):
        copy(full)


@pytest.fixture
def model(tmp_path: Path) -> Bucket:
    bucket = Bucket(f"memory://bucket/{tmp_path.name}/model")
    bucket.write_all({"config.json": b"{}", "model.safetensors": CONTENT, "onnx/other": b"no"})
    return bucket


def test_a_folder_is_copied_once_and_again_when_it_changes(model: Bucket) -> None:
    first = model.copy()
    assert first.name == "model"
    assert {path.name for path in first.iterdir()} == {
        "config.json",
        "model.safetensors",
        "digests.json",
    }
    before = (first / "model.safetensors").stat().st_mtime_ns
    assert model.copy() == first
    assert (first / "model.safetensors").stat().st_mtime_ns == before
    model.write("config.json", b"[]")
    assert model.copy() != first
    assert (model.copy() / "config.json").read_bytes() == b"[]"


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"cut")])
def test_a_damaged_copy_of_a_folder_is_made_again(
    model: Bucket, harm: Callable[[Path], None]
) -> None:
    harm(model.copy() / "model.safetensors")
    assert (model.copy() / "model.safetensors").read_bytes() == CONTENT


def test_an_empty_folder_is_an_error() -> None:
    with pytest.raises(UserError, match="memory://bucket/nothing holds no files"):
        Bucket("memory://bucket/nothing").copy()
