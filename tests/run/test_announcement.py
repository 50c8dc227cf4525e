"""Text that is trained on and validated on is mentioned."""

from pathlib import Path

import pytest

from distil_jax import tokenizer
from distil_jax.data.preparation import PrepareSettings, prepare
from distil_jax.data.store import Split, open_split
from distil_jax.run.announcement import _in_both


@pytest.mark.parametrize(("held_out", "said"), [(1.0, "held.txt"), (0.2, "held.txt"), (0.1, "")])
def test_the_same_text_on_both_sides_is_named_whatever_the_file_is_called(
    teacher_folder: Path, text_file: Path, rows_folder: Path, tmp_path: Path,
    held_out: float, said: str,
) -> None:  # fmt: skip
    (tmp_path / "held.txt").write_bytes(text_file.read_bytes())
    assert _in_both(_train(rows_folder), _held(tmp_path, teacher_folder, held_out)) == said


def test_other_text_and_a_share_of_the_same_folder_are_on_one_side(
    teacher_folder: Path, text_file: Path, rows_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "held.txt").write_bytes(text_file.read_bytes()[:-9])
    assert _in_both(_train(rows_folder), _held(tmp_path, teacher_folder, 1.0)) == ""
    assert _in_both(_train(rows_folder), open_split(rows_folder, "validation")) == ""


def _train(folder: Path) -> Split:
    return open_split(folder, "train")


def _held(place: Path, teacher_folder: Path, share: float) -> Split:
    """`held.txt` prepared; the rows of `rows_folder` hold out a tenth."""
    settings = PrepareSettings(heldout=share, length=32)
    prepare(str(place / "held.txt"), place / "rows", tokenizer.load(teacher_folder), settings)
    return open_split(place / "rows", "validation")
