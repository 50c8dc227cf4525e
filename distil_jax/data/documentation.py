"""`builtin:docs`: the English documentation of the installed Python packages, as a corpus.

Nothing is imported and nothing downloaded: files are parsed, docstrings cleaned to prose. The
result depends on the installed packages alone, not on the number of processes.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from distil_jax import environment
from distil_jax.errors import UserError

# What this project installs or what commonly stands beside it; packages that are absent are left
# out. A fixed list, so that a test or a lint tool installed later does not change the corpus.
_PACKAGE_NAMES = """
    absl-py anyio click datasets dill etils filelock flax fonttools fsspec grain huggingface-hub
    humanize jax jaxtyping Jinja2 joblib matplotlib ml-collections multiprocess networkx numpy
    optax orbax-checkpoint packaging pandas pillow protobuf pyarrow pydantic python-dateutil
    regex rich safetensors scikit-learn scipy simplejson tensorboardX tensorstore tokenizers
    tqdm transformers treescope typer
"""
PACKAGES = tuple(_PACKAGE_NAMES.split())
EXTRACTION = 1  # raise it when the cleaning changes: prepared folders then know they are stale
SHORTEST_DOCUMENT_WORDS = 12
_LEFT_OUT = {
    "test",
    "tests",
    "testing",
    "_vendor",
    "vendor",
    "vendored",
    "idlelib",
    "lib2to3",
    "turtledemo",
    "site-packages",
    "dist-packages",
    "__pycache__",
    "benchmarks",
    "examples",
}
# A fifth of all source bytes for a twentieth of the prose: transformers' network definitions.
_POOR_PREFIXES = ("test_", "conftest", "modeling_", "modular_", "convert_")


def identity() -> dict[str, str]:
    """What decides the text: versions of Python, of the packages and of the extraction."""
    versions = {name: _version(name) for name in PACKAGES}
    return {
        "python": platform.python_version(),
        "extraction": str(EXTRACTION),
        **{name: version for name, version in versions.items() if version},
    }


@lru_cache(maxsize=1)
def documents(processes: int | None = None) -> tuple[str, ...]:
    """Every document once, paragraphs as lines; a paragraph seen before is left out.

    Raises UserError if no documentation is texts (packages without their sources).
    """
    seen: set[bytes] = set()
    documents = []
    for document in _extracted(_files(), processes or os.cpu_count() or 1):
        fresh = [line for line in document if _first_time(line, seen)]
        if sum(len(line.split()) for line in fresh) >= SHORTEST_DOCUMENT_WORDS:
            documents.append("\n".join(fresh))
    if not documents:
        raise UserError(
            "builtin:docs found no documentation in the installed packages; "
            "install them with their .py files, or give text files with --input"
        )
    return tuple(documents)


def _first_time(line: str, seen: set[bytes]) -> bool:
    letters = "".join(c for c in line.casefold() if c.isalpha())
    digest = hashlib.blake2b(letters.encode(), digest_size=8).digest()
    new = digest not in seen
    seen.add(digest)
    return new


def _extracted(files: list[Path], processes: int) -> Iterator[list[str]]:
    """Documents in the order of the files, read by several processes.

    The processes are started as programs: `multiprocessing` would either fork a program in which
    jax already runs threads, or import the caller's main module again.
    """
    shares = _balanced(files, processes)
    with ThreadPoolExecutor(len(shares)) as threads:
        texts = dict(pair for share in threads.map(_read, shares) for pair in share)
    for file in files:
        yield from texts[file]


def _read(files: list[Path]) -> list[tuple[Path, list[list[str]]]]:
    package = Path(__file__).parents[2]
    path = os.pathsep.join(filter(None, (str(package), environment.PYTHONPATH.read())))
    reader = subprocess.run(
        [sys.executable, "-m", "distil_jax.data.docstrings"],
        input="\n".join(map(str, files)),
        env=environment.of_child({"PYTHONPATH": path}),
        capture_output=True,
        encoding="utf-8",
    )
    if reader.returncode:
        raise RuntimeError(f"reading documentation failed: {reader.stderr[-2000:]}")
    return list(zip(files, map(json.loads, reader.stdout.splitlines()), strict=True))


def _balanced(files: list[Path], processes: int) -> list[list[Path]]:
    """Deal files out so that every process reads about as many bytes."""
    shares: list[list[Path]] = [[] for _ in range(max(1, min(processes, len(files))))]
    weights = [0] * len(shares)
    for file in sorted(files, key=lambda file: -file.stat().st_size):
        lightest = weights.index(min(weights))
        shares[lightest].append(file)
        weights[lightest] += file.stat().st_size
    return shares


def _files() -> list[Path]:
    """The standard library's files, then each package's sources and README, in a fixed order."""
    library = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(_sources(library.rglob("*.py"), library))
    for name in PACKAGES:
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        root = Path(str(distribution.locate_file("")))
        listed = (root / file for file in distribution.files or () if file.suffix == ".py")
        files += sorted(_sources(listed, root))
        files += [root / file for file in distribution.files or () if file.name == "METADATA"]
    return [file for file in dict.fromkeys(files) if file.is_file()]


def _sources(files: Iterable[Path], root: Path) -> Iterator[Path]:
    for file in files:
        folders = file.relative_to(root).parts[:-1]
        if not _LEFT_OUT.intersection(folders) and not file.name.startswith(_POOR_PREFIXES):
            yield file


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
