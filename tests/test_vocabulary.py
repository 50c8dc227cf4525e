import hashlib
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from distil_jax import commandline, vocabulary
from distil_jax.data import tokenizer_training as training
from distil_jax.data.validation_split import in_validation

WORDS = ["river", "city", "stone", "bridge", "water", "market", "garden", "tower", "winter", "road"]
LINES = [f"the {a} and the old {b} stand by the {c}" for a in WORDS for b in WORDS for c in WORDS]


def tree(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES))
    return path


def test_trains_a_bert_tokenizer_twice_the_same(text: Path, capsys: pytest.CaptureFixture[str]):
    output = text.with_name("output")
    given = [f"--input={text}", "--size=86", f"--output={output}"]
    vocabulary.main(given)
    before = tree(text.parent)
    opened = AutoTokenizer.from_pretrained(str(output))
    assert opened.is_fast
    assert len(opened) == 86
    assert opened.tokenize("The River") == ["the", "river"]
    assert len((output / "vocab.txt").read_text().splitlines()) == 86
    vocabulary.main(given)
    assert capsys.readouterr().out.splitlines()[1].startswith("unchanged")
    assert tree(text.parent) == before


def test_trains_on_the_training_share_only(text: Path, monkeypatch: pytest.MonkeyPatch):
    seen = []

    def record(texts, size: int, *, lowercase: bool):
        seen.extend(texts())
        raise KeyboardInterrupt

    monkeypatch.setattr(training.tokenizer, "train_wordpiece", record)
    with pytest.raises(KeyboardInterrupt):
        vocabulary.main([f"--input={text}", "--heldout=0.2", f"--output={text}-tokenizer"])
    assert seen == [line for line in LINES if not in_validation(line, 0.2)]
    assert len(seen) < 0.9 * len(LINES)


def test_case_is_kept_on_request(text: Path):
    text.write_text("\n".join(LINES).replace("river", "River"))
    output = text.with_name("output")
    vocabulary.main([f"--input={text}", "--size=86", f"--output={output}", "--no-lowercase"])
    assert AutoTokenizer.from_pretrained(str(output)).tokenize("River") == ["River"]


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"input": "{folder}/empty.txt"}, 1, ["no text"]),
        ({"input": "nobody/nothing"}, 1, ["nobody/nothing"]),
        ({"size": "70000"}, 1, ["70000", "--size="]),
        ({"size": "8k"}, 2, ["--size", "8k"]),
        ({"heldout": "1"}, 1, ["heldout=1.0"]),
        ({"output": "{folder}"}, 1, ["holds something else"]),
        ({"output": "{folder}/text.txt"}, 1, ["is a file"]),
        ({"output": "{folder}/other"}, 1, ["holds another tokenizer"]),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_trace(
    text: Path, capfd, changes: dict[str, str], status: int, words: list[str]
):
    folder = text.parent
    (folder / "empty.txt").touch()
    (folder / "other").mkdir()
    (folder / "other" / "tokenizer.json").write_text("{}")
    before = tree(folder)
    given = {"input": text, "size": "86", "output": f"{folder}/output"} | changes
    flags = [f"--{name}={str(value).format(folder=folder)}" for name, value in given.items()]
    with pytest.raises(SystemExit) as ended:
        commandline.run(vocabulary.main, flags)
    (line,) = capfd.readouterr().err.splitlines()
    assert ended.value.code == status
    assert all(word in line for word in words)
    assert tree(folder) == before
    assert not (folder / "output").exists()
