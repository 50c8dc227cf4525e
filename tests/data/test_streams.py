"""Compressed files of several streams are read to their last byte, or refused."""

import bz2
import io
import lzma
from pathlib import Path

import pytest

from distil_jax.data import compression, streams
from distil_jax.data.text import read_blocks
from distil_jax.errors import UserError

HALVES = [bytes(range(256)) * 9000, b"the second half " * 9000]
KINDS = {".bz2": bz2.compress, ".xz": lzma.compress}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def made(kind: str) -> list[bytes]:
    return [KINDS[kind](half) for half in HALVES]


def read(tmp_path: Path, kind: str, content: bytes) -> bytes:
    path = tmp_path / f"a{kind}"
    path.write_bytes(content)
    return b"".join(read_blocks(path))


def test_all_streams_and_zeros_between_them(tmp_path: Path, kind: str) -> None:
    whole = b"".join(HALVES)
    assert read(tmp_path, kind, b"".join(made(kind))) == whole
    assert read(tmp_path, kind, bytes(4096).join(made(kind)) + bytes(3_000_000)) == whole
    assert read(tmp_path, kind, KINDS[kind](b"")) == b""


@pytest.mark.parametrize("place", [0, 3, 11])
def test_a_second_stream_whose_beginning_is_damaged_is_not_left_out(
    tmp_path: Path, kind: str, place: int
) -> None:
    first, second = made(kind)
    damaged = bytearray(second)
    damaged[place] ^= 0x7F
    with pytest.raises(UserError, match=r"cannot be read to its end"):
        read(tmp_path, kind, first + damaged)


@pytest.mark.parametrize("ending", [b"<html>", b"BZ", b"\xfd7z"])
def test_what_is_no_stream_behind_one_is_refused(tmp_path: Path, kind: str, ending: bytes) -> None:
    with pytest.raises(UserError, match=r"cannot be read to its end"):
        read(tmp_path, kind, made(kind)[0] + ending)


def test_a_cut_is_refused_wherever_it_is(tmp_path: Path, kind: str) -> None:
    whole = b"".join(made(kind))
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        with pytest.raises(UserError, match=r"cannot be read to its end"):
            read(tmp_path, kind, whole[:length])


def test_the_start_of_a_file_gives_the_start_of_its_content(kind: str) -> None:
    start = io.BytesIO(b"".join(made(kind))[:-9])
    assert compression.first_bytes(Path("a"), start, 100) == HALVES[0][:100]


def test_lines_and_pieces_are_those_of_a_plain_file() -> None:
    content = b"one\ntwo\n\nthree"
    file = streams.opened(io.BytesIO(bz2.compress(content)), bz2.BZ2Decompressor)
    assert file.readline() == b"one\n"
    assert list(file) == [b"two\n", b"\n", b"three"]
