"""The whole way to a prepared folder; part, assembly, workspace and manifest are tested here."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import datasets
import numpy as np
import pytest

from distil_jax import tokenizer
from distil_jax.data import documentation, manifest, preparation, store
from distil_jax.data.preparation import PrepareSettings, prepare
from distil_jax.data.validation_split import in_validation
from distil_jax.errors import UsageError, UserError
from distil_jax.storage import atomic
from distil_jax.storage.folder import open_folder
from distil_jax.storage.workspace import Workspace

SETTINGS = {"document": "block", "heldout": 0.1, "length": 64, "part_bytes": 4000}


def tree(folder: Path) -> dict[str, str]:
    """Every path below a folder with its content's hash."""
    return {
        str(path.relative_to(folder)): path.is_file()
        and hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def prepared(corpus_file: Path, word_pieces, tmp_path: Path) -> Path:
    assert prepare(str(corpus_file), tmp_path / "whole", word_pieces, PrepareSettings(**SETTINGS))
    return tmp_path / "whole"


def decoded(folder: Path, split: str, word_pieces) -> str:
    rows = datasets.load_from_disk(str(folder / split)).with_format("numpy")[:]
    texts = []
    for tokens, segments in zip(rows["tokens"], rows["segments"], strict=True):
        for segment in range(1, segments.max() + 1):
            sequence = tokens[segments == segment]
            assert (sequence[0], sequence[-1]) == (2, 3)
            texts.append(word_pieces.decode(sequence[1:-1]))
    return "\n".join(texts)


def test_every_document_is_on_its_side(prepared: Path, blocks, word_pieces):
    found = manifest.load(prepared)
    held = [block for block in blocks if in_validation(block, 0.1)]
    assert 3 < found.splits["validation"].documents == len(held)
    assert found.splits["train"].documents == len(blocks) - len(held)
    sides = {split: decoded(prepared, split, word_pieces) for split in manifest.SPLITS}
    seen = 0
    for block in blocks:
        ids = word_pieces(block.split("\n")[0], add_special_tokens=False)["input_ids"][:10]
        if len(ids) == 10 and word_pieces.unk_token_id not in ids:
            side, other = sides["train"], sides["validation"]
            if block in held:
                side, other = other, side
            beginning = word_pieces.decode(ids)
            seen += beginning in side
            assert beginning not in other or beginning in side
    assert seen > 50


def test_manifest_counts_what_is_there(prepared: Path, word_pieces):
    found = manifest.load(prepared)
    assert found.tokenizer == tokenizer.fingerprint(word_pieces)
    assert (found.vocabulary, found.length) == (400, 64)
    assert found.special == tokenizer.special_ids(word_pieces)
    for name, split in found.splits.items():
        rows = datasets.load_from_disk(str(prepared / name)).with_format("numpy")[:]
        assert rows["tokens"].shape == (split.rows, 64)
        assert (rows["segments"] > 0).sum() == split.tokens
        assert rows["segments"].max(axis=1).sum() == split.sequences
        assert len(split.shards) > 3
    train = datasets.load_from_disk(str(prepared / "train")).with_format("numpy")[:]
    real = train["tokens"][train["segments"] > 0]
    assert np.array_equal(store.token_counts(prepared), np.bincount(real, minlength=400))
    assert found.splits["train"].fill(64) > 0.9


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_any_number_of_processes_writes_the_same_bytes(
    prepared: Path, corpus_file: Path, word_pieces, tmp_path: Path, order: tuple[int, ...]
):
    shared = tmp_path / "shared"
    results = [
        prepare(
            str(corpus_file),
            shared,
            word_pieces,
            PrepareSettings(**SETTINGS, shard_index=index, shard_count=3),
        )
        for index in order
    ]
    assert results[:2] == [None, None]
    assert results[2] is not None
    assert tree(shared) == tree(prepared)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt),
        (OSError(errno.ENOSPC, "full"), UserError),
    ],
)
def test_finished_parts_are_not_made_again(
    prepared: Path,
    corpus_file: Path,
    word_pieces,
    tmp_path: Path,
    monkeypatch,
    capsys,
    error,
    raised,
):
    written = []
    write = atomic.put

    def dying(path: Path, content: bytes) -> None:
        if path.suffix == ".arrow":
            if len(written) == 6:
                raise error
            written.append(path)
        write(path, content)

    def noting(path: Path, content: bytes) -> None:
        written.append(path)
        write(path, content)

    monkeypatch.setattr(atomic, "put", dying)
    again = tmp_path / "again"
    with pytest.raises(raised):
        prepare(str(corpus_file), again, word_pieces, PrepareSettings(**SETTINGS))
    records = {path.stem for path in (again / "unfinished").glob("0*.json")}
    assert records
    written.clear()
    monkeypatch.setattr(atomic, "put", noting)
    prepare(str(corpus_file), again, word_pieces, PrepareSettings(**SETTINGS))
    assert f"reused {len(records)} finished parts" in capsys.readouterr().out
    assert not {path.stem for path in written if path.suffix == ".arrow"} & records
    assert tree(again) == tree(prepared)


KILLED = """
import os, sys, time
from distil_jax import tokenizer
from distil_jax.storage import workspace
from distil_jax.data.preparation import PrepareSettings, prepare
finish = workspace.Workspace.finish
def slow(self, key, record):
    finish(self, key, record)
    print("finished", flush=True)
    time.sleep(float(os.environ.get("REST_SECONDS", "0.2")))
workspace.Workspace.finish = slow
index, count = map(int, sys.argv[4:] or (0, 1))
prepare(sys.argv[1], sys.argv[2], tokenizer.load(sys.argv[3]), PrepareSettings(shard_index=index,
        shard_count=count, document="block", heldout=0.1, length=64, part_bytes=4000))
"""


def test_resumes_after_sigkill(
    prepared: Path, corpus_file: Path, word_pieces, tmp_path: Path, capsys
):
    tokenizer.save(tmp_path / "tokenizer", word_pieces)
    killed = tmp_path / "killed"
    arguments = [str(corpus_file), str(killed), str(tmp_path / "tokenizer")]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline().startswith(b"preparing ")
        assert process.stdout.readline()
        assert process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    finished = {
        path: path.stat().st_mtime_ns
        for path in (killed / "unfinished").glob("0*.json")
        for path in (killed / "train").glob(f"{path.stem}.arrow")
    }
    assert len(finished) >= 2
    assert not (killed / manifest.FILE).exists()
    (killed / "train" / f"{atomic.MARK}0123-00000.arrow").write_bytes(b"half a shard")
    time.sleep(0.01)
    prepare(str(corpus_file), killed, word_pieces, PrepareSettings(**SETTINGS))
    assert "reused" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert tree(killed) == tree(prepared)


@pytest.mark.slow
def test_separate_processes_one_of_them_killed_and_started_again_write_the_same_bytes(
    prepared: Path, corpus_file: Path, word_pieces, tmp_path: Path
):
    tokenizer.save(tmp_path / "tokenizer", word_pieces)
    shared = tmp_path / "shared"

    def start(index: int, rest: str = "0.2") -> subprocess.Popen:
        arguments = [corpus_file, shared, tmp_path / "tokenizer", index, 3]
        command = [sys.executable, "-c", KILLED, *map(str, arguments)]
        environment = os.environ | {"REST_SECONDS": rest}
        return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)

    # The one that is killed stays at its first part.
    processes = [start(2), start(0, rest="600"), start(1)]
    assert processes[1].stdout.readline().startswith(b"preparing ")
    assert processes[1].stdout.readline()
    processes[1].kill()
    assert [process.communicate() and process.returncode for process in processes] == [0, -9, 0]
    assert not (shared / manifest.FILE).exists()
    again = start(0)
    again.communicate()
    assert again.returncode == 0
    assert tree(shared) == tree(prepared)


def test_rows_of_the_documentation_outlive_other_packages(
    corpus_file: Path, word_pieces, tmp_path: Path, monkeypatch, capsys
):
    text = tuple(corpus_file.read_text("utf-8").split("\n\n"))
    monkeypatch.setattr(documentation, "documents", lambda: text)
    versions = {"extraction": "1", "numpy": "2.0"}
    monkeypatch.setattr(documentation, "identity", lambda: versions)
    prepare("builtin:docs", tmp_path / "docs", word_pieces, PrepareSettings(**SETTINGS))
    before = tree(tmp_path / "docs")
    monkeypatch.setattr(documentation, "identity", lambda: {**versions, "torch": "2.13.0"})
    prepare("builtin:docs", tmp_path / "docs", word_pieces, PrepareSettings(**SETTINGS))
    assert "already prepared" in capsys.readouterr().out
    assert tree(tmp_path / "docs") == before
    monkeypatch.setattr(documentation, "identity", lambda: {**versions, "extraction": "2"})
    with pytest.raises(UserError, match="prepared with other settings: inputs"):
        prepare("builtin:docs", tmp_path / "docs", word_pieces, PrepareSettings(**SETTINGS))


def test_second_run_says_it_has_nothing_to_do(
    prepared: Path, corpus_file: Path, word_pieces, capsys
):
    before = tree(prepared)
    for left in ("unfinished/done-00000-of-00001", ".unfinished-1-manifest.json"):
        (prepared / left).parent.mkdir(exist_ok=True)
        (prepared / left).write_text("left by a process killed as it cleared up")
    found = prepare(str(corpus_file), prepared, word_pieces, PrepareSettings(**SETTINGS))
    assert found == manifest.load(prepared)
    assert "already prepared" in capsys.readouterr().out
    assert tree(prepared) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 48}, r"length 64, now 48"),
        ({"heldout": 0.2}, r"heldout 0\.1, now 0\.2"),
        ({"document": "line"}, r"document block, now line"),
    ],
)
def test_other_settings_are_refused(
    prepared: Path, corpus_file: Path, word_pieces, change: dict, message: str
):
    before = tree(prepared)
    with pytest.raises(UserError, match=message):
        prepare(str(corpus_file), prepared, word_pieces, PrepareSettings(**(SETTINGS | change)))
    assert tree(prepared) == before


def test_other_text_and_other_tokenizer_are_refused(prepared: Path, corpus_file: Path, word_pieces):
    before = tree(prepared)
    other = tokenizer.train_wordpiece(lambda: [corpus_file.read_text("utf-8")], 300)
    with pytest.raises(UserError, match=r"tokenizer .*; vocabulary 400, now 300"):
        prepare(str(corpus_file), prepared, other, PrepareSettings(**SETTINGS))
    corpus_file.write_text("another text\n")
    with pytest.raises(UserError, match=r"inputs corpus\.txt"):
        prepare(str(corpus_file), prepared, word_pieces, PrepareSettings(**SETTINGS))
    assert tree(prepared) == before


def test_a_folder_of_something_else_is_left_alone(corpus_file: Path, word_pieces, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    before = tree(tmp_path)
    for output in (tmp_path / "mine", corpus_file):
        with pytest.raises(UserError, match=str(output)):
            prepare(str(corpus_file), output, word_pieces, PrepareSettings(**SETTINGS))
    assert tree(tmp_path) == before


BAD_LATE = '{"text": "%s"}\n' * 40 + '{"text": 1}\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", "corpus is empty: its 0 documents"),
        ("a.txt", "short\n\nlines\n", "corpus is empty: its 2 documents"),
        ("a.jsonl", BAD_LATE.replace("%s", "many words " * 50), "line 41"),
        ("a.txt.gz", "no gzip", "cannot be read"),
    ],
)
def test_bad_text_leaves_no_trace(
    word_pieces, tmp_path: Path, name: str, content: str, message: str
):
    (tmp_path / name).write_text(content.replace("line 41", str(tmp_path)))
    before = tree(tmp_path)
    with pytest.raises(UserError, match=message):
        prepare(
            str(tmp_path / name),
            tmp_path / "deep" / "output",
            word_pieces,
            PrepareSettings(**SETTINGS),
        )
    assert tree(tmp_path) == before


def test_shares_that_start_at_one_moment_all_begin(tmp_path: Path):
    settings = {"inputs": [{"name": "text"}]}
    for attempt in range(20):
        together = threading.Barrier(4)

        def begin(output: Path, together: threading.Barrier = together) -> None:
            workspace = Workspace(open_folder(output), manifest.PREPARED, shared=True)
            together.wait()
            workspace.check(settings)
            workspace.begin(settings)

        with ThreadPoolExecutor(4) as pool:
            started = [pool.submit(begin, tmp_path / str(attempt)) for _ in range(4)]
        for one in started:
            one.result()


def test_a_share_that_fails_leaves_the_others_their_settings(
    corpus_file: Path, word_pieces, tmp_path: Path, monkeypatch
):
    """Share 0 came first; share 1 is done when it fails, and then it is started again."""
    output, given = tmp_path / "output", (str(corpus_file), tmp_path / "output", word_pieces)
    made = preparation.make_parts

    def fail(*_: object, **__: object) -> None:
        monkeypatch.setattr(preparation, "make_parts", made)
        prepare(*given, PrepareSettings(**SETTINGS, shard_index=1, shard_count=2))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(preparation, "make_parts", fail)
    with pytest.raises(UserError, match="No space left"):
        prepare(*given, PrepareSettings(**SETTINGS, shard_index=0, shard_count=2))
    assert prepare(*given, PrepareSettings(**SETTINGS, shard_index=0, shard_count=2)) is not None
    prepare(str(corpus_file), tmp_path / "alone", word_pieces, PrepareSettings(**SETTINGS))
    assert tree(output) == tree(tmp_path / "alone")


def test_bad_text_keeps_what_an_earlier_run_made(
    corpus_file: Path, word_pieces, tmp_path: Path, monkeypatch
):
    output = tmp_path / "output"
    prepare(
        str(corpus_file),
        output,
        word_pieces,
        PrepareSettings(**SETTINGS, shard_index=0, shard_count=2),
    )
    before = tree(tmp_path)
    read = corpus_file.__class__.open

    def broken(path: Path, *arguments, **keywords):
        if path == corpus_file and sys._getframe(1).f_code.co_name == "read_range":
            raise OSError("the disk is gone")
        return read(path, *arguments, **keywords)

    monkeypatch.setattr(corpus_file.__class__, "open", broken)
    with pytest.raises(UserError, match="the disk is gone"):
        prepare(
            str(corpus_file),
            output,
            word_pieces,
            PrepareSettings(**SETTINGS, shard_index=1, shard_count=2),
        )
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"length": 513}, UserError, "513 is beyond the 512 positions"),
        ({"length": 8}, UserError, "length=8 holds no sequence of 12"),
        ({"heldout": 1.5}, UserError, "not a share; give a number from 0 to 1"),
        ({"shortest_tokens": 2}, UserError, "shortest_tokens=2"),
        ({"unknown_share": 0.0}, UserError, "unknown_share=0.0"),
        ({"shard_index": 2, "shard_count": 2}, UsageError, "shard_index=2"),
    ],
)
def test_settings_that_cannot_be(
    corpus_file: Path, word_pieces, tmp_path: Path, change: dict, error: type, message: str
):
    before = tree(tmp_path)
    with pytest.raises(error, match=message):
        prepare(
            str(corpus_file),
            tmp_path / "output",
            word_pieces,
            PrepareSettings(**(SETTINGS | change)),
        )
    assert tree(tmp_path) == before


def test_text_that_is_all_held_out_has_no_rows_to_train_on(
    corpus_file: Path, word_pieces, tmp_path: Path
):
    made = prepare(
        str(corpus_file),
        tmp_path / "o",
        word_pieces,
        PrepareSettings(**(SETTINGS | {"heldout": 1.0})),
    )
    assert made is not None
    assert (made.splits["train"].rows, made.splits["train"].documents) == (0, 0)
    assert made.splits["validation"].rows > 0
    (tmp_path / "short.txt").write_text("a few words\n")
    with pytest.raises(UserError, match="no held-out sequence of 12"):
        prepare(
            str(tmp_path / "short.txt"), tmp_path / "p", word_pieces, PrepareSettings(heldout=1.0)
        )


def test_text_that_happens_to_be_all_held_out_is_said_to_be(word_pieces, tmp_path: Path):
    line = "the value of the argument is returned by the function that is called here\n"
    (tmp_path / "a.txt").write_text(line * 30)
    with pytest.raises(UserError, match=r"all 30 documents .* held-out share of 0\.99.*--heldout"):
        prepare(str(tmp_path / "a.txt"), tmp_path / "o", word_pieces, PrepareSettings(heldout=0.99))
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: (p / "b.txt").write_text("other"), "inputs b.txt, whose content is another now"),
        (lambda p: (p / "b.txt").rename(p / "d.txt"), "inputs b.txt, now d.txt"),
        (lambda p: (p / "d.txt").write_text("new"), "inputs none, now d.txt"),
        (lambda p: (p / "b.txt").unlink(), "inputs b.txt, now none"),
    ],
)
def test_what_changed_of_many_inputs_is_named(
    word_pieces, tmp_path: Path, change: Callable[[Path], object], message: str
):
    line = "the value of the argument is returned by the function that is called here\n"
    texts = tmp_path / "texts"
    texts.mkdir()
    for name in ("a" * 99, "b", "c"):
        (texts / f"{name}.txt").write_text(f"{name} {line}" * 9)
    given = (str(texts), tmp_path / "o", word_pieces, PrepareSettings(heldout=0.0))
    prepare(*given)
    change(texts)
    with pytest.raises(UserError, match=f"with other settings: {message}; name a new"):
        prepare(*given)


def test_invalid_utf8_is_counted_and_reported(word_pieces, tmp_path: Path, capsys):
    line = b"the value of the argument \xff is returned by the function that is called\n"
    (tmp_path / "a.txt").write_bytes(line * 30)
    found = prepare(
        str(tmp_path / "a.txt"),
        tmp_path / "o",
        word_pieces,
        PrepareSettings(heldout=0.0, length=64),
    )
    assert found.invalid_utf8 == 30
    assert "replaced 30 invalid" in capsys.readouterr().out


def test_nothing_held_out_opens_too(corpus_file: Path, word_pieces, tmp_path: Path):
    prepare(
        str(corpus_file),
        tmp_path / "o",
        word_pieces,
        PrepareSettings(**(SETTINGS | {"heldout": 0.0})),
    )
    assert len(datasets.load_from_disk(str(tmp_path / "o" / "validation"))) == 0
    assert store.open_split(tmp_path / "o", "validation").rows == 0


def test_a_damaged_manifest_is_named(prepared: Path):
    path = prepared / manifest.FILE
    good = json.loads(path.read_bytes())
    for bad in (b"{", b"{}", json.dumps(good | {"format": 99}).encode()):
        path.write_bytes(bad)
        with pytest.raises(UserError, match=r"manifest\.json"):
            manifest.load(prepared)
