from pathlib import Path

import datasets
import numpy as np
import pytest

from distil_jax.data import store
from distil_jax.data.preparation import PrepareSettings, prepare
from distil_jax.errors import UserError
from distil_jax.target_store import Column, Table, write


@pytest.fixture
def folder(corpus_file: Path, word_pieces, tmp_path: Path) -> Path:
    prepare(
        str(corpus_file), tmp_path / "p", word_pieces,
        PrepareSettings(document="block", heldout=0.1, length=64, part_bytes=4000),
    )  # fmt: skip
    return tmp_path / "p"


@pytest.mark.parametrize("split", ["train", "validation"])
def test_gather_is_what_datasets_reads(folder: Path, split: str):
    opened = store.open_split(folder, split)
    expected = datasets.load_from_disk(str(folder / split)).with_format("numpy")[:]
    numbers = np.random.default_rng(0).integers(0, opened.rows, 50)
    found = opened.gather(numbers)
    for name in ("tokens", "segments"):
        assert found[name].dtype == np.int32
        assert np.array_equal(found[name], expected[name][numbers])
    assert opened.gather([])["tokens"].shape == (0, 64)


def test_split_folder_is_understood(folder: Path):
    opened = store.open_split(folder / "validation")
    assert opened.name == "validation"
    assert opened.rows == store.open_split(folder, "validation").rows
    assert np.array_equal(store.token_counts(folder / "train"), store.token_counts(folder))


@pytest.mark.parametrize("row", [-1, 10**6])
def test_rows_that_do_not_exist(folder: Path, row: int):
    with pytest.raises(IndexError):
        store.open_split(folder).gather([0, row])


def test_a_flipped_byte_is_found_at_first_touch(folder: Path):
    path = sorted((folder / "train").glob("*.arrow"))[1]
    content = bytearray(path.read_bytes())
    content[-200] ^= 1
    path.write_bytes(content)
    opened = store.open_split(folder)
    opened.gather([0])
    with pytest.raises(UserError, match=rf"{path}.*checksum.*prepare"):
        opened.gather(range(opened.rows))


@pytest.mark.parametrize("damage", ["missing", "cut", "header"])
def test_damage_is_found_when_opening(folder: Path, damage: str):
    path = sorted((folder / "train").glob("*.arrow"))[2]
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if damage == "cut" else bytes(64) + content[64:])
    with pytest.raises(UserError, match=str(path)):
        store.open_split(folder)


def test_other_folders_are_refused(folder: Path, tmp_path: Path):
    with pytest.raises(UserError, match="not a finished prepared folder"):
        store.open_split(tmp_path)
    with pytest.raises(UserError, match="split test"):
        store.open_split(folder, "test")


def test_a_folder_of_something_else_is_not_called_damaged(tmp_path: Path):
    table = Table("texts", 1, (Column("score", "float32"),))
    write(tmp_path, [table], lambda *_: {"score": np.zeros(1, np.float32)}, settings={})
    with pytest.raises(
        UserError, match=r"holds no prepared rows, its manifest\.json is of something"
    ):
        store.open_split(tmp_path)


def test_damaged_counts_are_found(folder: Path):
    path = folder / "token_counts.npy"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(UserError, match=r"token_counts\.npy"):
        store.token_counts(folder)
