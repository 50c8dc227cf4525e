import gzip
import os
from pathlib import Path

import pytest

from distil_jax.data import corpus
from distil_jax.data.text import DecodeStats
from distil_jax.errors import UsageError, UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b.txt").write_bytes(b"b one\nb two\n\nb three\n")
    (tmp_path / "a.txt").write_bytes(b"a one \xff\n \n\n\na two")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.jsonl").write_text('{"text": "c one\\nc two"}\n')
    (tmp_path / "other.bin").write_bytes(b"no text")
    return tmp_path


def texts(inputs, **keywords) -> list[str]:
    return list(corpus.documents(corpus.find(inputs, **keywords)))


def test_lines_and_blocks(folder: Path):
    assert texts(str(folder / "b.txt")) == ["b one", "b two", "b three"]
    assert texts(str(folder / "b.txt"), document="block") == ["b one\nb two", "b three"]


def test_folder_in_name_order_with_records_whole(folder: Path):
    found = texts(str(folder))
    assert found == ["a one \ufffd", "a two", "b one", "b two", "b three", "c one\nc two"]


def test_several_inputs_globs_and_repeats(folder: Path):
    glob = f"{folder}/?.txt"
    assert texts([f"{folder}/b.txt,{folder}/deep", glob])[:4] == [
        "b one", "b two", "b three", "c one\nc two",
    ]  # fmt: skip
    assert len(corpus.find([glob, glob])) == 2


def test_invalid_bytes_are_counted(folder: Path):
    stats = DecodeStats()
    list(corpus.documents(corpus.find(str(folder)), stats))
    assert stats.invalid == 1


def test_identity_follows_the_content(folder: Path):
    (source,) = corpus.find(str(folder / "a.txt"))
    before = source.identity()
    assert before["name"] == "a.txt"
    (folder / "a.txt").write_bytes(b"a one \xfe\n \n\n\na two")
    assert source.identity() != before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "no input"),
        ("absent.txt", "absent.txt matches no text file"),
        ("none/*.txt", "matches no text file"),
        ("none/", "matches no text file"),
        ("builtin:books", "the only one is builtin:docs"),
    ],
)
def test_inputs_that_are_not_there(folder: Path, name: str, message: str):
    with pytest.raises(UserError, match=message):
        corpus.find(name)


def test_a_pipe_is_named_as_one(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe is a pipe or a device, and files are read more"):
        corpus.find(str(tmp_path / "pipe"))


def test_folder_without_text(folder: Path):
    (folder / "empty").mkdir()
    with pytest.raises(UserError, match="matches no text file"):
        corpus.find(str(folder / "empty"))


@pytest.mark.parametrize("name", ["b.txt", "deep/../a.txt", "builtin:docs"])
def test_plain_text_has_no_pairs(folder: Path, name: str):
    given = name if name.startswith("builtin:") else str(folder / name)
    with pytest.raises(UserError, match="is plain text, and --column=a,b reads pairs; give "):
        corpus.find(given, column="a,b")
    assert corpus.find(str(folder / "deep"), column="a,b")


def test_unknown_kind_of_document(folder: Path):
    with pytest.raises(UsageError, match="page"):
        corpus.find(str(folder), document="page")


def test_other_names_are_data_set_ids():
    (source,) = corpus.find("owner/name", column="body")
    assert source == corpus.HubDataset("owner/name", "body")


def test_a_folder_is_read_with_links_and_without_what_is_hidden(folder: Path, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "E.TXT").write_text("e one\n")
    (other / "back").symlink_to(folder)
    (folder / "link").symlink_to(other)
    (folder / ".git").mkdir()
    (folder / ".git" / "d.txt").write_text("hidden\n")
    found = texts(str(folder))
    assert found == [
        "a one \ufffd", "a two", "b one", "b two", "b three", "c one\nc two", "e one",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", b"[]", "is one JSON value, not text; give .txt, .jsonl or .parquet files"),
        ("a.CSV", b"a,b", "is a table, not text"),
        ("a.tar.gz", b"", "is an archive of files, not text"),
        ("a.zip", b"PK", "is an archive of files, not text"),
        ("a.log", "x".encode("utf-16"), "is in UTF-16; save it in UTF-8"),
    ],
)
def test_what_is_no_text_is_not_read_as_such(
    tmp_path: Path, name: str, content: bytes, message: str
):
    (tmp_path / name).write_bytes(content)
    for given in (str(tmp_path / name), f"{tmp_path}/a*"):
        with pytest.raises(UserError, match=message):
            corpus.find(given)


def test_the_kind_of_a_file_is_the_same_in_capitals(tmp_path: Path):
    (tmp_path / "a.JSONL").write_text('{"text": "one two"}\n')
    (tmp_path / "b.TXT.GZ").write_bytes(gzip.compress(b"three\n"))
    assert texts([str(tmp_path / "a.JSONL"), str(tmp_path / "b.TXT.GZ")]) == ["one two", "three"]


def test_a_name_with_a_comma_is_a_file_where_there_is_one(tmp_path: Path):
    (tmp_path / "a,b.txt").write_text("one\n")
    (tmp_path / "c.txt").write_text("two\n")
    assert texts(f"{tmp_path}/a,b.txt") == ["one"]
    assert texts([f"{tmp_path}/a,b.txt", f"{tmp_path}/c.txt,{tmp_path}/c.txt"]) == ["one", "two"]
