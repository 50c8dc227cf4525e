"""Documents: the files that they name are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", ["docs/architecture.md", "README.md", "CONTRIBUTING.md"])
def test_files_that_are_named_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    paths = re.findall(r"`((?:distil_jax|docs|configs|benchmarks|tests)/[\w./]+\.\w+)`", text)
    links = re.findall(r"\]\(([\w./]+\.(?:md|py|ipynb|png))\)", text)
    folder = (ROOT / name).parent
    missing = [path for path in paths if not (ROOT / path).exists()]
    missing += [link for link in links if not (folder / link).exists()]
    assert not missing


def test_the_architecture_names_every_package() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    packages = {path.parent.name for path in (ROOT / "distil_jax").glob("*/__init__.py")}
    assert packages <= set(re.findall(r"\w+", text.split("## Packages")[1].split("##")[0]))
