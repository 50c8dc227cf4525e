"""digests: whatever happens to a file after it was written is found and named."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax.storage import digests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    (tmp_path / "deep" / "b.bin").write_bytes(b"")
    digests.write(tmp_path)
    return tmp_path


def test_untouched_and_added_files_are_no_damage(folder: Path) -> None:
    (folder / "added").write_text("later")
    assert digests.damage(folder) is None


def test_every_file_is_recorded_with_its_size(folder: Path) -> None:
    files = json.loads((folder / digests.FILE).read_text())["files"]
    assert {name: entry["bytes"] for name, entry in files.items()} == {
        "a.bin": 256,
        "deep/b.bin": 0,
    }


@pytest.mark.parametrize("position", [0, 100, 255])
def test_one_flipped_bit_is_found(folder: Path, position: int) -> None:
    contents = bytearray((folder / "a.bin").read_bytes())
    contents[position] ^= 1
    (folder / "a.bin").write_bytes(contents)
    assert digests.damage(folder) == "a.bin has other contents than were written"


def test_every_flipped_byte_of_the_digests_themselves_is_found(folder: Path) -> None:
    original = (folder / digests.FILE).read_bytes()
    text = json.loads(original)
    for position in range(len(original)):
        changed = bytearray(original)
        changed[position] ^= 0x10
        (folder / digests.FILE).write_bytes(changed)
        assert digests.damage(folder) is not None or json.loads(changed) == text


@pytest.mark.parametrize(
    ("harm", "complaint"),
    [
        (lambda path: path.write_bytes(b"cut"), "a.bin has 3 bytes instead of 256"),
        (lambda path: path.unlink(), "a.bin is missing"),
        (lambda path: path.with_name(digests.FILE).unlink(), "digests.json is missing"),
        (lambda path: path.with_name(digests.FILE).write_text("{"), "digests.json is not readable"),
        (
            lambda path: path.with_name(digests.FILE).write_text("[]"),
            "digests.json is not readable",
        ),
        (
            lambda path: path.with_name(digests.FILE).write_bytes(b"\xff\x00"),
            "digests.json is not readable",
        ),
    ],
)
def test_damage_is_named(folder: Path, harm: Callable[[Path], None], complaint: str) -> None:
    harm(folder / "a.bin")
    assert digests.damage(folder) == complaint
