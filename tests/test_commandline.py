"""commandline: names of folders that are none are refused in words that help."""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from distil_jax import commandline, tokenizer
from distil_jax.errors import UsageError
from distil_jax.failure import report
from distil_jax.storage.folder import open_folder

ENDING_THREADS = """
import errno, threading
from distil_jax import commandline

def end_a_thread(error):
    def target():
        raise error
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()

def command(arguments):
    end_a_thread(OSError(errno.ENOSPC, "no room"))
    end_a_thread(ValueError("a mistake"))

commandline.run(command, [])
"""


def test_a_thread_that_a_full_disk_ended_is_no_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", ENDING_THREADS], capture_output=True, text=True)
    assert done.returncode == 0
    assert "ValueError: a mistake" in done.stderr
    assert "no room" not in done.stderr


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (commandline.positive, "1x", "'1x' is not a whole number of at least 1"),
        (commandline.natural, "0.05", "'0.05' is not a whole number of at least 0"),
        (commandline.positive_number, "fast", "'fast' is not a positive number"),
        (commandline.positive_number, "nan", "'nan' is not a positive number"),
        (commandline.size, "-1", "'-1' is not 0 or a positive number"),
        (commandline.share, "5%", "'5%' is not a number between 0 and 1"),
        (int, "many", "'many' is not a whole number"),
        (float, "half", "'half' is not a number"),
    ],
)
def test_a_word_in_place_of_a_number_is_named_with_what_is_expected(
    kind: Callable[[str], float], value: str, message: str
) -> None:
    parser = commandline.Parser(prog="program")
    parser.add_argument("--seeds", type=kind)
    with pytest.raises(
        UsageError, match=f"^argument --seeds: {re.escape(message)} .see program --help.$"
    ):
        parser.parse_args([f"--seeds={value}"])


def test_help_names_the_default_of_every_flag_that_has_one() -> None:
    parser = commandline.Parser(prog="program")
    parser.add_argument("--share", default="5%", help="of the text")
    parser.add_argument("--rates", nargs="*", default=[1, 2], help="of learning")
    parser.add_argument("--top", type=int, default=0, help="tokens; 0: all")
    parser.add_argument("--needed", required=True, help="a folder")
    parser.add_argument("--file", help="of texts")
    parser.add_argument("--no-search", dest="search", action="store_false", help="none")
    shown = [" ".join(line.split()) for line in parser.format_help().splitlines()]
    assert "--share SHARE of the text (default: 5%)" in shown
    assert "--rates [RATES ...] of learning (default: 1, 2)" in " ".join(shown)
    assert "--top TOP tokens; 0: all (default: 0)" in shown
    assert {"--needed NEEDED a folder", "--file FILE of texts", "--no-search none"} <= {*shown}


def test_a_path_is_a_folder() -> None:
    assert commandline.folder("runs/a") == commandline.folder_or_url("runs/a") == Path("runs/a")


def test_a_home_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell leaves the ~ of --workdir=~/runs as it is."""
    monkeypatch.setenv("HOME", str(tmp_path))
    parser = commandline.Parser()
    parser.add_argument("--workdir", type=commandline.folder)
    parser.add_argument("--text")
    parser.add_argument("other", nargs="*")
    given = ["--workdir=~/runs", "--config.data.train=~/a.txt", "--text=~no-such-user/a b", "~/c"]
    flags, keys = parser.parse_with_keys(given)
    assert flags.workdir == tmp_path / "runs"
    assert keys == [f"--config.data.train={tmp_path}/a.txt"]
    assert (flags.text, flags.other) == ("~no-such-user/a b", ["~/c"])
    assert tokenizer.resolve("~/model") == tmp_path / "model"
    assert open_folder("~/rows").address == str(tmp_path / "rows")


def test_a_bucket_is_a_place() -> None:
    assert commandline.folder_or_url("gs://bucket/run") == "gs://bucket/run"


@pytest.mark.parametrize(
    ("name", "message"), [("", "is empty"), ("gs://bucket/run", "is not a local folder")]
)
def test_other_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        commandline.folder(name)


# JAX says that it knows no platform "nowhere", and says nothing where cuda has no GPU.
@pytest.mark.parametrize(("command", "platform"), [("main", "nowhere"), ("evaluate", "cuda")])
def test_a_platform_without_a_device_is_one_line(
    command: str, platform: str, tmp_path: Path
) -> None:
    text = tmp_path / "text.txt"
    text.write_text(
        "A line of twelve words or more, so that it is long enough to count as text.\n" * 9
    )
    flags = {
        "main": ["--config=quickstart", f"--workdir={tmp_path / 'run'}"],
        "evaluate": [
            "--model=builtin:teacher",
            "--task=mlm",
            f"--data={text}",
            f"--output={tmp_path / 'scores'}",
        ],
    }
    environment = {**os.environ, "JAX_PLATFORMS": platform, "CUDA_VISIBLE_DEVICES": ""}

    done = subprocess.run(
        [sys.executable, "-m", f"distil_jax.{command}", *flags[command]],
        env=environment,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1, done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"error: JAX finds no device for JAX_PLATFORMS={platform}")
    assert "pip install -e '.[cuda]'" in done.stderr


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.\nmore"),
    ],
)
def test_too_little_memory_is_one_line_with_what_to_set(error: BaseException, capsys) -> None:
    assert report(error) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: memory is not enough")
    assert "config.batch.micro_size" in message
    assert message.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--inptu=x"], "required: --input; --inptu: did you mean --input?"),
        (["--input=x", "--colour=y"], "unrecognized arguments: --colour=y (see"),
        (
            ["--inp=x", "--nmae", "y"],
            "unrecognized arguments: --nmae; --nmae: did you mean --name?",
        ),
        (["--model=x"], "required: --input (see"),  # of --help it has its dashes and two letters
        (["--", "--inptu"], "required: --input (see"),
    ],
)
def test_a_misspelt_flag_is_named_with_the_one_that_was_meant(given: list[str], said: str) -> None:
    parser = commandline.Parser(prog="it")
    parser.add_argument("--input", required=True)
    parser.add_argument("--name")
    parser.add_argument("text", nargs="*")
    with pytest.raises(UsageError, match=re.escape(said)):
        parser.parse_args(given)


FAKE_PLUGIN = """
import sys

sys.stderr.write("started\\n")


def initialize():
    raise RuntimeError("Unable to load CUDA. Is it installed?")
"""


@pytest.mark.skipif(
    any(map(os.path.exists, commandline.NVIDIA_DEVICES)), reason="this machine has a GPU"
)
def test_a_plugin_for_gpus_is_not_started_where_there_is_none(tmp_path: Path) -> None:
    for name in ("jax_plugins/xla_cuda12", "jax_cuda12_plugin"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text(FAKE_PLUGIN)
    program = "import jax; print(jax.devices()[0].platform)"
    code = f"from distil_jax import commandline as c; c.do_without_absent_gpus(); {program}"
    paths = [str(tmp_path), str(Path(__file__).parents[1])]
    variables = {k: v for k, v in os.environ.items() if k != "JAX_PLATFORMS"}
    variables["PYTHONPATH"] = os.pathsep.join(paths)
    shown = {
        name: subprocess.run(
            [sys.executable, "-c", text], env=variables, capture_output=True, text=True, check=True
        )
        for name, text in (("jax alone", program), ("here", code))
    }
    assert "Unable to load CUDA" in shown["jax alone"].stderr
    assert (shown["here"].stdout, shown["here"].stderr) == ("cpu\n", "")


@pytest.mark.parametrize(
    "words", [["--batch-size=3", "--top-k", "4"], ["--batch_size", "3", "--top_k=4"]]
)
def test_a_flag_may_be_spelt_with_either_line(words: list[str]) -> None:
    parser = commandline.Parser(prog="program")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--top_k", type=int)
    parser.add_argument("words", nargs="*")
    flags = parser.parse_args([*words, "--", "--batch_size"])
    assert (flags.batch_size, flags.top_k, flags.words) == (3, 4, ["--batch_size"])
