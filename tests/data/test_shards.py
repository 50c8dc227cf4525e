import hashlib
from pathlib import Path

import datasets
import numpy as np
import pytest

from distil_jax.data import shards


@pytest.mark.parametrize(
    ("vocabulary", "shortest", "types"),
    [
        (65_536, 12, ("uint16", "uint8")),
        (65_537, 12, ("int32", "uint8")),
        (8192, 2, ("uint16", "uint16")),
    ],
)
def test_layout_is_the_narrowest(vocabulary: int, shortest: int, types: tuple[str, str]):
    found = shards.layout(512, vocabulary, shortest)
    assert (found.tokens, found.segments) == types


def test_written_rows_are_read_back_and_open_with_datasets(tmp_path: Path):
    layout = shards.layout(16, 70_000, 12)
    tokens = np.random.default_rng(0).integers(0, 70_000, (5, 16), np.int32)
    segments = np.arange(80, dtype=np.int32).reshape(5, 16) % 3
    shard, content = shards.encode("a.arrow", tokens, segments, layout)
    (tmp_path / "a.arrow").write_bytes(content)
    assert (shard.rows, shard.bytes) == (5, len(content))
    assert shard.sha256 == hashlib.sha256(content).hexdigest()
    for found, expected in zip(shards.read(tmp_path / "a.arrow"), (tokens, segments), strict=True):
        assert np.array_equal(found, expected)
    for name, text in shards.dataset_files("train", ["a.arrow"], layout).items():
        (tmp_path / name).write_bytes(text)
    opened = datasets.load_from_disk(str(tmp_path))
    assert opened[3] == {"tokens": tokens[3].tolist(), "segments": segments[3].tolist()}
    assert opened.features["tokens"] == datasets.List(datasets.Value("int32"), 16)


def test_reading_many_shards_keeps_no_file_open(tmp_path: Path):
    layout = shards.layout(4, 100, 3)
    rows = np.ones((2, 4), np.int32)
    (tmp_path / "a.arrow").write_bytes(shards.encode("a.arrow", rows, rows, layout)[1])
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        pytest.skip("counts descriptors in /proc")
    before = len(list(descriptors.iterdir()))
    held = [shards.read(tmp_path / "a.arrow") for _ in range(20)]
    assert len(list(descriptors.iterdir())) <= before + 1
    assert held[0][0].sum() == 8
