"""sources: which files of a folder are a split."""

from pathlib import Path

import datasets
import pyarrow as pa
import pytest
from pyarrow import parquet

from distil_jax.errors import UserError
from distil_jax.tasks.sources import Source


def put(path: Path, *texts: str) -> None:
    parquet.write_table(pa.table({"text": texts}), path)


def test_the_hubs_own_files_are_a_split(tmp_path: Path) -> None:
    put(tmp_path / "train-00001-of-00002.parquet", "c")
    put(tmp_path / "train-00000-of-00002.parquet", "a", "b")
    put(tmp_path / "validation-00000-of-00001-a09b74b3ef9c3b56.parquet", "d")
    source = Source(str(tmp_path))
    texts = [row["text"] for row in source.records("train") or ()]
    assert texts == ["a", "b", "c"]
    assert source.describe("train") == f"{tmp_path} (train)"
    assert source.describe("validation") == str(next(tmp_path.glob("validation-*")))
    assert source.records("test") is None
    (tmp_path / "train.jsonl").write_text('{"text": "one"}\n')
    assert [row["text"] for row in source.records("train") or ()] == ["one"]


def test_a_repository_of_the_hub_has_its_splits_in_data(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    put(tmp_path / "data" / "train-00000-of-00001.parquet", "a")
    source = Source(str(tmp_path))
    assert [row["text"] for row in source.records("train") or ()] == ["a"]
    assert source.describe("train") == str(tmp_path / "data" / "train-00000-of-00001.parquet")
    put(tmp_path / "train-00000-of-00001.parquet", "b")
    assert [row["text"] for row in source.records("train") or ()] == ["b"]


def test_one_saved_split_is_named_as_that(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"text": ["a", "b"]}).save_to_disk(tmp_path / "one")
    with pytest.raises(UserError, match="is one split that `datasets` saved"):
        Source(str(tmp_path / "one")).records("train")


def test_a_file_that_is_missing_is_not_passed_over(tmp_path: Path) -> None:
    put(tmp_path / "train-00000-of-00003.parquet", "a")
    put(tmp_path / "train-00002-of-00003.parquet", "b")
    with pytest.raises(UserError, match=r"2 of the 3 files of train .*; copy the others, too"):
        Source(str(tmp_path)).records("train")
