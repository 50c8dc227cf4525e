"""environment: every variable that the package reads, and no reader besides."""

import re
from pathlib import Path

import pytest

import distil_jax
from distil_jax import environment

PACKAGE = Path(distil_jax.__file__).parent
READS = re.compile(r"\bos\.environ|\bgetenv\b|from os import .*environ")


def test_nothing_else_reads_the_environment() -> None:
    readers = [
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if READS.search(path.read_text("utf8"))
    ]
    assert readers == ["environment.py"]


def test_every_variable_is_listed_once_with_its_meaning() -> None:
    declared = [one for one in vars(environment).values() if isinstance(one, environment.Variable)]
    assert sorted(declared, key=repr) == sorted(environment.VARIABLES, key=repr)
    assert len({variable.name for variable in declared}) == len(declared)
    assert all(variable.meaning for variable in declared)


def test_a_child_has_this_process_s_environment_with_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("A", "1")
    monkeypatch.delenv("B", raising=False)
    environment.set_default("A", "2")
    assert {("A", "1"), ("B", "3")} <= environment.of_child({"B": "3"}).items()
