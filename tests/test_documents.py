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
from tests import documents
from tests.documents import PAGES, ROOT

OWN_WORDS = re.compile(
    r"\b(?:door|room|house)s?\b|\bmend (?:it|them)\b|is no folder here|goes on from there"
    r"|not a number that it takes|\bit is told\b|blind to devices|cannot be had|made from nothing",
    re.IGNORECASE,
)
INLINE = re.compile(r"`((?:python -m distil_jax\.|distil-jax )\w[^`]* --[^`]*)`")
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
    """Page, module and arguments of every command in a page's blocks and of those in its text."""
    modules = {name: command.module for name, command in cli.COMMANDS.items()}
    lines = [(block.page, line) for block in documents.blocks() for line in block.lines]
    for page in PAGES:
        text = (ROOT / page).read_text("utf-8")
        lines += [(page, " ".join(line.split())) for line in INLINE.findall(text)]
    for page, line in lines:
        found = COMMAND.match(line)
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


@pytest.mark.parametrize("page", PAGES)
def test_commands_stand_in_blocks_of_bash(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert not re.findall(r"^```(?:sh|shell|console|zsh)\b", text, re.MULTILINE)
    started = r"^    (?:python|pip|distil-jax|\./launch/\S+|source|docker) .*"
    assert not re.findall(started, documents.BLOCK.sub("", text), re.MULTILINE)


@pytest.mark.parametrize(
    "block", list(documents.blocks()), ids=lambda block: f"{block.page}-{block.number}"
)
def test_every_block_is_tested_or_says_what_it_needs(block: documents.Block) -> None:
    programs = {documents.program(line) for line in block.lines}
    assert programs >= block.excepted.keys()
    assert {*block.excepted.values()} <= documents.REASONS.keys()
    if block.mark.startswith("not run: "):
        assert block.mark.removeprefix("not run: ") in documents.REASONS
        return
    assert block.tested or block.paths, f"say whether it is tested: see {documents.__name__}"
    if block.paths:
        text = "".join((ROOT / path).read_text("utf-8") for path in block.paths)
        names = {Path(name).stem for name in programs - block.excepted.keys()}
        assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_words_are_the_fields() -> None:
    """Words of our own that once puzzled readers, in the source, its messages and the pages."""
    files = [ROOT / page for page in PAGES]
    for folder in ("distil_jax", "configs", "launch", "examples", "benchmarks"):
        files += [
            path for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".sh", ".j2")
        ]
    found = {path.name: OWN_WORDS.findall(path.read_text("utf-8")) for path in files}
    assert {name: words for name, words in found.items() if words} == {}


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
