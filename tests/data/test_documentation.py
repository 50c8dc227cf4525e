import sys
from pathlib import Path

import pytest

from distil_jax.data import documentation
from distil_jax.errors import UserError


@pytest.fixture
def few_files(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    library = Path(documentation.__file__).parent
    files = [file for file in documentation._files() if file.parent.name in ("json", "optax")]
    assert library not in files
    assert len(files) >= 5
    monkeypatch.setattr(documentation, "_files", lambda: files)
    documentation.documents.cache_clear()
    yield files
    documentation.documents.cache_clear()


def test_same_text_for_any_number_of_processes(few_files: list[Path]):
    one = documentation.documents(1)
    documentation.documents.cache_clear()
    assert documentation.documents(3) == one
    assert any("JSON" in document for document in one)


def test_no_paragraph_comes_twice(few_files: list[Path]):
    lines = [line for document in documentation.documents(1) for line in document.split("\n")]
    assert len(lines) == len({line.casefold() for line in lines}) > 20


def test_files_are_sources_and_no_tests():
    names = {str(file) for file in documentation._files()}
    assert any(name.endswith("argparse.py") for name in names)
    assert any("numpy" in name for name in names)
    assert not any("/tests/" in name or "site-packages/torch/" in name for name in names)
    assert len(names) > 3000


def test_identity_names_versions():
    assert documentation.identity()["python"] == sys.version.split()[0]
    assert "numpy" in documentation.identity()


def test_nothing_installed_is_an_error(few_files: list[Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(documentation, "_files", list)
    with pytest.raises(UserError, match="found no documentation"):
        documentation.documents(2)
