"""A disk that fills up, or turns read-only, under a run: one clear line, and nothing is lost."""

import json
import os
import re
import resource
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from distil_jax import pretrained, tokenizer
from distil_jax.errors import UserError
from distil_jax.storage.atomic import new_folder

pytestmark = pytest.mark.usefixtures("blank_figures")

TIMING = re.compile("_seconds?$|^goodput$|^restarts$|^lost_steps$")

# A user's own mounts, gone with the last process. Each step: how to mount, then run.
SCRIPT = """
mount -t tmpfs -o size={size} tmpfs {disk} || exit 99
{command} > {place}/full.out 2> {place}/full.err; echo $? > {place}/full.status
mount -o remount,ro {disk}
{command} > {place}/ro.out 2> {place}/ro.err; echo $? > {place}/ro.status
mount -o remount,rw,size=64m {disk}
{command} > {place}/again.out 2> {place}/again.err; echo $? > {place}/again.status
cp -r {disk}/run {place}/saved
"""
NAMESPACE = ["unshare", "--map-root-user", "--mount", "sh", "-c"]


def may_mount(folder: Path) -> bool:
    try:
        done = subprocess.run([*NAMESPACE, f"mount -t tmpfs tmpfs {folder}"], capture_output=True)
    except FileNotFoundError:
        return False
    return done.returncode == 0


def untimed(workdir: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if not TIMING.search(k)} for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("size", ["900k"])
def test_a_full_and_then_read_only_disk_loses_nothing(
    size: str, tmp_path: Path, flags: Callable[..., list[str]], finished: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not may_mount(disk):
        pytest.skip("no mounts of its own on this machine")
    command = shlex.join([sys.executable, "-m", "distil_jax.main", *flags(disk / "run")])
    script = SCRIPT.format(size=size, disk=disk, place=tmp_path, command=command)
    subprocess.run([*NAMESPACE, script], check=True, env=os.environ)
    for name, reason in (("full", "No space left on device"), ("ro", "Read-only file system")):
        assert (tmp_path / f"{name}.status").read_text() == "1\n"
        (line,) = (tmp_path / f"{name}.err").read_text().splitlines()
        assert line.startswith(f"error: {disk}")
        assert reason in line
    assert (tmp_path / "again.status").read_text() == "0\n", (tmp_path / "again.err").read_text()
    saved = tmp_path / "saved"
    assert untimed(saved) == untimed(finished)
    student = "student/model.safetensors"
    assert (saved / student).read_bytes() == (finished / student).read_bytes()
    assert {path.name for path in saved.iterdir()} == {path.name for path in finished.iterdir()}


def test_prepare_on_a_full_disk_is_one_line_and_leaves_nothing(
    tmp_path: Path, text_file: Path, teacher_folder: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not may_mount(disk):
        pytest.skip("no mounts of its own on this machine")
    command = shlex.join(
        [sys.executable, "-m", "distil_jax.prepare", f"--input={text_file}", "--length=32",
         f"--tokenizer={teacher_folder}", f"--output={disk}/rows"]
    )  # fmt: skip
    script = f"mount -t tmpfs -o size=16k tmpfs {disk}; {command}; ls -A {disk} >&2; exit 0"
    done = subprocess.run([*NAMESPACE, script], capture_output=True, text=True)
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: output {disk}/rows cannot be written")
    assert "No space left on device" in line


@contextmanager
def no_file_beyond(size_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_weights_and_a_tokenizer_without_room_are_one_line(
    tmp_path: Path, teacher_folder: Path
) -> None:
    """Libraries in Rust write them, which raise no OSError."""
    model, output = pretrained.load(teacher_folder), tmp_path / "output"

    def weights() -> None:
        pretrained.save(output, model)

    def vocabulary() -> None:
        with new_folder(output) as draft:
            tokenizer.save(draft, model.tokenizer)

    for write in (weights, vocabulary):
        with (
            no_file_beyond(200),
            pytest.raises(UserError, match=f"^{output} cannot be written: File too large"),
        ):
            write()
    assert not any(tmp_path.iterdir())
