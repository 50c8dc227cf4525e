import json
from pathlib import Path

import datasets
import pyarrow as pa
import pytest
from pyarrow import parquet

from distil_jax.data import records
from distil_jax.data.text import DecodeStats
from distil_jax.errors import UserError

TEXTS = ["one\ntwo", "", None, " three "]


def test_json_lines(tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": text, "n": 1}) + "\n" for text in TEXTS) + "\n")
    assert list(records.read_json_lines(path, "text", DecodeStats())) == ["one\ntwo", "three"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "a"', "line 2 is not JSON"),
        ("[1]", "line 2 is not a JSON object"),
        ('{"body": "a"}', r"no column text; it has body"),
        ('{"text": 3}', "holds int"),
    ],
)
def test_bad_json_line_is_named(tmp_path: Path, line: str, message: str):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"text": "fine"}}\n{line}\n')
    with pytest.raises(UserError, match=message):
        list(records.read_json_lines(path, "text", DecodeStats()))


def test_parquet(tmp_path: Path):
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"body": TEXTS * 300}), path)
    assert list(records.read_parquet(path, "body", DecodeStats())) == ["one\ntwo", "three"] * 300
    with pytest.raises(UserError, match="no column text; it has body"):
        list(records.read_parquet(path, "text", DecodeStats()))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        list(records.read_parquet(path, "body", DecodeStats()))


def test_saved_data_set(tmp_path: Path):
    saved = datasets.Dataset.from_dict({"text": TEXTS})
    saved.save_to_disk(str(tmp_path / "one"))
    datasets.DatasetDict({"train": saved}).save_to_disk(str(tmp_path / "both"))
    for name in ("one", "both"):
        folder = tmp_path / name
        assert records.is_saved_dataset(folder)
        assert list(records.read_dataset(str(folder), "text", "train", DecodeStats())) == [
            "one\ntwo",
            "three",
        ]
        assert records.saved_fingerprint(folder, "train")
    with pytest.raises(UserError, match="no column body"):
        list(records.read_dataset(str(folder), "body", "train", DecodeStats()))


def test_hub_id_without_network_is_named():
    with pytest.raises(UserError, match=r"data set nobody/nothing \(split train\)"):
        list(records.read_dataset("nobody/nothing", "text", "train", DecodeStats()))


def test_pairs_of_parquet_and_of_data_sets(tmp_path: Path):
    table = pa.table({"b": ["B1", "B2", None], "n": [1, 2, 3], "a": ["A1", "", "A3"]})
    parquet.write_table(table, tmp_path / "a.parquet")
    datasets.Dataset.from_dict(table.to_pydict()).save_to_disk(str(tmp_path / "set"))
    expected = [f"A1{records.PAIR}B1"]
    found = records.read_parquet(tmp_path / "a.parquet", "a, b", DecodeStats())
    assert list(found) == expected
    found = records.read_dataset(str(tmp_path / "set"), "a,b", "train", DecodeStats())
    assert list(found) == expected
    for column, message in {
        "a,c": "no column c; it has b, n, a",
        "a,b,n": "names 3 columns",
    }.items():
        with pytest.raises(UserError, match=message):
            list(records.read_parquet(tmp_path / "a.parquet", column, DecodeStats()))
        with pytest.raises(UserError, match=message):
            list(records.read_dataset(str(tmp_path / "set"), column, "train", DecodeStats()))


def test_the_first_of_columns_of_one_name_is_read(tmp_path: Path):
    columns = [pa.array(["first"]), pa.array(["second"])]
    parquet.write_table(pa.table(columns, names=["text", "text"]), tmp_path / "a.parquet")
    found = records.read_parquet(tmp_path / "a.parquet", "text", DecodeStats())
    assert list(found) == ["first"]


def test_a_name_that_is_nothing_here_is_said_to_be_none():
    with pytest.raises(UserError, match="corpus/text is no file or folder here; data set corpus"):
        list(records.read_dataset("corpus/text", "text", "train", DecodeStats()))
