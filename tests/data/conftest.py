"""Real prose from the standard library, and a tokenizer trained on it, for all data tests."""

import argparse
import pathlib
import statistics
import subprocess
import typing
from pathlib import Path

import pytest

from distil_jax import tokenizer
from distil_jax.data import docstrings

MODULES = (argparse, pathlib, statistics, subprocess, typing)


@pytest.fixture(scope="session")
def blocks() -> list[str]:
    """A hundred-odd documents of one or several lines."""
    found = [doc for module in MODULES for doc in docstrings.documents(Path(module.__file__))]
    documents = list(dict.fromkeys("\n".join(lines) for lines in found))
    assert len(documents) > 100
    return documents


@pytest.fixture(scope="session")
def word_pieces(blocks: list[str]):
    return tokenizer.train_wordpiece(lambda: blocks, 400)


@pytest.fixture
def corpus_file(blocks: list[str], tmp_path: Path) -> Path:
    """The documents as a file of blocks."""
    path = tmp_path / "corpus.txt"
    path.write_text("\n\n".join(blocks) + "\n", "utf-8")
    return path
