import gzip
from pathlib import Path

import pytest

from distil_jax.data import corpus, parts
from distil_jax.data.parts import ShardSpec


@pytest.fixture
def sources(tmp_path: Path, blocks: list[str]) -> list[corpus.Source]:
    """A large file, three small ones, a compressed one."""
    third = len(blocks) // 3
    shares = {"a.txt": blocks[:third], "e.txt.gz": blocks[third : 2 * third]}
    shares |= {f"{name}.txt": [block] for name, block in zip("bcd", blocks[-3:], strict=True)}
    for name, share in shares.items():
        raw = "\n\n".join(share).encode()
        (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    return corpus.find(str(tmp_path), document="block")


def made(sources, spec: ShardSpec, wanted=lambda key: True) -> dict[str, list[str]]:
    found = {}
    for key, part in parts.local_parts(sources, spec, wanted):
        assert key not in found
        found[key] = part and part.documents
    return found


@pytest.mark.parametrize("part_bytes", [700, 3000, 1 << 20])
@pytest.mark.parametrize("shard_count", [1, 2, 5])
def test_processes_share_all_documents(sources, part_bytes: int, shard_count: int):
    whole = made(sources, ShardSpec(part_bytes))
    assert [d for key in sorted(whole) for d in whole[key]] == list(corpus.documents(sources))
    shares = [
        made(sources, ShardSpec(part_bytes, index, shard_count)) for index in range(shard_count)
    ]
    merged = {key: documents for share in shares for key, documents in share.items()}
    assert sum(map(len, shares)) == len(merged)
    assert {k: d for k, d in merged.items() if d} == {k: d for k, d in whole.items() if d}


def test_one_large_file_is_shared(sources):
    shares = [made(sources[:1], ShardSpec(700, index, 3)) for index in range(3)]
    assert all(len(share) >= 2 for share in shares)


def test_small_files_are_joined(sources):
    assert len(made(sources, ShardSpec(1 << 20))) == 1


def test_unwanted_parts_are_named_but_not_made(sources):
    whole = made(sources, ShardSpec(700))
    skipped = sorted(whole)[1]
    again = made(sources, ShardSpec(700), lambda key: key != skipped)
    assert again.pop(skipped) is None
    assert again == {key: part for key, part in whole.items() if key != skipped}


def test_part_size_grows_with_the_corpus(sources):
    assert parts.default_part_bytes(sources) == parts.SMALLEST_PART_BYTES
    data_set = corpus.HubDataset("owner/name", "text")
    assert parts.default_part_bytes([data_set]) == parts.LARGEST_PART_BYTES
