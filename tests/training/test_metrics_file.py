"""metrics_file: each step once, however the run before was cut off."""

import contextlib
import json
import os
from pathlib import Path

import pytest

from distil_jax.errors import UserError
from distil_jax.training.metrics_file import MetricsFile, read


def write(path: Path, *steps: int, restart: int) -> None:
    file = MetricsFile(path, restart_step=restart)
    for step in steps:
        file.append({"step": step, "loss": step / 3})
    file.sync()
    file.close()


def steps(path: Path) -> list[int]:
    return [line["step"] for line in read(path)]


def test_lines_come_back_exactly(tmp_path: Path) -> None:
    write(tmp_path / "m", 1, 2, restart=0)
    assert read(tmp_path / "m") == [{"step": 1, "loss": 1 / 3}, {"step": 2, "loss": 2 / 3}]
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_steps_after_the_restart_are_cut(tmp_path: Path) -> None:
    write(tmp_path / "m", 1, 2, 3, 4, restart=0)
    write(tmp_path / "m", 3, 4, 5, restart=2)
    assert steps(tmp_path / "m") == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("damage", [b"[1]", b"{}", b'{"step": "2"}', b"\0\0\0\0", b"\xff{", b"3"])
def test_what_is_no_line_ends_what_is_read(tmp_path: Path, damage: bytes) -> None:
    write(tmp_path / "m", 1, 2, 3, restart=0)
    first, second, third = (tmp_path / "m").read_bytes().splitlines(keepends=True)
    (tmp_path / "m").write_bytes(first + damage + b"\n" + third)
    assert steps(tmp_path / "m") == [1]
    (tmp_path / "m").write_bytes(first + second + damage)
    write(tmp_path / "m", 3, restart=2)
    assert steps(tmp_path / "m") == [1, 2, 3]


def test_a_new_run_starts_with_an_empty_file(tmp_path: Path) -> None:
    write(tmp_path / "m", 1, 2, restart=0)
    write(tmp_path / "m", restart=0)
    assert steps(tmp_path / "m") == []


@pytest.mark.parametrize("torn", ['{"step": 3, "lo', "{", '{"step": 3'])
def test_a_torn_last_line_is_left_out_and_mended(tmp_path: Path, torn: str) -> None:
    write(tmp_path / "m", 1, 2, restart=0)
    with open(tmp_path / "m", "a") as file:
        file.write(torn)
    assert steps(tmp_path / "m") == [1, 2]
    write(tmp_path / "m", 3, restart=2)
    assert [json.loads(line)["step"] for line in (tmp_path / "m").read_text().splitlines()] == [
        1, 2, 3,
    ]  # fmt: skip


def test_a_line_is_readable_as_soon_as_it_is_appended(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "m", restart_step=0)
    file.append({"step": 1})
    assert steps(tmp_path / "m") == [1]
    file.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    file = MetricsFile(tmp_path / "m", restart_step=0)
    file.close()
    file._file = open("/dev/full", "w")  # noqa: SIM115
    with pytest.raises(UserError, match=r"m cannot be written: No space left on device; free"):
        file.append({"step": 1})
    with contextlib.suppress(OSError):
        file.close()
