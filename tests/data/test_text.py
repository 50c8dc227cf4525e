import bz2
import gzip
import lzma
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distil_jax.data import text
from distil_jax.data.text import DecodeStats
from distil_jax.errors import UserError

CONTENT = b"".join(b"line %d of the text\n" % number for number in range(20_000))
COMPRESSED = {
    ".gz": gzip.compress(CONTENT, mtime=0),
    ".bz2": bz2.compress(CONTENT),
    ".xz": lzma.compress(CONTENT),
    ".zst": pa.compress(CONTENT, "zstd", asbytes=True),
}


@pytest.mark.parametrize("suffix", COMPRESSED)
def test_compressed_files_read_as_plain_ones(tmp_path: Path, suffix: str):
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(COMPRESSED[suffix])
    assert b"".join(text.read_blocks(path)) == CONTENT
    path.write_bytes(COMPRESSED[suffix] * 2)
    assert b"".join(text.read_blocks(path)) == CONTENT * 2


@pytest.mark.parametrize("suffix", COMPRESSED)
@pytest.mark.parametrize("damage", ["cut", "garbage", "flipped"])
def test_a_damaged_file_is_named(tmp_path: Path, suffix: str, damage: str):
    whole = COMPRESSED[suffix]
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes(255 - b for b in whole[middle : middle + 40])
    damaged = {"cut": whole[:-5], "garbage": b"garbage!" * 9, "flipped": flipped}
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(damaged[damage])
    with pytest.raises(UserError, match=r"a\.txt"):
        list(text.read_blocks(path))


@given(st.lists(st.sampled_from([b"a", b"b c", b"\n", b"\n\n", b"\r\n", b" \n", b"  "])), st.data())
def test_splitting_does_not_depend_on_the_blocks(pieces: list[bytes], data: st.DataObject):
    whole = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    blocks = [whole[a:b] for a, b in pairwise([0, *cuts, len(whole)])]
    for separator in text.SEPARATORS.values():

        def documents(blocks: list[bytes], separator=separator) -> list[bytes]:
            return [d.strip() for d in text.split(iter(blocks), separator) if d.strip()]

        assert documents(blocks) == documents([whole])


@pytest.mark.parametrize("document", ["line", "block"])
@pytest.mark.parametrize("part", [1, 7, 64, 1000])
def test_ranges_share_nothing_and_miss_nothing(tmp_path: Path, document: str, part: int):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\n\n  \n".join(CONTENT[i : i + i % 90] for i in range(0, 2500, 50)))
    size = path.stat().st_size
    separator = text.SEPARATORS[document]
    found = [
        piece.strip()
        for start in range(0, size, part)
        for piece in text.read_range(path, start, start + part, separator)
    ]
    whole = text.split(iter([path.read_bytes()]), separator)
    assert [f for f in found if f] == [w.strip() for w in whole if w.strip()]


def test_a_file_without_line_breaks_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(text, "LONGEST_DOCUMENT_BYTES", 1 << 16)
    monkeypatch.setattr(text, "READ_BYTES", 1 << 14)
    path = tmp_path / "a.txt"
    path.write_bytes(b"words " * 1_000_000)
    tracemalloc.start()
    sizes = [len(d) for d in text.split(text.read_blocks(path), text.SEPARATORS["line"])]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(sizes) == 6_000_000
    assert max(sizes) <= 1 << 17
    assert peak < 1_000_000
    parts = [
        text.read_range(path, start, start + 1_000_000, text.SEPARATORS["block"])
        for start in range(0, 6_000_000, 1_000_000)
    ]
    assert b"".join(piece for part in parts for piece in part) == path.read_bytes()


@pytest.mark.parametrize(
    ("raw", "decoded", "invalid"),
    [
        (b" caf\xc3\xa9\r\n", "café", 0),
        (b"caf\xe9 \xff", "caf\ufffd \ufffd", 2),
        (b"\xef\xbb\xbfmark", "mark", 0),
        (b"kept \xef\xbf\xbd, new \xff.", "kept \ufffd, new \ufffd.", 1),
    ],
)
def test_invalid_bytes_are_replaced_and_counted(raw: bytes, decoded: str, invalid: int):
    stats = DecodeStats()
    assert text.decode(raw, stats) == decoded
    assert stats.invalid == invalid
