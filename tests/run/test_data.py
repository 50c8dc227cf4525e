"""rows: what is held out is text of its own where one is given."""

from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax.data.store import is_prepared, open_split
from distil_jax.errors import UserError
from distil_jax.main import main
from distil_jax.run import setup

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.mark.slow
def test_held_out_text_is_prepared_whole_and_scored(
    flags: Callable[..., list[str]], text_file: Path, tmp_path: Path, capsys
) -> None:
    lines = text_file.read_text().splitlines()
    (tmp_path / "train.txt").write_text("\n".join(lines[:200]))
    (tmp_path / "held_out.txt").write_text("\n".join(lines[200:]))
    data = {"data.train": tmp_path / "train.txt", "data.validation": tmp_path / "held_out.txt"}

    main(flags(tmp_path / "run", **data))

    rows = tmp_path / "run" / "validation_data"
    assert open_split(rows, "validation").summary.documents == 100
    assert open_split(rows, "train").rows == 0
    assert "student, distilled" in capsys.readouterr().out
    main(flags(tmp_path / "again", **data | {"data.validation": rows}))


def test_text_to_train_on_is_not_held_out_whole(
    flags: Callable[..., list[str]], text_file: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"heldout=1\.0 is not a share; give .* to below 1"):
        main(flags(tmp_path / "run", **{"data.train": text_file, "data.heldout": 1.0}))
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_with_held_out_text_of_its_own_nothing_is_held_out_of_the_rest(
    flags: Callable[..., list[str]], text_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "held_out.txt").write_text("\n".join(text_file.read_text().splitlines()[:40]))
    data = {"data.train": text_file, "data.validation": tmp_path / "held_out.txt"}
    main(flags(tmp_path / "run", total_steps=1, **data))
    assert open_split(tmp_path / "run" / "data", "validation").summary.documents == 0
    assert open_split(tmp_path / "run" / "data", "train").summary.documents == 300


@pytest.mark.parametrize(
    ("key", "side", "message"),
    [
        (
            "data.train",
            "validation",
            "data.train=.*validation are held-out rows; name the prepared",
        ),
        (
            "data.validation",
            "train",
            "data.validation=.*train are training rows; name the prepared",
        ),
    ],
)
def test_the_other_side_of_prepared_rows_is_refused(
    key: str, side: str, message: str, flags: Callable[..., list[str]], rows_folder: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    with pytest.raises(UserError, match=message):
        main(flags(tmp_path / "run", **{key: rows_folder / side}))
    assert not (tmp_path / "run").exists()


def test_a_mistyped_folder_is_refused_before_a_teacher_is_loaded(
    flags: Callable[..., list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(setup, "load_models", lambda _: pytest.fail("loaded"))
    with pytest.raises(UserError, match="typo matches no text file"):
        main(flags(tmp_path / "run", **{"data.train": tmp_path / "typo"}))


def test_a_manifest_of_something_else_beside_a_text_is_none(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "text.txt").write_bytes(text_file.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert not is_prepared("builtin:docs")
    assert not is_prepared(str(tmp_path / "text.txt"))
