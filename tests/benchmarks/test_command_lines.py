"""Every benchmark can be started: what it imports is there, and its flags are described."""

import runpy
import sys
from pathlib import Path

import pytest

from distil_jax import huge_pages

BENCHMARKS = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))
WITH_FLAGS = [file for file in BENCHMARKS if "Parser(" in file.read_text("utf-8")]


@pytest.fixture(autouse=True)
def beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS[0].parent)
    # It starts the program again in place of this one.
    monkeypatch.setattr(huge_pages, "prefer", lambda: None)


@pytest.mark.parametrize("file", BENCHMARKS, ids=lambda file: file.stem)
def test_what_it_imports_is_there(file: Path) -> None:
    assert runpy.run_path(str(file), run_name="benchmark")["__doc__"]


@pytest.mark.parametrize("file", WITH_FLAGS, ids=lambda file: file.stem)
def test_its_flags_are_described(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(file), "--help"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(file), run_name="__main__")
    assert ended.value.code == 0
    assert "usage: " in capsys.readouterr().out
