"""Bad input to main: the documented exit status, one line on stderr, nothing changed on disk."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from distil_jax import commandline
from distil_jax.errors import UserError
from distil_jax.main import main

pytestmark = pytest.mark.usefixtures("blank_figures")

Flags = Callable[..., list[str]]
Spoil = Callable[[Path], object]


@pytest.fixture
def place(tmp_path: Path, teacher_folder: Path, rows_folder: Path, text_file: Path) -> Path:
    """A folder with a teacher, rows and text of its own, which may be spoilt."""
    shutil.copytree(teacher_folder, tmp_path / "teacher")
    shutil.copytree(rows_folder, tmp_path / "rows")
    shutil.copy(text_file, tmp_path / "text.txt")
    (tmp_path / "empty.txt").write_text("\n\n")
    (tmp_path / "raises.py").write_text("raise ValueError('not today')\n")
    (tmp_path / "no_function.py").write_text("value = 1\n")
    (tmp_path / "unknown_key.py").write_text(
        "from ml_collections import ConfigDict\n"
        "from distil_jax.configs import base\n"
        "def get_config():\n"
        "    config = ConfigDict(base.get_config())\n"
        "    config.unlock()\n"
        "    config.batch.sequence = 8\n"
        "    return config\n"
    )
    return tmp_path


def tree(folder: Path) -> dict[str, str]:
    """Every folder, and every file with its digest."""
    return {
        str(path): "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
    }


def edit_json(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(content))


def without_tensors(path: Path, part: str) -> None:
    save_file({n: t for n, t in load_file(path).items() if part not in n}, path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def shard(place: Path, split: str) -> Path:
    return next((place / "rows" / split).glob("*.arrow"))


def fails(
    arguments: list[str],
    place: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> tuple[int, str]:
    """Exit status and the line on standard error; all below `place` must stay as it is."""
    monkeypatch.setattr(commandline, "_keep_standard_error_for_errors", lambda: None)
    before = tree(place)
    capfd.readouterr()
    with pytest.raises(SystemExit) as exited:
        commandline.run(main, arguments)
    err = capfd.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert tree(place) == before
    assert isinstance(exited.value.code, int)
    return exited.value.code, err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config.batch.sequence=8"], ["config.batch.sequence", "config.batch.size"]),
        (["--config.temprature=8"], ["config.temprature", "config.loss.temperature"]),
        (["--config.total_steps=many"], ["config.total_steps", "many", "int"]),
        (["--config.total_steps=1.5"], ["config.total_steps", "1.5", "int"]),
        (["--config.loss.temperature=warm"], ["config.loss.temperature", "warm", "float"]),
        (["--config.log.tensorboard=perhaps"], ["config.log.tensorboard", "perhaps", "bool"]),
        (["--config.optimizer.name=adam"], ["config.optimizer.name='adam'", "adamw, lion"]),
        (["--config.optimizer.schedule=step"], ["config.optimizer.schedule", "linear, cosine"]),
        (["--config.parallel.mode=tpu"], ["config.parallel.mode", "tpu", "jit", "pmap"]),
        (["--config.loss.temperature=0"], ["config.loss.temperature=0", "above 0"]),
        (["--config.loss.cosine=nan"], ["config.loss.cosine", "nan", "finite"]),
        (["--config.seed=-1"], ["config.seed=-1", "at least 0"]),
        (["--config.teacher="], ["config.teacher", "config.loss.soft_target", "set them to 0"]),
        (["--config.total_steps"], ["config.total_steps", "--config.total_steps=VALUE"]),
        (["--config.batch=8"], ["config.batch"]),
        (["--total_steps=8"], ["--total_steps=8", "--config.KEY=VALUE"]),
        (["--config=quickstrat"], ["quickstrat", "quickstart"]),
        (["--config=absent.py"], ["absent.py"]),
        (["--config={place}/raises.py"], ["raises.py", "ValueError: not today"]),
        (["--config={place}/no_function.py"], ["no_function.py", "get_config"]),
        (["--config={place}/text.txt"], ["text.txt", "SyntaxError"]),
        (
            ["--config={place}/unknown_key.py"],
            ["config.batch.sequence;", "did you mean config.batch.size"],
        ),
        (["--workdir="], ["--workdir", "empty"]),
    ],
)
def test_a_wrong_command_line_exits_2(
    arguments: list[str],
    words: list[str],
    place: Path,
    flags: Flags,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    given = [argument.format(place=place) for argument in arguments]
    status, err = fails([*flags(place / "run"), *given], place, monkeypatch, capfd)
    assert status == 2
    assert all(word in err for word in words), err


def test_no_workdir_exits_2(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    status, err = fails(["--config=base"], place, monkeypatch, capfd)
    assert (status, "--workdir" in err) == (2, True)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda p: (p / "teacher/model.safetensors").unlink(), ["model.safetensors"]),
        (lambda p: cut(p / "teacher/model.safetensors"), ["model.safetensors", "truncated"]),
        (lambda p: (p / "teacher/config.json").unlink(), ["config.json"]),
        (
            lambda p: edit_json(p / "teacher/config.json", model_type="t5"),
            ["config.json", "t5", "bert"],
        ),
        (
            lambda p: without_tensors(p / "teacher/model.safetensors", "cls.predictions"),
            ["teacher", "no masked-language-model head"],
        ),
        (
            lambda p: without_tensors(p / "teacher/model.safetensors", "layer.1.attention"),
            ["teacher", "lacks tensor", "layer.1.attention"],
        ),
        (lambda p: cut(shard(p, "train")), ["rows/train/", "bytes"]),
        (lambda p: flip(shard(p, "train")), ["rows/train/", "checksum"]),
        (lambda p: flip(shard(p, "validation")), ["rows/validation/", "checksum"]),
        (lambda p: shard(p, "train").unlink(), ["rows/train/", "missing"]),
    ],
)
def test_a_damaged_folder_exits_1(
    spoil: Spoil,
    words: list[str],
    place: Path,
    flags: Flags,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    spoil(place)
    arguments = flags(place / "run", **{"teacher": place / "teacher", "data.train": place / "rows"})
    status, err = fails(arguments, place, monkeypatch, capfd)
    assert status == 1
    assert all(word in err for word in words), err


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data.train": "{place}/empty.txt"}, ["empty.txt"]),
        ({"data.train": "{place}/absent.txt"}, ["absent.txt"]),
        ({"data.train": ""}, ["config.data.train", "empty"]),
        (
            {"data.train": "{place}/text.txt", "batch.length": 128},
            ["config.batch.length is 128", "64 positions", "at most 64"],
        ),
        (
            {"data.train": "{place}/text.txt", "batch.length": 32, "data.heldout": 0.000001},
            ["text.txt", "no held-out rows"],
        ),
        ({"data.train": "nobody/nothing"}, ["nobody/nothing", "network"]),
        ({"teacher": "nobody/nothing"}, ["nobody/nothing", "network"]),
        ({"teacher": "{place}/absent/folder"}, ["absent/folder", "does not exist"]),
        (
            {"batch.size": 12, "parallel.devices": 8},
            ["config.batch.size=12", "8 devices", "8 or 16"],
        ),
        (
            {"batch.size": 12, "parallel.devices": 2, "batch.micro_size": 4},
            ["config.batch.size=12", "2 devices", "config.batch.micro_size=4", "8 or 16", "3 or 6"],
        ),
        ({"parallel.devices": 9}, ["config.parallel.devices=9", "8 devices"]),
        ({"student.layers": "0,9"}, ["config.student.layers", "0,9", "4-layer"]),
        ({"student.layers": "0 2 3"}, ["config.student.layers", "no list of layers", "0,2,4"]),
        ({"student.layers": "0"}, ["config.student.layers", "0 layers"]),
        ({"student.layers": "[4]"}, ["config.student.layers", "[4]", "4-layer"]),
        ({"student.layers": "evry_other"}, ["config.student.layers", "evry_other", "every_other"]),
    ],
)
def test_values_that_do_not_go_together_exit_1(
    changes: dict[str, str],
    words: list[str],
    place: Path,
    flags: Flags,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    given = {key: str(value).format(place=place) for key, value in changes.items()}
    status, err = fails(flags(place / "run", **given), place, monkeypatch, capfd)
    assert status == 1
    assert all(word in err for word in words), err


def test_rows_longer_than_the_positions_exit_1(
    place: Path,
    flags: Flags,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = place / "teacher/model.safetensors"
    tensors = load_file(path)
    (name,) = [name for name in tensors if "position_embeddings" in name]
    save_file({**tensors, name: np.ascontiguousarray(tensors[name][:16])}, path)
    edit_json(place / "teacher/config.json", max_position_embeddings=16)
    arguments = flags(place / "run", teacher=place / "teacher")
    status, err = fails(arguments, place, monkeypatch, capfd)
    assert status == 1
    assert "rows of 32 tokens, but the models have 16 positions" in err


def test_a_tokenizer_of_another_vocabulary_exits_1(
    place: Path,
    flags: Flags,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from distil_jax import tokenizer

    text = (place / "text.txt").read_text().splitlines()
    tokenizer.save(place / "other", tokenizer.train_wordpiece(lambda: text, 60))
    arguments = flags(place / "run", tokenizer=place / "other")
    status, err = fails(arguments, place, monkeypatch, capfd)
    size = len(tokenizer.load(place / "other"))
    assert status == 1
    assert all(word in err for word in [f"{place}/other has {size} tokens", "91", "set config."])


def test_rows_of_another_tokenizer_exit_1(
    place: Path,
    flags: Flags,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = place / "rows" / "manifest.json"
    manifest = json.loads(path.read_text())
    edit_json(path, tokenizer=manifest["tokenizer"][::-1])
    arguments = flags(place / "run", **{"data.train": place / "rows"})
    status, err = fails(arguments, place, monkeypatch, capfd)
    assert (status, "another tokenizer" in err) == (1, True)


@pytest.mark.parametrize("workdir", ["text.txt", "text.txt/run"])
def test_a_workdir_that_cannot_be_made_exits_1(
    workdir: str,
    place: Path,
    flags: Flags,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    status, err = fails(flags(place / workdir), place, monkeypatch, capfd)
    assert status == 1
    assert f"{place / workdir} cannot be written" in err


def test_a_workdir_whose_checkpoints_could_not_be_read_exits_1(
    place: Path,
    flags: Flags,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    workdir = place / "layers=[0,2]"
    arguments = [*flags(workdir), "--config.teacher=/nowhere"]
    status, err = fails(arguments, place, monkeypatch, capfd)
    assert (status, f"{workdir} cannot hold checkpoints" in err) == (1, True)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"loss.temperature": 3.0}, ["loss.temperature was 2.0 and is 3.0"]),
        ({"student.layers": "0,3"}, ['student.layers was "every_other" and is "0,3"']),
        ({"total_steps": 9}, ["total_steps was 12 and is 9"]),
    ],
)
def test_a_workdir_of_another_config_exits_1(
    changes: dict[str, object],
    words: list[str],
    finished: Path,
    flags: Flags,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    status, err = fails(flags(finished, **changes), finished, monkeypatch, capfd)
    assert status == 1
    assert all(word in err for word in [str(finished), *words, "another --workdir"]), err


def test_a_workdir_of_other_weights_and_rows_exits_1(
    place: Path,
    finished: Path,
    flags: Flags,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = place / "teacher/model.safetensors"
    save_file({name: tensor * 2 for name, tensor in load_file(path).items()}, path)
    arguments = flags(finished, teacher=place / "teacher")
    status, err = fails(arguments, finished, monkeypatch, capfd)
    assert (status, "the teacher's weights differ" in err) == (1, True)
    edit_json(place / "rows" / "manifest.json", invalid_utf8=7)
    arguments = flags(finished, **{"data.train": place / "rows"})
    status, err = fails(arguments, finished, monkeypatch, capfd)
    assert (status, "the training rows differ" in err) == (1, True)


@pytest.mark.parametrize("key", ["teacher", "data.train"])
def test_a_hub_id_without_network_is_one_line(key: str, place: Path, flags: Flags) -> None:
    """As a program, with the hub's client willing to try."""
    environment = {"HF_HUB_OFFLINE": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    environment["HF_HOME"] = str(place.parent / "hub")
    command = [sys.executable, "-m", "distil_jax.main", *flags(place / "run", **{key: "no/thing"})]
    before = tree(place)
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no/thing" in done.stderr
    assert "network" in done.stderr
    assert tree(place) == before


def test_an_error_of_the_program_is_one_line(place: Path, flags: Flags) -> None:
    cut(shard(place, "train"))
    command = [sys.executable, "-m", "distil_jax.main"]
    command += flags(place / "run", **{"data.train": place / "rows"})
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: shard")
    assert done.stderr.count("\n") == 1


def test_a_kernel_that_this_platform_lacks_is_named_before_text_is_prepared(
    tmp_path: Path, flags: Flags, text_file: Path
) -> None:
    changes = {"parallel.attention": "kernel", "data.train": text_file, "data.heldout": 0.1}
    with pytest.raises(UserError, match=r"parallel\.attention=kernel: a CPU has none"):
        main(flags(tmp_path / "run", **changes))
    assert not (tmp_path / "run").exists()
