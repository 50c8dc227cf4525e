"""A run of the embedded teacher warns of a wrong tokenizer and of a far too high learning rate."""

import argparse
import inspect
import json
import logging
import random
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from distil_jax.main import main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("blank_figures")]

MODULES = (argparse, inspect, json, logging, random, subprocess, tarfile, zipfile)


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the standard library says of itself, a sentence a line."""
    members = [member for module in MODULES for member in vars(module).values()]
    texts = [inspect.getdoc(member) or "" for member in members if callable(member)]
    path = tmp_path_factory.mktemp("text") / "english.txt"
    path.write_text("\n".join(dict.fromkeys(" ".join(text.split()) for text in texts)))
    return path


@pytest.fixture(scope="module")
def shuffled_tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded teacher's tokenizer with all ordinary tokens under other numbers."""
    from distil_jax import tokenizer

    folder = tmp_path_factory.mktemp("tokenizer") / "shuffled"
    tokenizer.save(folder, tokenizer.load(tokenizer.resolve("builtin:teacher")))
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text())
    vocabulary = content["model"]["vocab"]
    ordinary = [token for token, number in vocabulary.items() if number >= 5]
    numbers = [vocabulary[token] for token in ordinary]
    random.Random(0).shuffle(numbers)
    content["model"]["vocab"] |= dict(zip(ordinary, numbers, strict=True))
    path.write_text(json.dumps(content))
    return folder


def run(workdir: Path, text: Path, *changes: str) -> list[dict]:
    main(
        [
            "--config=quickstart", f"--workdir={workdir}", f"--config.data.train={text}",
            "--config.data.heldout=0.2", "--config.total_steps=20", "--config.log.every_steps=1",
            "--config.batch.size=8", "--config.batch.length=64",
            "--config.eval.every_steps=10", "--config.parallel.devices=1",
            "--config.loss.positions=all", *changes,
        ]
    )  # fmt: skip
    return json.loads((workdir / "health.json").read_text())["warnings"]


def test_a_healthy_run_prints_no_warning_and_says_what_to_expect(
    tmp_path: Path, english: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "run", english) == []
    out = capfd.readouterr().out
    assert "warning" not in out.replace("no warning", "")
    assert "to expect, held out: soft targets" in out
    found = json.loads((tmp_path / "run" / "health.json").read_text())
    baseline = json.loads((tmp_path / "run" / "baseline.json").read_text())
    assert found["expected"]["masked_lm_floor"] == baseline["teacher"]["masked_lm"]
    assert found["expected"]["token_frequency_loss"] > found["expected"]["masked_lm_floor"]
    assert {"gradient_norm", "clipped_share", "validation_accuracy"} <= set(found["seen"])


def test_a_wrong_tokenizer_is_told_before_the_first_step(
    tmp_path: Path, english: Path, shuffled_tokenizer: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = f"--config.tokenizer={shuffled_tokenizer}"
    warnings = run(tmp_path / "run", english, wrong, "--config.total_steps=1")
    assert warnings[0]["step"] == 0
    assert "is config.tokenizer the one the teacher was trained with" in warnings[0]["message"]
    assert "warning: the teacher's held-out masked-LM loss" in capfd.readouterr().out


def test_a_learning_rate_a_hundred_times_too_high_is_told(
    tmp_path: Path, english: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    steps = "--config.total_steps=10"
    warnings = run(tmp_path / "run", english, "--config.optimizer.learning_rate=0.1", steps)
    assert any("lower config.optimizer.learning_rate" in one["message"] for one in warnings)
    assert "warning: step 10: held-out" in capfd.readouterr().out
