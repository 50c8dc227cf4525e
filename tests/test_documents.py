"""Documents: files that they name are there, commands are right, generated pages are the code's."""

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from distil_jax import cli
from distil_jax.configuration.declared import declared, renamed

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if "build" not in path.parts
)
COMMAND = re.compile(r"^(?:python -m distil_jax\.|distil-jax )(\w+)(.*)$")
SCRIPT = re.compile(r"\s(?:--help|completion|doctor)\b")


@pytest.mark.parametrize("name", PAGES)
def test_files_that_are_named_exist(name: str) -> None:
    text = (ROOT / name).read_text()
    folder = (ROOT / name).parent
    paths = re.findall(r"`((?:distil_jax|docs|configs|benchmarks|tests)/[\w./]+\.\w+)`", text)
    links = re.findall(r"\]\(([\w./]+\.(?:md|py|ipynb|png))(?:#[\w-]+)?\)", text)
    missing = [path for path in paths if not (ROOT / path).exists()]
    missing += [link for link in links if not (folder / link).exists()]
    assert not missing


def test_the_architecture_names_every_package() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    packages = {path.parent.name for path in (ROOT / "distil_jax").glob("*/__init__.py")}
    assert packages <= set(re.findall(r"\w+", text.split("## Packages")[1].split("##")[0]))


def commands() -> Iterator[tuple[str, str, str]]:
    """Page, module and arguments of every command in a page's bash blocks."""
    modules = {name: command.module for name, command in cli.COMMANDS.items()}
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", (ROOT / page).read_text(), re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                found = COMMAND.match(line.strip())
                if found and not SCRIPT.search(f" {line}"):
                    name, rest = found.groups()
                    yield page, modules.get(name, name), rest


def keys_of(words: list[str]) -> list[str]:
    """The config keys that a command line sets; `...` and `[optional]` parts are read, too."""
    return [word.removeprefix("--config.").split("=")[0] for word in words if "--config." in word]


@pytest.mark.parametrize(("page", "module", "rest"), list(commands()))
def test_commands_have_flags_and_keys_that_exist(page: str, module: str, rest: str) -> None:
    words = shlex.split(re.sub(r"[\[\]](?=--|\s|$)", "", rest), comments=True)
    words = [word for word in words if word != "..."]
    command = next(c for c in cli.COMMANDS.values() if c.module == module)
    parser = importlib.import_module(f"distil_jax.{module}").parser()
    known = {key.name for key in declared()} | set(renamed())
    assert set(keys_of(words)) <= known
    assert command.keys or not keys_of(words)
    _, unknown = parser.parse_known_args([w for w in words if not w.startswith("--config.")])
    assert not unknown


def generated() -> dict[Path, str]:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


def test_reference_pages_are_what_the_code_declares() -> None:
    stale = [path.name for path, text in generated().items() if path.read_text("utf-8") != text]
    assert not stale, "run: python docs/generate.py"


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "-d", str(tmp_path / "trees")]
    done = subprocess.run(
        [*build, str(ROOT / "docs"), str(tmp_path / "site")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    text = re.sub(r"<[^>]+>", "", (tmp_path / "site/reference/api.html").read_text())
    assert "distil_jax.losses.vocabulary_losses(" in text
    assert "Float[Array" in text
    assert "jaxlib._jax" not in text
