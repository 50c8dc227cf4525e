"""The same records from every kind of file, and what is said of a damaged one."""

import bz2
import gzip
import json
import lzma
import os

import pyarrow as pa
import pytest
from pyarrow import parquet

from distil_jax.errors import UserError
from distil_jax.tasks.files import records

ROWS = [{"text": 'one "quoted", text', "label": "1"}, {"text": "zwei ünï 😀", "label": "0"}]
QUOTED = '"one ""quoted"", text",1\r\nzwei ünï 😀,0\r\n'.encode()
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in ROWS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", ("\ufeff" + LINES + "\n").encode()),
        ("a.jsonl.xz", lzma.compress(LINES.encode())),
        ("a.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)),
        ("a.jsonl.zst", pa.compress(LINES.encode(), "zstd", asbytes=True)),
        ("a.jsonl.bz2", bz2.compress(LINES.encode())),
        ("a.csv.lz4", pa.compress(b"text,label\n" + QUOTED, "lz4", asbytes=True)),
        ("a.json", json.dumps({"data": ROWS}).encode()),
        ("a.csv", b"text,label\r\n" + QUOTED),
        ("a.tsv", 'text\tlabel\none "quoted", text\t1\nzwei ünï 😀\t0\n'.encode()),
    ],
)
def test_every_kind_holds_the_same_records(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert list(records(tmp_path / name)) == ROWS


def test_parquet(tmp_path):
    parquet.write_table(pa.Table.from_pylist(ROWS * 400), tmp_path / "a.parquet")
    assert list(records(tmp_path / "a.parquet")) == ROWS * 400


def test_text_has_a_record_for_every_line_and_other_separators_are_text(tmp_path):
    (tmp_path / "a.txt").write_bytes("one\r\n\ntwo\u2028still\x0btwo".encode())
    found = [record["text"] for record in records(tmp_path / "a.txt")]
    assert found == ["one", "", "two\u2028still\x0btwo"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": \n', "line 2 is not JSON"),
        ("a.jsonl", b"[1]\n", "line 1 is not a JSON object"),
        ("a.csv", b"text,label\none\n", "has not the 2 columns"),
        ("a.jsonl.xz", lzma.compress(LINES.encode() * 99)[:-20], "cannot be read to its end"),
        (
            "a.csv.zst",
            pa.compress(QUOTED, "zstd", asbytes=True)[:-5],
            "Truncated compressed stream",
        ),
        ("a.jsonl.gz", b"no gzip", "cannot be read to its end"),
        ("a.parquet", b"no parquet", "cannot be read to its end"),
        ("a.json", b"{", "cannot be read as JSON"),
        ("a.doc", b"", "of no known kind"),
        ("a.csv", b'text,label\n"a,1\nb,0\n"c",1\n', "cannot be read to its end"),
        ("a.csv", b"text,text,label\na,b,1\n", "has two columns text"),
        ("a.csv", "text,label\na,1\n".encode("utf-16"), "is in UTF-16; save it in UTF-8"),
        (
            "a.tsv",
            b"text,label\na,1\n",
            "no tab .* ',' between the names text, label.* name it .csv",
        ),
        ("a.txt", b"text,label\n" + b"a,1\n" * 4, "the columns text, label.* name it .csv"),
        ("a.txt", b"text\tlabel\n" + b"a\t1\n" * 4, "2 columns with tabs.* name it .tsv"),
        ("a.json", b'{"text": ["a"], "label": [1]}', r"holds columns \(text, label\)"),
        ("a.json", b'{"text": "a", "label": 1}', r"holds one object \(text, label\)"),
    ],
)
def test_damage_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        list(records(tmp_path / name))


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        list(records(tmp_path / "a.csv"))


def test_a_pipe_is_named_as_one(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="pipe is a pipe or a device, and files are read more"):
        list(records(tmp_path / "pipe"))
