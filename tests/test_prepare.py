import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from distil_jax import commandline, prepare, tokenizer
from distil_jax.data import store

LINES = [
    f"this is line {n} of the text, and it has words enough to be kept here" for n in range(50)
]


def tree(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "distil_jax.prepare", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text("\n".join(LINES))
    tokenizer.save(tmp_path / "tokenizer", tokenizer.train_wordpiece(lambda: LINES, 72))
    return tmp_path


def flags(place: Path, **changes: str) -> list[str]:
    given = {"input": place / "text.txt", "tokenizer": place / "tokenizer", "length": "32"}
    given |= {"output": place / "output", "heldout": "0.1"} | changes
    return [f"--{name}={value}" for name, value in given.items()]


def test_prepares_and_prints_to_standard_output(place: Path):
    done = run(*flags(place))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"prepared {place / 'output'}" in done.stdout
    assert store.open_split(place / "output").length == 32


def test_every_flag_of_the_interface_is_there(place: Path, capsys: pytest.CaptureFixture[str]):
    given = flags(place, document="block", shard_index="0", shard_count="2", shortest_tokens="4")
    prepare.main([*given, "--unknown_share=0.9", "--column=body", f"--input={place}/text.txt"])
    assert "not yet finished: shard_index 1" in capsys.readouterr().out
    prepare.main([*given[:-3], "--shard_index=1", "--shard_count=2", "--shortest_tokens=4",
                  "--unknown_share=0.9", "--column=body"])  # fmt: skip
    assert store.open_split(place / "output").rows


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"input": "nobody/nothing"}, 1, ["nobody/nothing", "network"]),
        ({"input": "absent.txt"}, 1, ["absent.txt"]),
        ({"tokenizer": "absent/folder/x"}, 1, ["absent/folder/x"]),
        ({"length": "600"}, 1, ["600", "512"]),
        ({"length": "many"}, 2, ["--length", "many"]),
        ({"document": "page"}, 2, ["--document", "page"]),
        ({"pages": "3"}, 2, ["--pages"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_trace(
    place: Path, capfd, changes: dict[str, str], status: int, words: list[str]
):
    before = tree(place)
    with pytest.raises(SystemExit) as ended:
        commandline.run(prepare.main, flags(place, **changes))
    (line,) = capfd.readouterr().err.splitlines()
    assert ended.value.code == status
    assert all(word in line for word in words)
    assert tree(place) == before
    assert not (place / "output").exists()


@pytest.mark.parametrize(
    ("number", "status", "error"),
    [
        (signal.SIGTERM, 143, "stopped by SIGTERM; rerun the same command to resume"),
        (signal.SIGINT, 130, "interrupted; rerun the same command to resume"),
    ],
)
def test_stopped_it_says_that_the_same_command_resumes(
    place: Path, capfd, monkeypatch: pytest.MonkeyPatch, number: int, status: int, error: str
):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal
    monkeypatch.setattr(
        "distil_jax.data.preparation.assemble", lambda *_: os.kill(os.getpid(), number)
    )
    with pytest.raises(SystemExit) as ended:
        commandline.run(prepare.main, flags(place))
    signal.signal(signal.SIGINT, before)
    monkeypatch.undo()
    assert (ended.value.code, capfd.readouterr().err) == (status, f"error: {error}\n")
    prepare.main(flags(place))
    assert "reused 1 finished parts, made 0" in capfd.readouterr().out
