"""Whatever bytes `prepare` is given, it prepares them or says in one clear error what is wrong."""

import bz2
import gzip
import io
import json
import lzma
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from pyarrow import parquet

from distil_jax import tokenizer
from distil_jax.data import store
from distil_jax.data.preparation import PrepareSettings, prepare
from distil_jax.errors import UserError

EXAMPLES = int(os.environ.get("DISTIL_JAX_FUZZ", "25"))
LINE = "the old city was in the river and the city is of the river to the old was"
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": lambda content: pa.compress(content, "zstd", asbytes=True),
}
PIECES = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [LINE.encode(), LINE.encode("utf-16"), b"\n", b"\r\n", b"\n\n", b" " * 40, b"\0" * 50,
         b"\xef\xbb\xbf", b"\xff\xfe", "\u202e🙂\u0301".encode(), b"[MASK] [CLS] [SEP] " * 9,
         b"a" * 3000]
    ),
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
RECORDS = st.one_of(
    st.dictionaries(st.sampled_from(["text", "body"]), JSON | st.just(LINE)).map(json.dumps),
    JSON.map(json.dumps),
    st.just(json.dumps({"text": LINE})),
    st.sampled_from(
        ["[" * 5000, '{"a":' * 5000, "1" * 5000, '{"text": "\\ud800 ' + LINE + '"}', "{", "nul",
         '{"text": "\\u0000 ' + LINE + '"}', '{"text": 1e999}', '{"text": NaN}']
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def letters(teacher_folder: Path):
    return tokenizer.load(teacher_folder)


def check(name: str, content: bytes, folder: Path, letters, document: str = "line") -> None:
    """Prepare one file: rows that open, or a UserError and no trace."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / name).write_bytes(content)
    output = folder / "rows"
    try:
        made = prepare(
            str(folder / name),
            output,
            letters,
            PrepareSettings(document=document, heldout=0.3, length=32),
        )
    except UserError:
        assert [path.name for path in folder.iterdir()] == [name]
        return
    assert made is not None
    for side in ("train", "validation"):
        split = store.open_split(output, side)
        rows = split.gather(range(split.rows))
        assert rows["tokens"].size == 0 or 0 <= rows["tokens"].min() <= rows["tokens"].max() < 91
        assert (np.diff(rows["segments"]) <= 1).all()
    assert store.token_counts(output).sum() == made.splits["train"].tokens


@fuzzed
@given(
    pieces=st.lists(PIECES, max_size=12),
    document=st.sampled_from(["line", "block"]),
    suffix=st.sampled_from(sorted(COMPRESSIONS)),
)
def test_any_bytes_as_text(tmp_path: Path, letters, pieces, document: str, suffix: str) -> None:
    content = COMPRESSIONS[suffix](b"".join(pieces))
    check(f"a.txt{suffix}", content, tmp_path / "place", letters, document)


@fuzzed
@given(lines=st.lists(RECORDS, max_size=6), suffix=st.sampled_from(["", ".gz"]))
def test_any_json_lines(tmp_path: Path, letters, lines: list[str], suffix: str) -> None:
    content = COMPRESSIONS[suffix]("\n".join(lines).encode("utf-8", "surrogatepass"))
    check(f"a.jsonl{suffix}", content, tmp_path / "place", letters)


@fuzzed
@given(data=st.data(), suffix=st.sampled_from([".gz", ".xz", ".bz2", ".zst", ".parquet", ".jsonl"]))
def test_any_damage_to_a_file_of_any_kind(
    tmp_path: Path, letters, data: st.DataObject, suffix: str
) -> None:
    lines = [f"{LINE} {number}" for number in range(40)]
    if suffix == ".parquet":
        sink = io.BytesIO()
        parquet.write_table(pa.table({"text": lines, "n": range(40)}), sink)
        content = bytearray(sink.getvalue())
    elif suffix == ".jsonl":
        content = bytearray("\n".join(json.dumps({"text": line}) for line in lines).encode())
    else:
        content = bytearray(COMPRESSIONS[suffix]("\n".join(lines).encode()))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    del content[len(content) - data.draw(st.sampled_from([0, 0, 1, 7, len(content) - 5])) :]
    content += data.draw(st.sampled_from([b"", b"", b"\0" * 9, b"more"]))
    name = f"a{suffix}" if suffix in (".parquet", ".jsonl") else f"a.txt{suffix}"
    check(name, bytes(content), tmp_path / "place", letters)


@fuzzed
@given(st.lists(st.none() | st.binary(max_size=80), min_size=1, max_size=8))
def test_any_bytes_as_strings_of_parquet(tmp_path: Path, letters, values) -> None:
    """Arrow writes strings that are not UTF-8 without a word, and other programs do so too."""
    texts = pa.array([*values, LINE.encode()], pa.binary()).view(pa.string())
    sink = io.BytesIO()
    parquet.write_table(pa.table({"text": texts}), sink)
    check("a.parquet", sink.getvalue(), tmp_path / "place", letters)
