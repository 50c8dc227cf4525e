"""atomic: whole or absent, whatever happens half way."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from distil_jax.errors import UserError
from distil_jax.storage import atomic


def test_replaces_whole(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    atomic.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        atomic.put(path, b"new")
    with pytest.raises(UserError, match=f"^{path} cannot be written: No space left"):
        atomic.write_bytes(path, b"new")
    with (
        pytest.raises(UserError, match=f"^{path} cannot be written: No space left"),
        atomic.open_text(path) as file,
    ):
        file.write("new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_full_disk_is_told_apart(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match="No space left on device; free some space"),
        atomic.writing(tmp_path),
    ):
        Path("/dev/full").write_text("x")


def test_a_full_disk_that_names_no_file_is_named_by_the_workdir(tmp_path: Path) -> None:
    with (
        pytest.raises(UserError, match=f"^{tmp_path} cannot be written: No space left"),
        atomic.full_disk_named(tmp_path),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    for other in (OSError(errno.EIO, "x"), OSError(errno.ENOSPC, "x", "elsewhere")):
        with pytest.raises(OSError, match="x") as raised, atomic.full_disk_named(tmp_path):
            raise other
        assert raised.value is other


def test_text_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError):
        atomic.write_text(tmp_path / "a", "new \ud800")
    assert (tmp_path / "a").read_text() == "old"
    atomic.write_text(tmp_path / "a", "new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "new")]


def test_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    def fill(text: str, *, fail: bool = False) -> None:
        with atomic.new_folder(tmp_path / "student") as folder:
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


def test_a_folder_whose_renaming_fails_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rename = tmp_path / "student", os.rename
    folder.mkdir()
    (folder / "file").write_text("old")

    def once(source: Path, target: Path) -> None:
        if target == folder and (source / "file").read_text() == "new":
            raise PermissionError(errno.EACCES, "no", str(target))
        rename(source, target)

    monkeypatch.setattr(os, "rename", once)
    with (
        pytest.raises(UserError, match="student cannot be written: Permission denied"),
        atomic.new_folder(folder) as draft,
    ):
        (draft / "file").write_text("new")
    assert [path.read_text() for path in tmp_path.rglob("file")] == ["old"]
    assert [path.name for path in tmp_path.iterdir()] == ["student"]


def test_parents_that_were_made_for_nothing_go_again(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic.new_folder(tmp_path / "a" / "b" / "c"):
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "a", Path("/sys/a")):
        with (
            pytest.raises(UserError, match=f"{path / 'b'} cannot be written"),
            atomic.new_folder(path / "b"),
        ):
            pass


def test_errors_about_other_files_are_not_the_draft_s(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic.open_text(tmp_path / "out"):
        (tmp_path / "missing").read_text()
    with (
        pytest.raises(UserError, match="out cannot be written: No such file"),
        atomic.draft(tmp_path / "out") as draft,
    ):
        draft.read_text()
    assert not list(tmp_path.iterdir())


def test_a_sweep_of_one_name_leaves_the_others(tmp_path: Path) -> None:
    others = [f"{atomic.MARK}02-b", f"{atomic.MARK}03-b-a", "a"]
    for name in (f"{atomic.MARK}01-a", *others):
        (tmp_path / name).touch()
    atomic.sweep(tmp_path, "a")
    assert sorted(path.name for path in tmp_path.iterdir()) == others


def test_what_a_killed_process_left_of_a_text_goes_with_the_next(tmp_path: Path) -> None:
    (tmp_path / f"{atomic.MARK}01-out.jsonl").touch()
    with atomic.open_text(tmp_path / "out.jsonl") as file:
        file.write("text")
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]


def test_what_a_killed_process_left_of_a_folder_goes_with_the_next(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from distil_jax.storage import atomic\n"
        "with atomic.new_folder(Path(sys.argv[1])) as draft:\n"
        "    (draft / 'large').touch(); os.kill(os.getpid(), 9)"
    )
    folder = tmp_path / "my-export"
    subprocess.run([sys.executable, "-c", program, folder], check=False)
    assert [path.name.startswith(atomic.MARK) for path in tmp_path.iterdir()] == [True]
    with atomic.new_folder(tmp_path / "export"):
        pass
    assert len(list(tmp_path.iterdir())) == 2  # it is another folder's
    with atomic.new_folder(folder):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["export", "my-export"]
