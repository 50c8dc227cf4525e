"""Tiny tasks that the tiny teacher of all tests can learn."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

WORDS = ["the", "of", "and", "in", "to", "is", "river", "city", "old", "was"]


def write(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def sentences(count: int, seed: int) -> list[dict]:
    """A positive sentence is about the old river, a negative one is in the city."""
    chosen = random.Random(seed)
    rows = []
    for number in range(count):
        label = number % 2
        about = (["in", "city", "is"], ["of", "old", "river"])[label]
        words = chosen.choices(["the", *about], k=chosen.randint(3, 12))
        words[0] = chosen.choice(about)
        rows.append({"sentence": " ".join(words), "label": label, "idx": number})
    return rows


@pytest.fixture(scope="session")
def teacher_folder(shallow_folder: Path) -> Path:
    """Two layers are enough for these tasks, and half of the work to compile."""
    return shallow_folder


@pytest.fixture(scope="session")
def sentiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of train, validation and unlabelled test. For reading only."""
    folder = tmp_path_factory.mktemp("sst2")
    write(folder / "train.jsonl", sentences(96, 0))
    write(folder / "validation.jsonl", sentences(40, 1))
    write(folder / "test.jsonl", [row | {"label": -1} for row in sentences(10, 2)])
    return folder


@pytest.fixture(scope="session")
def evaluate() -> Callable[..., dict]:
    """Run the command with flags; the results."""
    from distil_jax.evaluate import main

    def call(model: Path, output: Path, **flags: object) -> dict:
        usual = {"seeds": 1, "epochs": 3, "learning-rate": 1e-2, "batch": 8, "devices": 1}
        arguments = [f"--model={model}", f"--output={output}"]
        arguments += [
            f"--{name.replace('_', '-')}={value}" for name, value in (usual | flags).items()
        ]
        main(arguments)
        return json.loads((output / "results.json").read_text())

    return call


@pytest.fixture(scope="session")
def tuned(
    tmp_path_factory: pytest.TempPathFactory,
    teacher_folder: Path,
    sentiment: Path,
    evaluate: Callable[..., dict],
) -> Path:
    """The output folder of a finished evaluation with two seeds. For reading only."""
    output = tmp_path_factory.mktemp("tuned") / "output"
    evaluate(teacher_folder, output, task="sst2", data=sentiment, seeds=2)
    return output
