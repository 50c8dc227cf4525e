"""Tables of targets: whole or absent, resumed, shared, checked."""

import errno
import json
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from distil_jax.errors import UsageError, UserError
from distil_jax.storage import atomic
from distil_jax.storage.workspace import Workspace
from distil_jax.target_store import Column, Share, Table, open_store, write, writing
from distil_jax.target_store.manifest import is_store

TABLES = (
    Table("epoch-0", 10, (Column("ids", "uint16", (2, 3)), Column("hidden", "bfloat16", (4,)))),
    Table("validation", 3, (Column("flag", "bool"),)),
)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "SHARD_BYTES", 80)  # four rows of epoch-0


def _arrays(table: str, rows: range):
    numbers = np.asarray(rows)
    if table == "validation":
        return {"flag": numbers % 2 == 1}
    ids = numbers[:, None, None] * 10 + np.arange(6).reshape(2, 3)
    return {"ids": ids, "hidden": np.tile(numbers[:, None] / 3, 4).astype(ml_dtypes.bfloat16)}


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_arrays_come_back_bit_for_bit(tmp_path: Path):
    manifest = write(tmp_path / "t", TABLES, _arrays, settings={"a": 1}, notes=lambda: {"b": 2})
    assert manifest is not None
    assert [shard.rows for shard in manifest.tables["epoch-0"].shards] == [4, 4, 2]
    store = open_store(tmp_path / "t")
    assert store.manifest.notes == {"b": 2}
    assert is_store(tmp_path / "t")
    order = [9, 0, 4, 4, 3]
    found, wanted = store.tables["epoch-0"].gather(order), _arrays("epoch-0", range(10))
    for name, rows in found.items():
        np.testing.assert_array_equal(rows, wanted[name][order])
    assert found["hidden"].dtype == ml_dtypes.bfloat16
    assert store.tables["validation"].gather([1, 2])["flag"].tolist() == [True, False]
    with pytest.raises(IndexError):
        store.tables["validation"].gather([3])


def test_interrupted_and_shared_work_gives_the_same_bytes(tmp_path: Path):
    write(tmp_path / "whole", TABLES, _arrays, settings={})

    def interrupted(table: str, rows: range):
        if rows.start >= 4:
            raise KeyboardInterrupt
        return _arrays(table, rows)

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "parts", TABLES, interrupted, settings={}, share=Share(0, 2))
    made: list[bool] = []
    for index in (1, 0):
        write(
            tmp_path / "parts",
            TABLES,
            _arrays,
            settings={},
            share=Share(index, 2),
            made=lambda _, new: made.append(new),
        )
    assert made.count(False) == 1
    assert _files(tmp_path / "parts") == _files(tmp_path / "whole")


def test_killed_between_the_manifest_and_the_clearing_up(tmp_path: Path):
    write(tmp_path / "whole", TABLES, _arrays, settings={})

    def killed(_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workspace, "remove_unfinished", killed)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / "killed", TABLES, _arrays, settings={})
    assert (tmp_path / "killed/unfinished").is_dir()
    write(tmp_path / "killed", TABLES, _arrays, settings={})
    assert _files(tmp_path / "killed") == _files(tmp_path / "whole")


def test_damage_is_named(tmp_path: Path):
    write(tmp_path / "t", TABLES, _arrays, settings={})
    shard = tmp_path / "t" / "epoch-0" / "00001.arrow"
    content = bytearray(shard.read_bytes())
    content[-40] ^= 1
    shard.write_bytes(content)
    table = open_store(tmp_path / "t").tables["epoch-0"]
    table.gather([0])
    with pytest.raises(UserError, match=r"00001.arrow are damaged: its checksum differs"):
        table.gather([5])
    shard.write_bytes(content[:-1])
    with pytest.raises(UserError, match=r"00001.arrow are damaged: it has \d+ bytes"):
        open_store(tmp_path / "t")
    shard.unlink()
    with pytest.raises(UserError, match="it is missing"):
        open_store(tmp_path / "t")


@pytest.mark.parametrize(
    "content", ["", "[1]", '{"kind": "targets"}', '{"kind": "targets", "format": 9}', '{"a": 1}']
)
def test_a_damaged_manifest_is_one_line(tmp_path: Path, content: str):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(UserError, match=r"damaged|format|no targets"):
        open_store(tmp_path)


def test_no_such_folder(tmp_path: Path):
    with pytest.raises(UserError, match="not a finished folder of targets"):
        open_store(tmp_path / "nothing")
    assert not is_store(tmp_path / "nothing")
    with pytest.raises(UsageError, match="shard_index=2 with shard_count=2"):
        Share(2, 2)


def test_an_error_leaves_nothing(tmp_path: Path):
    def fails(table: str, rows: range):
        raise UserError("the teacher")

    with pytest.raises(UserError, match="the teacher"):
        write(tmp_path / "t", TABLES, fails, settings={})
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full"), UserError("no such bucket")])
@pytest.mark.parametrize(("shard", "kept"), [("00000", 0), ("00001", 1)])
def test_a_full_disk_or_a_store_out_of_reach_leaves_what_is_finished(
    tmp_path: Path, shard: str, kept: int, error: Exception
):
    write(tmp_path / "whole", TABLES, _arrays, settings={})
    put, made = atomic.put, []

    def full(path: Path, content: bytes) -> None:
        if path.name == f"{shard}.arrow":
            raise error
        put(path, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atomic, "put", full)
        with pytest.raises(UserError, match=r"free some space|no such bucket"):
            write(tmp_path / "t", TABLES, _arrays, settings={})
    assert (tmp_path / "t").exists() == bool(kept)
    write(tmp_path / "t", TABLES, _arrays, settings={}, made=lambda _, new: made.append(new))
    assert made.count(False) == kept
    assert _files(tmp_path / "t") == _files(tmp_path / "whole")


def test_a_folder_of_something_else_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="holds something else"):
        write(tmp_path, TABLES, _arrays, settings={})
    write(tmp_path / "t", TABLES, _arrays, settings={"k": 1})
    with pytest.raises(UserError, match="other settings: k 1, now 2"):
        write(tmp_path / "t", TABLES, _arrays, settings={"k": 2})
    write(tmp_path / "l", TABLES, _arrays, settings={"layers": [2, 4]})
    with pytest.raises(UserError, match="other settings: layers 2, 4, now 6;"):
        write(tmp_path / "l", TABLES, _arrays, settings={"layers": [6]})
    assert json.loads((tmp_path / "t" / "manifest.json").read_text())["settings"]["k"] == 1
