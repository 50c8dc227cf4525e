"""rows: what is held out is text of its own where one is given."""

from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax.data.store import open_split
from distil_jax.errors import UserError
from distil_jax.main import main


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
