"""What a wheel holds: every package, the configs, and the built-in teacher's files."""

import configparser
import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


@pytest.fixture
def setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line and not line.startswith("#")]


def test_every_package_is_listed(setup: configparser.ConfigParser) -> None:
    sources = (ROOT / "distil_jax").rglob("*.py")
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in sources}
    assert set(_lines(setup["options"]["packages"])) == packages | {"distil_jax.configs"}


def test_configs_and_packages_are_importable_packages() -> None:
    for folder in (ROOT / "configs", *(path for path in (ROOT / "distil_jax").rglob("*/"))):
        if any(folder.glob("*.py")):
            assert (folder / "__init__.py").exists(), folder


def test_constraints_pin_every_requirement_within_its_range(
    setup: configparser.ConfigParser,
) -> None:
    pins = dict(line.split("==") for line in _lines((ROOT / "constraints.txt").read_text()))
    extras = setup["options.extras_require"]
    needed = (
        setup["options"]["install_requires"],
        *(extras[name] for name in ("test", "edge", "gcs", "ray")),
    )
    for line in (line for part in needed for line in _lines(part)):
        requirement = Requirement(line)
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, line


def test_python_versions_agree(setup: configparser.ConfigParser) -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    lowest = re.match(r">=3\.(\d+)", setup["options"]["python_requires"])
    assert lowest is not None
    assert tools["ruff"]["target-version"] == f"py3{lowest[1]}"
    assert tools["mypy"]["python_version"] == f"3.{lowest[1]}"
    assert f"Python :: 3.{lowest[1]}" in setup["metadata"]["classifiers"]
