"""Rows prepared into a bucket and read from it: those of a folder, copied as they are read."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from distil_jax.data import manifest, store
from distil_jax.data.preparation import PrepareSettings, prepare
from distil_jax.errors import UserError
from distil_jax.storage.address import reaching
from distil_jax.storage.bucket import Bucket

SETTINGS = {"document": "block", "heldout": 0.1, "length": 64, "part_bytes": 4000}


def there(url: str) -> dict[str, str]:
    bucket = Bucket(url)
    return {name: hashlib.sha256(bucket.read(name)).hexdigest() for name in bucket.sizes()}


def here(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def local(corpus_file: Path, word_pieces, tmp_path: Path) -> Path:
    prepare(str(corpus_file), tmp_path / "local", word_pieces, PrepareSettings(**SETTINGS))
    return tmp_path / "local"


@pytest.fixture
def rows(local: Path, bucket: str) -> str:
    for path in local.rglob("*"):
        if path.is_file():
            Bucket(f"{bucket}/rows").upload(path, str(path.relative_to(local)))
    return f"{bucket}/rows"


def copies(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "files").glob("*.arrow"))


def test_two_processes_write_what_one_writes_into_a_folder(
    local: Path, bucket: str, corpus_file: Path, word_pieces, capsys
) -> None:
    for index, done in ((1, False), (0, True)):
        made = prepare(
            str(corpus_file), f"{bucket}/rows", word_pieces,
            PrepareSettings(**SETTINGS, shard_index=index, shard_count=2),
        )  # fmt: skip
        assert (made is not None) == done
    assert there(f"{bucket}/rows") == here(local)
    prepare(str(corpus_file), f"{bucket}/rows", word_pieces, PrepareSettings(**SETTINGS))
    assert f"{bucket}/rows is already prepared" in capsys.readouterr().out


def test_bad_text_leaves_no_trace(bucket: str, word_pieces, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "many words "}\n{"text": 1}\n')
    with pytest.raises(UserError, match="line 2"):
        prepare(
            str(tmp_path / "a.jsonl"), f"{bucket}/rows", word_pieces, PrepareSettings(**SETTINGS)
        )
    assert there(bucket) == {}


def test_a_store_that_refuses_keeps_the_finished_parts(
    local: Path, bucket: str, corpus_file: Path, word_pieces, capsys, monkeypatch
) -> None:
    url, write, written = f"{bucket}/rows", Bucket.write, list[str]()

    def refused(self: Bucket, name: str, content: bytes) -> None:
        written.append(name)
        if sum(each.endswith(".arrow") for each in written) > 6:
            with reaching(url):
                raise ConnectionError("no route to host")
        write(self, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "write", refused)
        with pytest.raises(UserError, match="no route to host"):
            prepare(str(corpus_file), url, word_pieces, PrepareSettings(**SETTINGS))
    records = [name for name in there(url) if name.startswith("unfinished/0")]
    prepare(str(corpus_file), url, word_pieces, PrepareSettings(**SETTINGS))
    assert f"reused {len(records)} finished parts" in capsys.readouterr().out
    assert there(url) == here(local)


def test_something_else_is_left_alone(bucket: str, corpus_file: Path, word_pieces) -> None:
    Bucket(bucket).write("mine/thesis.txt", b"mine")
    with pytest.raises(UserError, match=f"{bucket}/mine holds something else"):
        prepare(str(corpus_file), f"{bucket}/mine", word_pieces, PrepareSettings(**SETTINGS))
    prepare(str(corpus_file), f"{bucket}/rows", word_pieces, PrepareSettings(**SETTINGS))
    with pytest.raises(UserError, match="prepared with other settings: length 64, now 32"):
        prepare(
            str(corpus_file),
            f"{bucket}/rows",
            word_pieces,
            PrepareSettings(**SETTINGS | {"length": 32}),
        )


def test_batches_are_those_of_the_folder_and_only_shards_that_are_read_are_copied(
    local: Path, rows: str, tmp_path: Path
) -> None:
    expected, opened = store.open_split(local), store.open_split(f"{rows}/train")
    assert copies(tmp_path) == []
    opened.gather([0])
    assert len(copies(tmp_path)) == 1
    numbers = np.random.default_rng(0).permutation(expected.rows)
    for name, values in expected.gather(numbers).items():
        assert np.array_equal(opened.gather(numbers)[name], values)
    assert len(copies(tmp_path)) == len(opened.summary.shards) > 3
    assert np.array_equal(store.token_counts(rows), store.token_counts(local))


def test_copies_are_used_again_unless_they_are_damaged(rows: str, tmp_path: Path) -> None:
    first = store.open_split(rows)
    before = first.gather(range(first.rows))
    damaged, *others = copies(tmp_path)
    written = {path: path.stat().st_mtime_ns for path in others}
    content = bytearray(damaged.read_bytes())
    content[-100] ^= 1
    damaged.unlink()
    damaged.write_bytes(content)
    again = store.open_split(rows)
    after = again.gather(range(again.rows))
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert {path: path.stat().st_mtime_ns for path in others} == written


def test_a_truncated_object_is_named_when_it_is_opened(rows: str) -> None:
    bucket, shard = Bucket(rows), manifest.load(rows).splits["train"].shards[1].file
    bucket.write(f"train/{shard}", bucket.read(f"train/{shard}")[:-8])
    with pytest.raises(UserError, match=rf"{rows}/train/{shard} is damaged: it has \d+ bytes, not"):
        store.open_split(rows)
    bucket.remove(f"train/{shard}")
    with pytest.raises(UserError, match=rf"{rows}/train/{shard} is damaged: it is missing"):
        store.open_split(rows)


def test_a_flipped_byte_is_found_at_first_touch_and_not_kept(rows: str, tmp_path: Path) -> None:
    bucket, shard = Bucket(rows), manifest.load(rows).splits["train"].shards[0].file
    content = bytearray(bucket.read(f"train/{shard}"))
    content[-100] ^= 1
    bucket.write(f"train/{shard}", bytes(content))
    with pytest.raises(UserError, match=rf"{rows}/train/{shard} is damaged: its checksum"):
        store.open_split(rows).gather([0])
    assert copies(tmp_path) == []


def test_folders_that_are_not_prepared(bucket: str) -> None:
    with pytest.raises(UserError, match=f"{bucket}/rows is not a finished prepared folder"):
        store.open_split(f"{bucket}/rows")


@pytest.mark.parametrize("name", ["text", "text/*.*", "text/corpus.txt,BUCKET/text/more.jsonl"])
def test_text_in_a_bucket_gives_the_rows_of_the_same_text_here(
    bucket: str, corpus_file: Path, word_pieces, tmp_path: Path, name: str
) -> None:
    (tmp_path / "more.jsonl").write_text('{"text": "the value that is returned is a list of it"}\n')
    for path in (corpus_file, tmp_path / "more.jsonl"):
        Bucket(f"{bucket}/text").upload(path, path.name)
    named = f"{bucket}/{name.replace('BUCKET', bucket)}"
    prepare(named, tmp_path / "from bucket", word_pieces, PrepareSettings(**SETTINGS))
    both = [str(corpus_file), str(tmp_path / "more.jsonl")]
    prepare(both, tmp_path / "from here", word_pieces, PrepareSettings(**SETTINGS))
    assert here(tmp_path / "from bucket") == here(tmp_path / "from here")


def test_text_that_is_not_in_the_bucket(bucket: str, word_pieces, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"input {bucket}/none matches no text file"):
        prepare(f"{bucket}/none", tmp_path / "rows", word_pieces, PrepareSettings(**SETTINGS))
