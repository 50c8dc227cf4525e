"""What a file holds is found in its bytes; what is not read is refused by name."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, orc, parquet

from distil_jax.data import content, corpus
from distil_jax.errors import UserError

LINES = [f"The function returns a list of integers, number {number}." for number in range(40)]
PLAIN = ("\n".join(LINES) + "\n").encode()
RECORDS = "".join(json.dumps({"id": 1, "text": line}) + "\n" for line in LINES).encode()
TABLE = pa.table({"text": LINES})
FRENCH = "Le garçon très déçu a mangé une pâte, et la fenêtre était fermée.\n" * 30
RUSSIAN = "Функция возвращает список чисел, который ей передали раньше.\n" * 30
JAPANESE = "関数は呼び出し元が渡した整数のリストを返します。\n" * 30


def _written(write: Callable[[pa.Table, io.BytesIO], object]) -> bytes:
    sink = io.BytesIO()
    write(TABLE, sink)
    return sink.getvalue()


def _zip(name: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(name, PLAIN)
    return sink.getvalue()


def _tar() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return sink.getvalue()


def _array() -> bytes:
    sink = io.BytesIO()
    np.save(sink, np.arange(9))
    return sink.getvalue()


PARQUET = _written(parquet.write_table)
READ = {
    **dict.fromkeys(("a.ndjson", "a.jl", "a.jsonlines", "a.json", "a.txt", "a"), RECORDS),
    **dict.fromkeys(("a.pq", "a.parq", "b.parquet", "b.txt", "b"), PARQUET),
    **dict.fromkeys(("c.txt", "c.en", "c", "c.00", "c.raw"), PLAIN),
    "d.json.gz": gzip.compress(RECORDS),
    "e.txt": gzip.compress(PLAIN),
    "f": bz2.compress(PLAIN),
    "g.txt.xz": gzip.compress(PLAIN),
    "h.lzma": lzma.compress(PLAIN, format=lzma.FORMAT_ALONE),
    "i.gzip": gzip.compress(PLAIN),
    "j.lz4": pa.compress(PLAIN, "lz4", asbytes=True),
    "k.txt": pa.compress(PLAIN, "zstd", asbytes=True),
}


@pytest.mark.parametrize("name", READ)
def test_the_same_text_whatever_the_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(READ[name])
    assert list(corpus.documents(corpus.find(str(tmp_path / name)))) == LINES


REFUSED = {
    "a.parquet.gz": (gzip.compress(PARQUET), "compressed Parquet"),
    "b.jsonl": (json.dumps([{"text": LINES[0]}]).encode(), "one JSON value"),
    "c.txt": (b"<!DOCTYPE html>\n<p>" + PLAIN, "HTML markup"),
    "c.htm": (PLAIN, "markup"),
    "d": (b'<?xml version="1.0"?>\n<a>' + PLAIN, "XML markup"),
    "wiki_00": (b'<doc id="1" url="x" title="A">\n' + PLAIN, "WikiExtractor"),
    "e.txt": (b"{\\rtf1 " + PLAIN, "an RTF document"),
    "f.txt": (b"\\documentclass{article}\n" + PLAIN, "LaTeX markup"),
    "g.txt": (b"%PDF-1.7\n" + PLAIN, "a PDF"),
    "h.txt": (_zip("word/document.xml"), "a Word document"),
    "i.txt": (_zip("xl/workbook.xml"), "an Excel workbook"),
    "j.txt": (_zip("a.txt"), "an archive of files"),
    "k.txt": (_tar(), "an archive of files"),
    "k.txt.gz": (gzip.compress(_tar()), "an archive of files"),
    "l": (_written(feather.write_feather), "an Arrow file"),
    "m": (_written(orc.write_table), "an ORC table"),
    "n.txt": (_array(), "a NumPy array"),
    "o.txt": (pickle.dumps(LINES), "a pickle"),
    "p.txt": (bytes(range(256)) * 9, "binary data"),
    "q.txt": (b"1\tone\n2\ttwo\n3\tthree\n4\tfour\n", "a table of 2 columns with tabs"),
    "r.txt": (b'text,label\n"a, b",1\nc,0\nd,1\n', "a table with the columns text, label"),
    "s.tab": (PLAIN, "a table"),
    "t.txt.gz": (gzip.compress(gzip.compress(PLAIN)), "compressed twice"),
    "u.txt": (zlib.compress(PLAIN), "compressed by zlib"),
    "v.txt": (PLAIN.replace(b"\n", b"\r"), "a carriage return alone"),
    "w.txt.gz": (gzip.compress(FRENCH.encode("utf-16")), "in UTF-16; save"),
    "x.txt": (FRENCH.encode("utf-16-be"), "in UTF-16, without a mark"),
    "array.txt": (b"\x93NUMPY\x01\0v\0" + FRENCH.encode("utf-32-le"), "a NumPy array"),
    "y.txt": (FRENCH.encode("utf-32-le"), "in UTF-32, without a mark"),
    "z.txt": (FRENCH.encode("utf-7"), "in UTF-7"),
    "aa.txt": (JAPANESE.encode("iso2022_jp"), "in ISO-2022"),
    "ab.txt": (FRENCH.encode("cp1252"), r"not UTF-8: .* 0xe7 in .*it may be in cp1252"),
    "ab.txt.xz": (lzma.compress(FRENCH.encode("cp1252")), "not UTF-8"),
    "ac.jsonl": (b'{"text": "d\xe9j\xe0 tr\xe8s bient\xf4t"}\n' * 9, "not UTF-8"),
    "ad.txt": (FRENCH.encode("mac_roman"), "not UTF-8"),
    "ae.txt": (RUSSIAN.encode("koi8-r"), "it may be in koi8-r"),
    "af.txt": (RUSSIAN.encode("cp1251"), "it may be in cp1251"),
    "ag.txt": (JAPANESE.encode("shift_jis"), "not UTF-8"),
    "ah.txt": (PLAIN * 99 + FRENCH.encode("latin-1") * 2, "not UTF-8"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_by_what_it_is(tmp_path: Path, name: str) -> None:
    body, message = REFUSED[name]
    (tmp_path / name).write_bytes(body)
    with pytest.raises(UserError, match=message) as caught:
        list(corpus.documents(corpus.find(str(tmp_path / name))))
    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "ORC is also a word, and RDX, and ID3.\n" * 9,
        "Hello, world\nThis is it, really\n" * 9,
        "[1] Smith, J. A paper.\n[2] Jones, K. Another.\n" * 9,
        "<p align=center>A readme</p>\nand its text\n" * 9,
        '{ this is no JSON, "but": it has braces\n' * 9,
        "name: value\nand = other\n" * 9,
        FRENCH + RUSSIAN + JAPANESE,
    ],
)
def test_text_that_only_looks_like_something_else_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert list(corpus.documents(corpus.find(str(tmp_path / "a.txt")))) == text.splitlines()


def test_the_start_of_a_file_in_a_bucket_is_enough() -> None:
    found = content.look_at_bytes(Path("a.bin"), gzip.compress(RECORDS * 99)[:900])
    assert (found.kind, found.is_plain, found.refusal) == ("JSON lines", False, "")
