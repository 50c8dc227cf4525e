"""cache: one rule for where things are kept, and for keeping none."""

import subprocess
import sys
from pathlib import Path

import jax
import pytest

from distil_jax.exporting import vendor
from distil_jax.run.compilation import keep_compiled
from distil_jax.storage import copies
from distil_jax.storage.cache import cache_folder, kept_folder
from distil_jax.training.workdir import resolve


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "home/.cache/distil_jax"),
        ({"XDG_CACHE_HOME": ""}, "home/.cache/distil_jax"),
        ({"XDG_CACHE_HOME": "xdg"}, "xdg/distil_jax"),
        ({"DISTIL_JAX_CACHE": "ours", "XDG_CACHE_HOME": "xdg"}, "ours"),
        ({"DISTIL_JAX_CACHE": "~/ours"}, "home/ours"),
    ],
)
def test_where_it_is(
    variables: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISTIL_JAX_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name, value in variables.items():
        relative = value and not value.startswith("~")
        monkeypatch.setenv(name, str(tmp_path / value) if relative else value)
    assert kept_folder("plans") == cache_folder("plans") == tmp_path / expected / "plans"


def test_empty_keeps_nothing_and_uses_a_folder_of_this_process() -> None:
    program = """
from distil_jax.storage.cache import cache_folder, kept_folder
folder = cache_folder("files")
folder.mkdir(parents=True)
(folder / "copy").write_text("x")
assert cache_folder("files") == folder and kept_folder("files") is None
print(folder)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"DISTIL_JAX_CACHE": "", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    folder = Path(done.stdout.strip())
    assert folder.name == "files"
    assert not folder.parent.exists()


def test_every_user_follows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans are in tests/planning/test_cache.py, compiled programs in tests/run as well."""
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    compiled = jax.config.jax_compilation_cache_dir
    monkeypatch.setenv("DISTIL_JAX_CACHE", "")
    keep_compiled()
    assert jax.config.jax_compilation_cache_dir == compiled
    for cache in ("", str(tmp_path)):
        monkeypatch.setenv("DISTIL_JAX_CACHE", cache)
        root = cache_folder("x").parent
        assert (root == tmp_path) == bool(cache)
        copied = copies.file("gs://b/a.arrow", _download, size_bytes=1, sha256=_SHA256)
        assert copied.parent == root / "files"
        whole = copies.folder("gs://b/f", {"a": 1}, "1", lambda _, path: _download(path))
        assert whole.is_relative_to(root / "folders")
        assert resolve("gs://b/run").folder.parent == root / "workdirs"
        assert vendor._cache().parent == root


_SHA256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


def _download(path: Path) -> None:
    path.write_bytes(b"x")
