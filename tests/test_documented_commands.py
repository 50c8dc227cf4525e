"""Blocks of commands that the documents mark as tested are executed, on tiny models and texts."""

import gzip
import importlib
import json
import random
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from distil_jax import cli, models, pretrained
from distil_jax.models.config import EncoderConfig
from tests import documents
from tests.tasks.test_beir import write as write_collection

WORDS = ["the", "of", "and", "in", "to", "is", "river", "city", "old", "was"]
TINY = {
    "batch.size": "8",
    "batch.micro_size": "8",
    "batch.length": "32",
    "total_steps": "2",
    "eval.every_steps": "2",
    "checkpoint.every_steps": "2",
    "log.tensorboard": "False",
    "data.heldout": "0.2",
    "parallel.devices": "1",
}
CONFIG_KEYS = {"main": TINY, "cache": TINY}
"""Keys that each command gets in place of the documented ones."""
NEEDED = {"teacher": "tiny", "data.train": "rows"}
"""Those that it gets where the document leaves them to the config."""
FLAGS: Mapping[str, Mapping[str, str]] = {
    "evaluate": {"devices": "1", "seeds": "1", "epochs": "1", "batch": "8"},
    "prepare": {"heldout": "0.2", "length": "32"},
    "prune_vocabulary": {"size": "85"},
    "static": {"dimensions": "8"},
    "doctor": {"offline": ""},
}
"""The same of flags."""
UNTRAINED = ("sts", "retrieval")
BLOCKS = [block for block in documents.blocks() if block.tested]


def sentence(chosen: random.Random) -> str:
    return " ".join(chosen.choices(WORDS, k=chosen.randint(12, 20)))


def write(path: Path, rows: list[dict]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def labelled(count: int) -> list[dict]:
    chosen = random.Random(count)
    return [{"sentence": sentence(chosen), "label": number % 2} for number in range(count)]


def task_folder(folder: Path) -> Path:
    write(folder / "train.jsonl", labelled(16))
    write(folder / "validation.jsonl", labelled(8))
    return folder


def collection(folder: Path) -> Path:
    folder.mkdir()
    return write_collection(folder)


def pairs_with_labels(folder: Path) -> Path:
    chosen = random.Random(1)
    keys = ("sentence1", "sentence2")
    rows = [{key: sentence(chosen) for key in keys} | {"label": float(n % 5)} for n in range(8)]
    write(folder / "test.jsonl", rows)
    return folder


@pytest.fixture(scope="session")
def things(
    tmp_path_factory: pytest.TempPathFactory, shallow_folder: Path, rows_folder: Path
) -> Callable[[str], Path]:
    """Models, texts and tables, each made when it is first asked for. For reading only."""
    root = tmp_path_factory.mktemp("things")
    chosen = random.Random(0)

    def classifier(path: Path) -> Path:
        labels = ("negative", "positive")
        model = pretrained.load(shallow_folder)
        config: EncoderConfig = model.config
        network = models.SequenceClassification(config, len(labels))
        params = models.initialize_module(network, jax.random.key(0))
        made = pretrained.Pretrained(config, params, "classification", labels, model.tokenizer)
        pretrained.save(path, made)
        return path

    def lines(path: Path) -> Path:
        path.write_text("\n".join(sentence(chosen) for _ in range(120)) + "\n")
        return path

    def paragraphs(path: Path) -> Path:
        path.write_text("\n\n".join(sentence(chosen) for _ in range(120)) + "\n")
        return path

    def compressed(path: Path) -> Path:
        blocks = "\n\n".join(sentence(chosen) for _ in range(120))
        path.write_bytes(gzip.compress(blocks.encode()))
        return path

    def texts(path: Path) -> Path:
        return write(path, [{"text": sentence(chosen)} for _ in range(120)])

    makers: Mapping[str, Callable[[Path], Path]] = {
        "model": lambda _: shallow_folder,
        "rows": lambda _: rows_folder,
        "classifier": classifier,
        "lines": lines,
        "paragraphs": paragraphs,
        "compressed": compressed,
        "texts": texts,
        "task": task_folder,
        "collection": collection,
        "pairs with labels": pairs_with_labels,
    }
    made: dict[str, Path] = {}

    def thing(kind: str) -> Path:
        if kind not in made:
            made[kind] = makers[kind](root / kind)
        return made[kind]

    return thing


NAMES = {
    "tiny": "model",
    "bert-base-uncased": "model",
    "sentence-transformers/all-mpnet-base-v2": "model",
    "runs/quickstart/student": "model",
    "FOLDER": "model",
    "TEACHER": "model",
    "STUDENT": "model",
    "MODEL": "model",
    "OTHER": "model",
    "rows": "rows",
    "text/some.txt.gz": "compressed",
    "sentences.txt": "lines",
    "texts.txt": "lines",
    "text.txt": "lines",
    "TEXT": "paragraphs",
    "sentences.jsonl": "texts",
    "SST2": "task",
    "DATA": "task",
    "STSB": "pairs with labels",
    "COLLECTION": "collection",
}
"""What the names in the documents stand for here."""
OTHERWISE = {
    "docs/guides/export.md-2": {"TEACHER": "classifier"},
}
"""Names that stand for something else in a block."""


SLOW = ("README.md-4", "docs/guides/export.md-2", "docs/guides/teachers.md-0")
"""Blocks that take more than ten seconds of processor time."""


def name_of(block: documents.Block) -> str:
    return f"{block.page}-{block.number}"


def executed(block: documents.Block) -> list[str]:
    return [line for line in block.lines if documents.program(line) not in block.excepted]


def prepared(block: documents.Block, things: Callable[[str], Path], folder: Path) -> None:
    """Make `folder` what the block's commands find."""
    kinds = NAMES | OTHERWISE.get(name_of(block), {})
    text = " ".join(executed(block))
    for name, kind in kinds.items():
        used = name in ("tiny", "rows") or re.search(rf"\b{re.escape(name)}\b", text)
        if f"--output={name}" in text.split() or not (used or "*" in text):
            continue
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(things(kind))


def _keys(module: str, rest: list[str]) -> dict[str, str]:
    """The config keys that a command gets, by what it sets itself."""

    def sets(key: str) -> bool:
        return any(word.startswith(f"--config.{key}") for word in rest)

    keys = dict(CONFIG_KEYS.get(module, {}))
    if not keys:
        return {}
    keys |= {key: value for key, value in NEEDED.items() if not sets(key)}
    if "--config=distilbert" in rest:  # its layers are those of a teacher of twelve
        keys["student.layers"] = "every_other"
    elif sets("student.layers"):
        keys["student.layers"] = "1"
    if sets("student.vocabulary"):
        keys["student.vocabulary"] = "85"
    return keys


def command(line: str) -> tuple[str, list[str]]:
    """The module of a documented command, and its arguments with what makes it quick here."""
    line = line.replace("builtin:teacher", "tiny")
    words = shlex.split(re.sub(r"\[--[^\]]*\]", "", line))
    if words[0] == "distil-jax":
        name, rest = words[1], words[2:]
        module = cli.COMMANDS[name].module if name in cli.COMMANDS else "cli"
        rest = words[1:] if module == "cli" else rest
    else:
        module, rest = words[2].removeprefix("distil_jax."), words[3:]
    flags = dict(FLAGS.get(module, {}))
    if {f"--task={task}" for task in UNTRAINED} & {*rest}:
        flags = {}
    keys = _keys(module, rest)
    rest = ["--config=base" if word == "--config=CONFIG" else word for word in rest]
    added = [f"--config.{key}={value}" for key, value in keys.items()]
    added += [f"--{flag}={value}" if value else f"--{flag}" for flag, value in flags.items()]
    names = {word.partition("=")[0] for word in added}
    return module, [word for word in rest if word.partition("=")[0] not in names] + added


@pytest.mark.parametrize(
    "block",
    [
        pytest.param(block, id=name_of(block), marks=[pytest.mark.slow] * (name_of(block) in SLOW))
        for block in BLOCKS
    ],
)
@pytest.mark.usefixtures("blank_figures")
def test_the_commands_of_a_block(
    block: documents.Block,
    things: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepared(block, things, tmp_path)
    monkeypatch.chdir(tmp_path)
    for line in executed(block):
        module, arguments = command(line)
        importlib.import_module(f"distil_jax.{module}").main(arguments)


def test_names_that_stand_for_something_are_used() -> None:
    text = " ".join(line for block in BLOCKS for line in executed(block))

    def is_used(name: str) -> bool:
        folder = Path(name).parent
        return bool(re.search(rf"\b{re.escape(name)}\b", text)) or f"{folder}/*" in text

    assert not [name for name in NAMES if name != "tiny" and not is_used(name)]
    assert OTHERWISE.keys() <= {name_of(block) for block in BLOCKS}


def test_the_readmes_loss_is_a_number() -> None:
    (text,) = re.findall(
        r"```python\n(.*?)```", (documents.ROOT / "README.md").read_text(), re.DOTALL
    )
    names: dict[str, Callable] = {}
    exec(text, names)
    logits = jax.random.normal(jax.random.key(0), (2, 2, 3, 7))
    hidden = jax.random.normal(jax.random.key(1), (2, 2, 3, 4))
    labels = jnp.asarray([[1, -100, 2], [-100, 3, -100]])
    found = names["loss"](*logits, *hidden, labels, jnp.ones((2, 3), bool))
    assert 0 < float(found) < 100
